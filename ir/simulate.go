package ir

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"secc.example/secc/ir/num"
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
	Seed     uint64         // of the simulated randomness; a run is a function of inputs and seed
	Noise    float64        // standard deviation, in ulp, of what the RLWE response adds to a rounding; 0: DefaultNoise, negative: none
	Workers  int            // 0: one a core
	Weights  *PackedWeights // kept from one simulation of a graph to the next; nil: nothing is
	Observe  func(v *Value, t *FixedTensor)
	Stop     func() error // asked before every value: an error ends the simulation with it; nil: nothing does
}

// DefaultNoise makes the total deviation of a linear operator's rounding 0.42 ulp.
const DefaultNoise = 0.1

// FixedTensor is what a fixed-phase value holds: Ints, or Real once the client
// has converted it.
type FixedTensor struct {
	Type Type
	Ints []int64 // signed representatives
	Real []float32
	loan bool // Ints go back to the simulation's memory once nobody reads them
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
func Simulate(g *Graph, inputs []*num.Tensor, opt SimOptions) (*SimResult, error) {
	p, err := Start(g, inputs, opt)
	if err != nil {
		return nil, err
	}
	return p.Finish()
}

// simulation is the state of one run.
type simulation struct {
	opt     SimOptions
	workers int
	ranges  map[*Value]Range
	memory  *num.Buffers[int64]
	left    map[*Value]int // reads to come
	factors map[*Value]bool
}

func (p *Paused) simulation() *simulation {
	return &simulation{factors: p.factors, opt: p.opt, workers: workersOf(p.opt.Workers), ranges: maps.Clone(p.ranges)}
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
		t.Real, err = evalReal(v, in, fresh[float32], s.workers)
		return err
	}
	var err error
	t.Ints, err = s.fixed(v, args)
	t.loan = v.Op != OpConst
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
	out := s.result(v, args)
	info.Fixed(s, v, in, out)
	s.settle(v, out)
	return out, nil
}

// result is memory for a value: its argument's, where each element is read
// before it is written and nobody else reads it.
func (s *simulation) result(v *Value, args []*FixedTensor) []int64 {
	switch v.Op {
	case OpReshape, OpRescale, OpReveal, OpExtend, OpReduce, OpTruncate, OpNeg, OpRelu, OpClip, OpAdd, OpSub:
		if a := args[0]; a.loan && s.left[v.Args[0]] == 1 && len(a.Ints) == v.Type.N() {
			a.loan = false
			return a.Ints
		}
	}
	return s.memory.Get(v.Type.N())
}

// wrapsInside reports a convolution whose terms may leave the ring while their
// sum does not: it reads a value that was reduced to fewer bits, or a bias that
// takes up the ring.
func (v *Value) wrapsInside(in [][]int64) bool {
	x := v.Args[0]
	if x.Op == OpReduce {
		return true
	}
	if len(in) < 3 {
		return false
	}
	limit := int64(1) << (x.Type.Elem.Bits - 2)
	return slices.ContainsFunc(in[2], func(b int64) bool { return b >= limit || b < -limit })
}

// factorsOnly lists the reductions that only products read: these count modulo their ring.
func factorsOnly(g *Graph) map[*Value]bool {
	only := map[*Value]bool{}
	for _, v := range g.Values {
		only[v] = v.Op == OpReduce
		for _, a := range v.Args {
			if v.Op != OpConv && v.Op != OpMul && v.Op != OpMatMul {
				only[a] = false
			}
		}
	}
	return only
}

// settle brings results into their ring and records how they used it.
func (s *simulation) settle(v *Value, x []int64) {
	bits := v.Type.Elem.Bits
	promise, ring := int64(1)<<max(0, bits-2), int64(1)<<(bits-1)-1 // |x| < promise; magnitude <= ring
	r := Range{N: len(x)}
	if v.modular() || s.factors[v] {
		for i, y := range x {
			x[i] = Wrap(y, bits)
		}
		if v.Op != OpTileOut {
			s.ranges[v] = r
			return
		}
	}
	top := num.Largest(x)
	r.Max = float64(top)
	if top >= promise {
		r.Over, r.Wrapped = wrapAll(x, bits, promise, ring)
	}
	s.ranges[v] = r
}

// wrapAll brings elements into their ring, and counts those beyond the promise
// and beyond the ring.
func wrapAll(x []int64, bits int, promise, ring int64) (over, wrapped int) {
	for i, y := range x {
		m := y ^ y>>63
		if m >= promise {
			over++
			if m > ring {
				wrapped++
			}
			x[i] = Wrap(y, bits)
		}
	}
	return over, wrapped
}

// String prints "max 1234, 5 over, 0 wrapped of 100352".
func (r Range) String() string {
	return fmt.Sprintf("max %.0f, %d over, %d wrapped of %d", r.Max, r.Over, r.Wrapped, r.N)
}
