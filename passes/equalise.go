package passes

import (
	"math"
	"slices"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// Equalising channels. All channels of a tensor share one format, which the
// loudest of them dictates; the others waste its high bits. A positive factor a
// channel passes through relus, pools, sums and concatenations unchanged, and costs
// nothing at either end: the convolution that makes the channel takes it into its
// filter, those that read it take it out of their weights (cross-layer equalisation:
// Nagel et al., Data-Free Quantization, ICCV 2019, section 4.1; there for pairs of
// layers, here for all that share a channel, skips and concatenations included).
//
// Factors are powers of two, so that the network computes the same floating-point numbers.

const (
	// equalRoom is how far below the loudest channel of its format a raised channel
	// stays: what calibration saw of a quiet channel is known less well.
	equalRoom = 0.5
	// mostRaise bounds a factor: a channel that hardly ever speaks must not
	// drown what it says when it does.
	mostRaise = 16
	// equalSamples is how many calibration inputs are looked at: factors need no precision.
	equalSamples = 16
)

// equalise raises quiet channels.
func equalise(g *ir.Graph, cfg *Config) error {
	c := newChannels(g)
	for _, v := range g.Values {
		if !ir.IsConst(v) {
			c.relate(v)
		}
	}
	for _, o := range g.Outputs {
		c.pin(o)
	}
	factor, err := cfg.found("equalise", len(c.parent), func() ([]float64, error) {
		err := c.measure(g, cfg)
		return c.factors(g), err
	})
	if err != nil {
		return err
	}
	for _, v := range g.Values {
		if f, any := c.of(v, factor); any {
			cfg.factors[v.ID] = f
		}
	}
	return c.apply(g, factor)
}

// channels is a union-find over the channels of all values: those in one set
// have the same factor. A set that is pinned keeps the factor one.
type channels struct {
	secret map[*ir.Value]bool
	first  map[*ir.Value]int // number of a value's channel 0
	parent []int
	pinned []bool
	peak   []float64 // largest magnitude of each channel
}

func newChannels(g *ir.Graph) *channels {
	c := &channels{secret: secrets(g, clientTail(g)), first: map[*ir.Value]int{}}
	for _, v := range g.Values {
		c.first[v] = len(c.parent)
		for range channelsOf(v) {
			c.parent = append(c.parent, len(c.parent))
		}
	}
	c.pinned, c.peak = make([]bool, len(c.parent)), make([]float64, len(c.parent))
	return c
}

// channelsOf is the length of axis 1; one for a vector or a number.
func channelsOf(v *ir.Value) int {
	if len(v.Type.Shape) < 2 {
		return 1
	}
	return v.Type.Shape[1]
}

func (c *channels) root(i int) int {
	for c.parent[i] != i {
		c.parent[i] = c.parent[c.parent[i]]
		i = c.parent[i]
	}
	return i
}

func (c *channels) join(a, b int) {
	if a, b = c.root(a), c.root(b); a != b {
		c.parent[b] = a
		c.pinned[a] = c.pinned[a] || c.pinned[b]
	}
}

// same gives the channels of two values the same factors, one by one from a channel on.
func (c *channels) same(v, a *ir.Value, from int) {
	for i := range channelsOf(a) {
		c.join(c.first[v]+from+i, c.first[a]+i)
	}
}

func (c *channels) pin(v *ir.Value) {
	for i := range channelsOf(v) {
		c.pinned[c.root(c.first[v]+i)] = true
	}
}

// relate joins the channels of v with those of its arguments as far as a factor
// passes through v; whatever is not known to let one through pins both.
func (c *channels) relate(v *ir.Value) {
	if !c.passes(v) {
		c.pin(v)
		for _, a := range v.Args {
			if c.secret[a] {
				c.pin(a)
			}
		}
		return
	}
	from := 0
	for _, a := range v.Args {
		switch {
		case v.Op == ir.OpConv || !c.secret[a]: // a convolution starts anew; constants follow
		case v.Op == ir.OpConcat && axisOf(v) == 1:
			c.same(v, a, from)
			from += channelsOf(a)
		case v.Op == ir.OpReshape:
			inside := channelsOf(v) / channelsOf(a)
			for i := range channelsOf(v) {
				c.join(c.first[v]+i, c.first[a]+i/inside)
			}
		default:
			c.same(v, a, 0)
		}
	}
}

func axisOf(v *ir.Value) int {
	axis := v.Attrs.(*ir.AxisAttrs).Axis
	if axis < 0 {
		axis += len(v.Type.Shape)
	}
	return axis
}

// passes reports whether v of factors times its arguments is factors times v.
func (c *channels) passes(v *ir.Value) bool {
	if !c.secret[v] || len(v.Type.Shape) < 2 || len(v.Args) == 0 {
		return false
	}
	x := v.Args[0]
	switch v.Op {
	case ir.OpRelu, ir.OpPRelu:
		return true
	case ir.OpConv:
		return c.secret[x] && !slices.ContainsFunc(v.Args[1:], func(w *ir.Value) bool { return !ir.IsConst(w) })
	case ir.OpConcat:
		return len(x.Type.Shape) >= 2 && axisOf(v) != 0
	case ir.OpReshape:
		_, ok := flattens(x.Type.Shape, v.Type.Shape)
		return ok
	case ir.OpAdd, ir.OpSub:
		return !slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return !c.addend(v, a) })
	}
	return len(x.Type.Shape) >= 2 && channelsOf(x) == channelsOf(v) && inChannels(v)
}

// inChannels reports an operator that makes every channel of the same channel of its
// argument alone, and of a multiple the same multiple.
func inChannels(v *ir.Value) bool {
	switch v.Op {
	case ir.OpNeg, ir.OpMaxPool, ir.OpSumPool:
		return true
	case ir.OpPad:
		a := v.Attrs.(*ir.PadAttrs)
		return a.Mode == ir.PadConstant && a.Value == 0 && a.Before[1] == 0 && a.After[1] == 0
	case ir.OpSum:
		axes := v.Attrs.(*ir.ReduceAttrs).Axes
		return len(axes) > 0 && slices.Min(axes) > 1
	}
	return false
}

// addend reports an argument of a sum that takes the sum's factors.
func (c *channels) addend(v, a *ir.Value) bool {
	if c.secret[a] {
		return slices.Equal(a.Type.Shape, v.Type.Shape)
	}
	if !ir.IsConst(a) {
		return false
	}
	_, ok := perChannel(v, a)
	return ok
}

// measure evaluates the network and notes the peak of every channel.
func (c *channels) measure(g *ir.Graph, cfg *Config) error {
	inputs, _ := cfg.inputs(g)
	observe := func(v *ir.Value, t *num.Tensor) {
		if !c.secret[v] {
			return
		}
		n := channelsOf(v)
		peak := c.peak[c.first[v]:][:n]
		inner := 1
		if len(v.Type.Shape) > 2 {
			inner = ir.Numel(v.Type.Shape[2:])
		}
		x := ir.Floats(t)
		for i := 0; i < len(x); i += inner {
			p := &peak[i/inner%n]
			for _, y := range x[i : i+inner] {
				*p = math.Max(*p, math.Abs(float64(y)))
			}
		}
	}
	for _, in := range inputs[:min(len(inputs), equalSamples)] {
		if _, err := ir.Eval(g, in, ir.EvalOptions{Observe: observe, Stop: cfg.Stop}); err != nil {
			return err
		}
	}
	return nil
}

// factors gives every set of channels its factor, by root.
func (c *channels) factors(g *ir.Graph) []float64 {
	f := &formats{secret: c.secret, parent: map[*ir.Value]*ir.Value{}}
	f.share(g)
	loudest := map[*ir.Value]float64{}    // by format
	set := make([]float64, len(c.parent)) // by root
	c.eachInFormat(g, func(v *ir.Value, channel int) {
		p, r := c.peak[channel], c.root(channel)
		set[r] = math.Max(set[r], p)
		loudest[f.root(v)] = math.Max(loudest[f.root(v)], p)
	})
	factor := slices.Repeat([]float64{1}, len(c.parent))
	c.eachInFormat(g, func(v *ir.Value, channel int) {
		if r := c.root(channel); !c.pinned[r] && set[r] > 0 {
			factor[r] = raise(loudest[f.root(v)] * equalRoom / set[r])
		}
	})
	return factor
}

// eachInFormat visits all channels of secret values but for sums of many elements, which
// have a format of their own where they would cost precision: see findLate.
func (c *channels) eachInFormat(g *ir.Graph, visit func(v *ir.Value, channel int)) {
	summed := map[*ir.Value]bool{}
	for _, v := range g.Values {
		summed[v] = v.Op == ir.OpSumPool || v.Op == ir.OpSum || (v.Op == ir.OpReshape || v.Op == ir.OpTranspose) && summed[v.Args[0]]
		if !c.secret[v] || summed[v] {
			continue
		}
		for i := range channelsOf(v) {
			visit(v, c.first[v]+i)
		}
	}
}

// raise is the largest power of two up to x, between one and mostRaise.
func raise(x float64) float64 {
	if !(x >= 1) || math.IsInf(x, 1) {
		return 1
	}
	return math.Min(math.Exp2(math.Floor(math.Log2(x))), mostRaise)
}

// of gives the factors of a value's channels, and whether any is not one.
func (c *channels) of(v *ir.Value, factor []float64) (f []float32, any bool) {
	for i := range channelsOf(v) {
		x := factor[c.root(c.first[v]+i)]
		f, any = append(f, float32(x)), any || x != 1
	}
	return f, any
}

// apply puts the factors into filters and added constants and takes them out of
// the weights that read them.
func (c *channels) apply(g *ir.Graph, factor []float64) error {
	for _, v := range slices.Clone(g.Values) {
		if !c.secret[v] {
			continue
		}
		out, any := c.of(v, factor)
		switch v.Op {
		case ir.OpConv:
			if any {
				if err := scaleFilters(g, v, channelMap{scale: out, shift: make([]float32, len(out))}); err != nil {
					return err
				}
			}
			in, any := c.of(v.Args[0], factor)
			if !any {
				continue
			}
			for i := range in {
				in[i] = 1 / in[i]
			}
			if err := scaleInputs(g, v, channelMap{scale: in, shift: make([]float32, len(in))}); err != nil {
				return err
			}
		case ir.OpAdd, ir.OpSub:
			if !any {
				continue
			}
			if err := scaleAddends(g, v, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// scaleAddends multiplies the constants of a sum.
func scaleAddends(g *ir.Graph, v *ir.Value, factor []float32) error {
	for i, a := range v.Args {
		if !ir.IsConst(a) {
			continue
		}
		k, _ := perChannel(v, a)
		k = slices.Clone(k)
		for j := range k {
			k[j] *= factor[j]
		}
		shape := slices.Repeat([]int{1}, len(v.Type.Shape))
		shape[1] = len(k)
		scaled, err := constant(g, a.Name, shape, k)
		if err != nil {
			return err
		}
		v.Args[i] = scaled
	}
	return nil
}
