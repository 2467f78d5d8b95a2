package passes

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// batchnorm folds scales and shifts of channels: backwards into the convolution
// that makes the tensor, else forwards into every convolution that reads it.
// A shift that cannot fold is a local addition; a scale that cannot is a
// depthwise 1x1 convolution.
func batchnorm(g *ir.Graph, _ *Config) error {
	for _, fold := range []func(*ir.Graph, *ir.Value) (bool, error){foldBack, foldForward} { // what goes back into one that cannot may go forward with it
		for _, v := range slices.Clone(g.Values) {
			if v.Op != ir.OpBatchNorm || !ir.IsConst(v.Args[1]) || !ir.IsConst(v.Args[2]) {
				continue
			}
			done, err := fold(g, v)
			if err != nil {
				return err
			}
			if done {
				g.RemoveDead() // nobody's reader any more
			}
		}
	}
	return nil
}

// depthwise realises the scales and shifts that no other pass took in.
func depthwise(g *ir.Graph, _ *Config) error {
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		if v.Op != ir.OpBatchNorm {
			return nil, nil
		}
		return standalone(g, v)
	})
}

// channelMap is y = scale*x + shift, one pair a channel. What becomes of it follows from the
// architecture and from signs of factors: numbers of the server's that happen to be 0, 1 or equal
// would otherwise show in the plan.
type channelMap struct {
	scale, shift []float32

	public bool // the factors follow from the architecture
	equal  bool // all channels have one factor, whatever it is
	shifts bool // there may be shifts
}

func mapOf(v *ir.Value) channelMap {
	scale, shift := v.Args[1], v.Args[2]
	return channelMap{
		data(scale), data(shift),
		scale.Type.Holder == ir.Public, scale.Attrs.(*ir.ConstAttrs).Equal, shift.Type.Holder != ir.Public || !allZero(data(shift)),
	}
}

func allZero(x []float32) bool {
	return !slices.ContainsFunc(x, func(x float32) bool { return x != 0 })
}

// uniform reports a single factor that is not negative and no shift: it commutes with relu and maxima.
func (m channelMap) uniform() bool { return !m.shifts && m.equal && m.scale[0] >= 0 }

// ofUnit reports factors that are all 1 or all -1.
func (m channelMap) ofUnit() bool {
	return m.public && m.equal && (m.scale[0] == 1 || m.scale[0] == -1)
}

// constants are the factors and the shifts of a batch_norm.
func (m channelMap) constants(g *ir.Graph, scaleName, shiftName string) (scale, shift *ir.Value, err error) {
	if scale, err = constant(g, scaleName, []int{len(m.scale)}, m.scale); err != nil {
		return nil, nil, err
	}
	scale.Attrs.(*ir.ConstAttrs).Equal = m.equal
	if m.public {
		scale.Type.Holder = ir.Public
	}
	shift, err = constant(g, shiftName, []int{len(m.shift)}, m.shift)
	if err == nil && !m.shifts {
		shift.Type.Holder = ir.Public
	}
	return scale, shift, err
}

// foldBack moves v into the convolution or batch_norm above it, through
// operators that commute with it, if nobody else reads what changes.
func foldBack(g *ir.Graph, v *ir.Value) (bool, error) {
	r, m := readers(g), mapOf(v)
	for p := v.Args[0]; sole(r, p) != nil; p = p.Args[0] {
		fits := m.uniform() || sameChannels(p.Type.Shape, v.Type.Shape)
		switch {
		case p.Op == ir.OpReshape: // whether channels are still what they were is seen where it ends
		case !fits:
			return false, nil
		case p.Op == ir.OpConv && ir.IsConst(p.Args[1]) && (len(p.Args) < 3 || ir.IsConst(p.Args[2])):
			g.ReplaceUses(v, v.Args[0])
			return true, scaleFilters(g, p, m.regroup(p.Type.Shape[1]))
		case p.Op == ir.OpBatchNorm && ir.IsConst(p.Args[1]):
			g.ReplaceUses(v, v.Args[0])
			return true, m.regroup(p.Type.Shape[1]).after(g, p)
		case m.uniform() && slices.Contains([]ir.Op{ir.OpRelu, ir.OpMaxPool, ir.OpSumPool, ir.OpTranspose, ir.OpMatMul}, p.Op):
		case p.Op == ir.OpSumPool && !m.shifts:
		default:
			return false, nil
		}
	}
	return false, nil
}

// sameChannels reports shapes of as many elements before the second axis and along it, so
// that what only reshapes stand between has the same channels in both.
func sameChannels(a, b []int) bool { return len(a) >= 2 && len(b) >= 2 && slices.Equal(a[:2], b[:2]) }

// regroup gives a uniform map another number of channels.
func (m channelMap) regroup(n int) channelMap {
	if len(m.scale) == n {
		return m
	}
	m.scale, m.shift = slices.Repeat(m.scale[:1], n), make([]float32, n)
	return m
}

// after composes m onto the batch_norm p.
func (m channelMap) after(g *ir.Graph, p *ir.Value) error {
	q := mapOf(p)
	both := channelMap{make([]float32, len(m.scale)), make([]float32, len(m.scale)), m.public && q.public, m.equal && q.equal, m.shifts || q.shifts}
	for i := range both.scale {
		both.scale[i], both.shift[i] = m.scale[i]*q.scale[i], m.scale[i]*q.shift[i]+m.shift[i]
	}
	s, b, err := both.constants(g, p.Args[1].Name, p.Args[2].Name)
	p.Args = []*ir.Value{p.Args[0], s, b}
	return err
}

// scaleFilters makes conv compute m(conv(x)).
func scaleFilters(g *ir.Graph, conv *ir.Value, m channelMap) error {
	w := slices.Clone(data(conv.Args[1]))
	bias := make([]float32, len(m.scale))
	if len(conv.Args) == 3 {
		copy(bias, data(conv.Args[2]))
	}
	each := len(w) / len(m.scale)
	for o, s := range m.scale {
		for i := range each {
			w[o*each+i] *= s
		}
		bias[o] = bias[o]*s + m.shift[o]
	}
	return setWeights(g, conv, w, bias)
}

func setWeights(g *ir.Graph, conv *ir.Value, w, bias []float32) error {
	old := conv.Args[1]
	kernel, err := constant(g, old.Name, old.Type.Shape, w)
	if err != nil {
		return err
	}
	b, err := constant(g, conv.Name+".bias", []int{len(bias)}, bias)
	conv.Args = []*ir.Value{conv.Args[0], kernel, b}
	return err
}

// target is a convolution that takes in a map of its input channels.
type target struct {
	conv *ir.Value
	m    channelMap
}

// foldForward moves v into all convolutions below it, if every path ends in one.
func foldForward(g *ir.Graph, v *ir.Value) (bool, error) {
	targets, ok := forwardTargets(readers(g), v, v.Type.Shape, mapOf(v))
	if !ok {
		return false, nil
	}
	g.ReplaceUses(v, v.Args[0])
	for _, t := range targets {
		if err := scaleInputs(g, t.conv, t.m); err != nil {
			return false, err
		}
	}
	return true, nil
}

// forwardTargets collects the convolutions that can take map m of value x, whose channels
// are the second axis of shape: x's own, or that of a value which x is a reshape of.
// Every reader of what lies between must be reachable only through it.
func forwardTargets(r map[*ir.Value][]*ir.Value, x *ir.Value, shape []int, m channelMap) ([]target, bool) {
	if len(r[x]) == 0 {
		return nil, false
	}
	var all []target
	for _, y := range r[x] {
		switch {
		case y == nil || y.Args[0] != x:
			return nil, false
		case y.Op == ir.OpConv:
			if !slices.Equal(shape, x.Type.Shape) || !takesMap(y, m) {
				return nil, false
			}
			all = append(all, target{y, m})
			continue
		}
		next, as, ok := m.past(y, shape)
		if !ok {
			return nil, false
		}
		deeper, ok := forwardTargets(r, y, as, next)
		if !ok {
			return nil, false
		}
		all = append(all, deeper...)
	}
	return all, true
}

// past gives the map that does to y what m, of the channels of shape, does to its argument,
// and the shape whose channels that is of.
func (m channelMap) past(y *ir.Value, shape []int) (next channelMap, as []int, ok bool) {
	switch {
	case len(y.Args) > 1:
	case y.Op == ir.OpReshape:
		if next, ok = m.through(shape, y.Type.Shape); ok {
			return next, y.Type.Shape, true
		}
		return m, shape, true // another reshape may bring the channels back
	case !slices.Equal(shape, y.Args[0].Type.Shape):
	case y.Op == ir.OpSumPool:
		return m, y.Type.Shape, !m.shifts
	case y.Op == ir.OpRelu, y.Op == ir.OpMaxPool:
		return m, y.Type.Shape, m.uniform()
	}
	return m, nil, false
}

// takesMap reports whether a convolution can take in a map of its argument's channels.
func takesMap(conv *ir.Value, m channelMap) bool {
	a := conv.Attrs.(*ir.ConvAttrs)
	padded := anyPositive(a.PadsBegin) || anyPositive(a.PadsEnd)
	constants := ir.IsConst(conv.Args[1]) && (len(conv.Args) < 3 || ir.IsConst(conv.Args[2]))
	return constants && !(padded && m.shifts)
}

// through follows the channels across a reshape.
func (m channelMap) through(from, to []int) (channelMap, bool) {
	inside, ok := flattens(from, to)
	if !ok {
		return m, false
	}
	n := m
	n.scale, n.shift = make([]float32, to[1]), make([]float32, to[1])
	for i := range n.scale {
		n.scale[i], n.shift[i] = m.scale[i/inside], m.shift[i/inside]
	}
	return n, true
}

// flattens reports a reshape that keeps the batch and flattens channels with what
// comes after them, [n,c,h,w] to [n,c*h*w,1,1], and into how many channels each goes.
func flattens(from, to []int) (inside int, ok bool) {
	if len(from) < 2 || len(to) < 2 || from[0] != to[0] || to[1]%from[1] != 0 {
		return 0, false
	}
	inside = to[1] / from[1]
	return inside, ir.Numel(from[2:]) == inside*ir.Numel(to[2:]) && (inside == 1 || ir.Numel(to[2:]) == 1)
}

// scaleInputs makes conv compute conv(m(x)).
func scaleInputs(g *ir.Graph, conv *ir.Value, m channelMap) error {
	s := conv.Args[1].Type.Shape
	w := slices.Clone(data(conv.Args[1]))
	bias := make([]float32, s[0])
	if len(conv.Args) == 3 {
		copy(bias, data(conv.Args[2]))
	}
	group := max(conv.Attrs.(*ir.ConvAttrs).Group, 1)
	kernel, filters := s[2]*s[3], s[0]/group
	for o := range s[0] {
		for c := range s[1] {
			in := o/filters*s[1] + c
			for k := range kernel {
				at := (o*s[1]+c)*kernel + k
				bias[o] += w[at] * m.shift[in]
				w[at] *= m.scale[in]
			}
		}
	}
	return setWeights(g, conv, w, bias)
}

// standalone: a shift alone is a local addition, or a difference from it, a scale a
// depthwise 1x1 convolution.
func standalone(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	m, x, shape := mapOf(v), v.Args[0], v.Type.Shape
	c := shape[1]
	if m.ofUnit() {
		ones := slices.Repeat([]int{1}, len(shape))
		ones[1] = c
		b, err := constant(g, v.Args[2].Name, ones, m.shift)
		if err != nil {
			return nil, err
		}
		if m.scale[0] < 0 {
			return g.New(ir.OpSub, v.Name, nil, b, x)
		}
		return g.New(ir.OpAdd, v.Name, nil, x, b)
	}
	if slices.ContainsFunc(m.scale, func(s float32) bool { return math.IsNaN(float64(s)) || math.IsInf(float64(s), 0) }) {
		return nil, nonFinite(v.Name, v.Args[1].Name)
	}
	flat, err := reshape(g, v.Name, x, square(shape)...)
	if err != nil {
		return nil, err
	}
	w, err := constant(g, v.Args[1].Name, []int{c, 1, 1, 1}, m.scale)
	if err != nil {
		return nil, err
	}
	y, err := g.New(ir.OpConv, v.Name, &ir.ConvAttrs{Group: c}, flat, w, v.Args[2])
	if err != nil {
		return nil, err
	}
	return reshape(g, v.Name, y, shape...)
}

// square gives a shape two spatial dimensions.
func square(shape []int) []int {
	s := []int{shape[0], shape[1], 1, 1}
	rest := shape[2:]
	if len(rest) > 0 {
		s[3] = rest[len(rest)-1]
		s[2] = ir.Numel(rest[:len(rest)-1])
	}
	return s
}
