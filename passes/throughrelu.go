package passes

import (
	"math"
	"slices"
	"sync"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// throughRelu rewrites relu(g*x + b), with one g and b a channel, as
//
//	g * z * [g*z >= 0]  with  z = x + b/g.
//
// Adding b/g is local, the factor g goes forward into the convolutions that read
// the relu, and for g < 0 the server flips its share of the comparison bit. So
// the batch_norm costs nothing. It is done only if g can go forward.
//
// Where |b/g| exceeds what x ever reaches, the relu passes everything or nothing
// and z would need a range that nothing else needs: b/g is clamped to what x
// reaches, and the rest of a b that passes is a constant for the next
// convolution's bias.
func throughRelu(g *ir.Graph, cfg *Config) error {
	found := normsBeforeRelu(g)
	if len(found) == 0 {
		return nil
	}
	limits, err := channelLimits(g, cfg, found)
	if err != nil {
		return err
	}
	for _, bn := range found {
		if err := moveThrough(g, bn, limits[bn.Args[0]]); err != nil {
			return err
		}
	}
	return g.Sort()
}

// normsBeforeRelu finds batch_norms that only a relu reads.
func normsBeforeRelu(g *ir.Graph) []*ir.Value {
	r := readers(g)
	var found []*ir.Value
	for _, v := range g.Values {
		if v.Op != ir.OpBatchNorm || !ir.IsConst(v.Args[1]) || !ir.IsConst(v.Args[2]) {
			continue
		}
		if relu := sole(r, v); relu != nil && relu.Op == ir.OpRelu && len(relu.Args) == 1 {
			found = append(found, v)
		}
	}
	return found
}

// clampMargin is how far beyond its calibrated range a channel's offset reaches.
// A value beyond that is off by no more than it exceeds it, so little is enough.
const clampMargin = 1.5

// channelLimits is how far each channel of the arguments of bns reaches, with the margin.
func channelLimits(g *ir.Graph, cfg *Config, bns []*ir.Value) (map[*ir.Value][]float64, error) {
	var xs []*ir.Value
	n := 0
	for _, bn := range bns {
		if x := bn.Args[0]; !slices.Contains(xs, x) {
			xs, n = append(xs, x), n+x.Type.Shape[1]
		}
	}
	flat, err := cfg.found("throughrelu", n, func() ([]float64, error) { return reach(g, cfg, xs) })
	if err != nil {
		return nil, err
	}
	limits := map[*ir.Value][]float64{}
	for _, x := range xs {
		limits[x], flat = flat[:x.Type.Shape[1]], flat[x.Type.Shape[1]:]
	}
	return limits, nil
}

// reach evaluates the network and gives clampMargin times the largest magnitude
// of every channel of the values xs, one value after the other.
func reach(g *ir.Graph, cfg *Config, xs []*ir.Value) (flat []float64, err error) {
	first := map[*ir.Value]int{}
	for _, x := range xs {
		first[x] = len(flat)
		flat = append(flat, make([]float64, x.Type.Shape[1])...)
	}
	inputs, _ := cfg.inputs(g)
	var mu sync.Mutex
	observe := func(v *ir.Value, t *num.Tensor) {
		from, wanted := first[v]
		if !wanted {
			return
		}
		most := flat[from:][:v.Type.Shape[1]]
		x, inner := ir.Floats(t), ir.Numel(v.Type.Shape[2:])
		for at := 0; at < len(x); at += inner {
			s := spanOf(x[at : at+inner])
			mu.Lock()
			c := at / inner % len(most)
			most[c] = math.Max(most[c], clampMargin*s.maxima[0])
			mu.Unlock()
		}
	}
	count := cfg.count("reach of channels", len(inputs))
	return flat, overInputs(len(inputs), func(i, workers int) error {
		defer count.add(1)
		_, err := ir.Eval(g, inputs[i], ir.EvalOptions{Workers: workers, Observe: observe, Stop: cfg.Stop})
		return err
	})
}

// moveThrough rewrites one batch_norm if its factors can go forward.
func moveThrough(g *ir.Graph, bn *ir.Value, limit []float64) error {
	r := readers(g)
	relu, m := sole(r, bn), mapOf(bn)
	offset, rest := m.split(limit)
	if _, ok := forwardTargets(r, relu, relu.Type.Shape, rest); !ok {
		return nil
	}
	ones := slices.Repeat([]int{1}, len(bn.Type.Shape))
	ones[1] = len(offset)
	b, err := constant(g, bn.Args[2].Name, ones, offset)
	if err != nil {
		return err
	}
	z, err := g.New(ir.OpAdd, bn.Name, nil, bn.Args[0], b)
	if err != nil {
		return err
	}
	args := []*ir.Value{z}
	if flips, any := m.flips(); any {
		f, err := constant(g, bn.Args[1].Name+".flip", []int{len(flips)}, flips)
		if err != nil {
			return err
		}
		args = append(args, f)
	}
	y, err := g.New(ir.OpRelu, relu.Name, nil, args...)
	if err != nil {
		return err
	}
	scaled, err := newBatchNorm(g, bn.Name, y, rest)
	if err != nil {
		return err
	}
	g.ReplaceUses(relu, scaled)
	g.RemoveDead()
	_, err = foldForward(g, scaled)
	return err
}

// split gives the offset b/g of each channel, clamped to what the channel
// reaches, and the map of what remains to be done after the relu.
func (m channelMap) split(limit []float64) (offset []float32, rest channelMap) {
	offset = make([]float32, len(m.scale))
	rest = m
	rest.scale, rest.shift = slices.Clone(m.scale), make([]float32, len(m.scale))
	for i, g := range m.scale {
		b := m.shift[i]
		switch o := float64(b) / float64(g); {
		case g == 0:
			rest.shift[i] = max(b, 0)
		case math.Abs(o) > limit[i]:
			offset[i] = float32(math.Copysign(limit[i], o))
			if b > 0 {
				rest.shift[i] = b - g*offset[i]
			}
		default:
			offset[i] = float32(o)
		}
	}
	rest.shifts = !allZero(rest.shift)
	return offset, rest
}

// flips marks the channels with a negative factor.
func (m channelMap) flips() (flips []float32, any bool) {
	flips = make([]float32, len(m.scale))
	for i, g := range m.scale {
		if g < 0 {
			flips[i], any = 1, true
		}
	}
	return flips, any
}
