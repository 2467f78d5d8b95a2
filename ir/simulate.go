package ir

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"
)

// Rounding says how the simulator treats what the runtime does at random.
type Rounding uint8

const (
	// Nearest is deterministic: every shift rounds half up and every comparison
	// is right. It equals a run of a plan compiled with exact truncation and
	// whole comparisons (Lo == 0) bit for bit.
	Nearest Rounding = iota
	// Stochastic draws from the distribution of a secure run: shifts not marked
	// Exact round by a uniform offset, linear operators add Noise, and signs are
	// computed from a random sharing with its low bits dropped.
	Stochastic
)

// SimOptions says how to simulate.
type SimOptions struct {
	Rounding Rounding
	Seed     uint64  // of the simulated randomness; a run is a function of inputs and seed
	Noise    float64 // standard deviation, in ulp, of what the RLWE response adds to a rounding; 0: DefaultNoise, negative: none
	Workers  int     // 0: one a core
	Observe  func(v *Value, t *FixedTensor)
}

// DefaultNoise makes the total deviation of a linear operator's rounding 0.42 ulp.
const DefaultNoise = 0.1

// FixedTensor is what a fixed-phase value holds: Ints, or Real once the client
// has converted it.
type FixedTensor struct {
	Type Type
	Ints []int64 // signed representatives
	Real []float32
}

// Floats reads the tensor as real numbers.
func (t *FixedTensor) Floats() []float32 {
	if t.Type.Elem.IsReal() {
		return t.Real
	}
	out := make([]float32, len(t.Ints))
	scale := math.Ldexp(1, -t.Type.Elem.Frac)
	for i, x := range t.Ints {
		out[i] = float32(float64(x) * scale)
	}
	return out
}

// Range reports how a value used its ring.
type Range struct {
	Max     float64 // largest magnitude, in units of the value's ulp, before wrapping
	Over    int     // elements outside the promised |x| < 2^(k-2)
	Wrapped int     // elements outside the ring itself: these are wrong
	N       int     // elements in all
}

// SimResult holds the outputs and, for every computed fixed-point value and
// input, how it used its ring.
type SimResult struct {
	Outputs []*FixedTensor
	Ranges  map[*Value]Range
}

// Simulate runs a graph of the fixed (or selected) phase as the secure run
// would: the definition of every operator in fixed point. inputs are the real
// input tensors; the client's encoding (Elem.Quantize) is part of the simulation.
func Simulate(g *Graph, inputs []*tensor.Dense, opt SimOptions) (*SimResult, error) {
	in, err := checkInputs(g, inputs)
	if err != nil {
		return nil, err
	}
	s := &simulation{opt: opt, workers: workersOf(opt.Workers), ranges: map[*Value]Range{}}
	if s.opt.Noise == 0 {
		s.opt.Noise = DefaultNoise
	}
	left := g.Uses()
	vals := make(map[*Value]*FixedTensor, len(g.Values))
	for i, v := range g.Inputs {
		vals[v] = s.input(v, in[i])
	}
	for _, v := range g.Values {
		if err := s.next(v, vals); err != nil {
			return nil, err
		}
		if opt.Observe != nil {
			opt.Observe(v, vals[v])
		}
		release(v, left, vals)
	}
	res := &SimResult{Ranges: s.ranges}
	for _, o := range g.Outputs {
		res.Outputs = append(res.Outputs, vals[o])
	}
	return res, nil
}

// simulation is the state of one run.
type simulation struct {
	opt     SimOptions
	workers int
	ranges  map[*Value]Range
}

func (s *simulation) input(v *Value, x []float32) *FixedTensor {
	t := &FixedTensor{Type: v.Type, Real: x}
	if v.Type.Elem.IsReal() {
		return t
	}
	t.Real, t.Ints = nil, make([]int64, len(x))
	for i, f := range x {
		t.Ints[i] = v.Type.Elem.Quantize(float64(f))
	}
	s.settle(v, t.Ints)
	return t
}

func (s *simulation) next(v *Value, vals map[*Value]*FixedTensor) error {
	if v.Op == OpInput {
		return nil
	}
	args := make([]*FixedTensor, len(v.Args))
	for i, a := range v.Args {
		if args[i] = vals[a]; args[i] == nil {
			return v.errorf("argument %s is not computed before it", a.where())
		}
	}
	t := &FixedTensor{Type: v.Type}
	vals[v] = t
	switch {
	case v.Op == OpToReal:
		t.Real = args[0].Floats()
		return nil
	case v.Type.Elem.IsReal():
		in := make([][]float32, len(args))
		for i, a := range args {
			in[i] = a.Real
		}
		var err error
		t.Real, err = evalReal(v, in, s.workers)
		return err
	}
	var err error
	t.Ints, err = s.fixed(v, args)
	return err
}

// fixed computes one fixed-point value.
func (s *simulation) fixed(v *Value, args []*FixedTensor) ([]int64, error) {
	if v.Op == OpConst {
		return v.Attrs.(*ConstAttrs).Ints, nil
	}
	info := table[v.Op]
	if info.Fixed == nil {
		return nil, v.errorf("%w", errNoFixed)
	}
	in := make([][]int64, len(args))
	for i, a := range args {
		if a.Ints == nil {
			return nil, v.errorf("%w", errMixed)
		}
		in[i] = a.Ints
	}
	out := make([]int64, v.Type.N())
	info.Fixed(s, v, in, out)
	s.settle(v, out)
	return out, nil
}

// settle brings results into their ring and records how they used it.
func (s *simulation) settle(v *Value, x []int64) {
	bits := v.Type.Elem.Bits
	promise, ring := int64(1)<<max(0, bits-2), int64(1)<<(bits-1)-1 // |x| < promise; magnitude <= ring
	r := Range{N: len(x)}
	if v.modular() {
		for i, y := range x {
			x[i] = Wrap(y, bits)
		}
		if v.Op != OpTileOut {
			s.ranges[v] = r
			return
		}
	}
	var top int64
	for i, y := range x {
		m := y ^ y>>63 // y or -y-1
		top = max(top, m)
		if m >= promise {
			r.Over++
			if m > ring {
				r.Wrapped++
			}
			x[i] = Wrap(y, bits)
		}
	}
	r.Max = float64(top)
	s.ranges[v] = r
}

// String prints "max 1234, 5 over, 0 wrapped of 100352".
func (r Range) String() string {
	return fmt.Sprintf("max %.0f, %d over, %d wrapped of %d", r.Max, r.Over, r.Wrapped, r.N)
}
