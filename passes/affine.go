package passes

import (
	"fmt"
	"slices"

	"secc.example/secc/ir"
)

// affine turns factors and terms that are constant over each channel into
// batch_norm, and divisions by constants into factors.
func affine(g *ir.Graph, _ *Config) error {
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		switch v.Op {
		case ir.OpMul, ir.OpDiv, ir.OpAdd, ir.OpSub:
		default:
			return nil, nil
		}
		x, c, second, ok := constArg(v)
		if !ok || v.Op == ir.OpDiv && !second {
			return nil, nil
		}
		if !slices.Equal(x.Type.Shape, v.Type.Shape) { // the constant widens x
			wide, err := g.New(ir.OpExpand, v.Name, &ir.ExpandAttrs{Shape: slices.Clone(v.Type.Shape)}, x)
			if err != nil {
				return nil, err
			}
			x = wide
		}
		if k, ok := perChannel(x, c); ok {
			return channelAffine(g, v, x, c, k, second)
		}
		if axis, ok := alongAxis(x.Type.Shape, c.Type.Shape); ok && (scales(v) || scales(unshaped(x))) {
			return axisAffine(g, v, x, c, axis, second)
		}
		return fullAffine(g, v, x, c)
	})
}

// scales reports what multiplies by constants: a term after it folds into it, others are
// added locally as they are.
func scales(v *ir.Value) bool {
	switch v.Op {
	case ir.OpMul, ir.OpDiv, ir.OpBatchNorm, ir.OpConv:
		return true
	}
	return false
}

// unshaped is what a value is a reshape of.
func unshaped(v *ir.Value) *ir.Value {
	for v.Op == ir.OpReshape {
		v = v.Args[0]
	}
	return v
}

// alongAxis finds the one axis that a constant of shape c varies along, where it is as
// long as the tensor is.
func alongAxis(shape, c []int) (axis int, ok bool) {
	if len(c) > len(shape) {
		return 0, false
	}
	for d, n := range c {
		if n == 1 {
			continue
		}
		if ok {
			return 0, false
		}
		axis, ok = d+len(shape)-len(c), n == shape[d+len(shape)-len(c)]
		if !ok {
			return 0, false
		}
	}
	return axis, ok
}

// axisAffine makes channels of an axis that is not the second: factors of a norm over the
// last axis fold into the products around it like those of channels.
func axisAffine(g *ir.Graph, v, x, c *ir.Value, axis int, second bool) (*ir.Value, error) {
	shape := slices.Clone(x.Type.Shape)
	as := []int{ir.Numel(shape[:axis]), shape[axis]}
	if inner := ir.Numel(shape[axis+1:]); inner > 1 {
		as = append(as, inner)
	}
	flat, err := reshapeBack(g, v.Name, x, as...)
	if err != nil {
		return nil, err
	}
	y, err := channelAffine(g, v, flat, c, data(c), second)
	if err != nil {
		return nil, err
	}
	return reshape(g, v.Name, y, shape...)
}

// reshapeBack is reshape, without a second one where x is one from that very shape.
func reshapeBack(g *ir.Graph, name string, x *ir.Value, shape ...int) (*ir.Value, error) {
	if x.Op == ir.OpReshape && slices.Equal(x.Args[0].Type.Shape, shape) {
		return x.Args[0], nil
	}
	return reshape(g, name, x, shape...)
}

// channelAffine makes a batch_norm of k, which c holds for each channel.
func channelAffine(g *ir.Graph, v, x, c *ir.Value, k []float32, second bool) (*ir.Value, error) {
	m := channelMap{scale: slices.Repeat([]float32{1}, len(k)), shift: make([]float32, len(k))}
	if v.Op == ir.OpMul || v.Op == ir.OpDiv {
		m.public, m.equal = c.Type.Holder == ir.Public, c.Type.N() == 1
	} else {
		m.public, m.equal, m.shifts = true, true, true
	}
	for i, c := range k {
		switch v.Op {
		case ir.OpMul:
			m.scale[i] = c
		case ir.OpDiv:
			if c == 0 {
				return nil, fmt.Errorf("node %q: division by the constant 0", v.Name)
			}
			m.scale[i] = 1 / c
		case ir.OpAdd:
			m.shift[i] = c
		case ir.OpSub:
			if m.shift[i] = -c; !second { // c - x
				m.scale[i], m.shift[i] = -1, c
			}
		}
	}
	return newBatchNorm(g, v.Name, x, m)
}

func newBatchNorm(g *ir.Graph, name string, x *ir.Value, m channelMap) (*ir.Value, error) {
	s, b, err := m.constants(g, name+".scale", name+".shift")
	if err != nil {
		return nil, err
	}
	return g.New(ir.OpBatchNorm, name, nil, x, s, b)
}

// fullAffine handles a constant that varies within a channel: terms stay as
// they are (local), factors become a channel for every element.
func fullAffine(g *ir.Graph, v, x, c *ir.Value) (*ir.Value, error) {
	if v.Op == ir.OpAdd || v.Op == ir.OpSub {
		return nil, nil
	}
	n := x.Type.N()
	k := make([]float32, n)
	for i := range k {
		k[i] = data(c)[broadcastIndex(i, x.Type.Shape, c.Type.Shape)]
		if v.Op == ir.OpDiv {
			k[i] = 1 / k[i]
		}
	}
	flat, err := reshape(g, v.Name, x, 1, n)
	if err != nil {
		return nil, err
	}
	m := channelMap{scale: k, shift: make([]float32, n), public: c.Type.Holder == ir.Public, equal: c.Type.N() == 1}
	y, err := newBatchNorm(g, v.Name, flat, m)
	if err != nil {
		return nil, err
	}
	return reshape(g, v.Name, y, v.Type.Shape...)
}

// broadcastIndex is the element of a tensor of shape from that stands at
// element i once it is broadcast to shape to.
func broadcastIndex(i int, to, from []int) int {
	at, stride := 0, 1
	for d := len(to) - 1; d >= 0; d-- {
		p := i % to[d]
		i /= to[d]
		if e := d - (len(to) - len(from)); e >= 0 {
			if from[e] != 1 {
				at += p * stride
			}
			stride *= from[e]
		}
	}
	return at
}
