package passes

import (
	"slices"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// bitMap is a value that depends on one bit an element: what it is where the bit
// is 0 and where it is 1.
type bitMap struct {
	bit       *ir.Value // of another shape, perhaps
	zero, one []float32
	cone      []*ir.Value // from the bit to the value, in order
}

// bitMapOf looks for a bit that a value is an elementwise function of; nil if there is none.
func (n *masks) bitMapOf(v *ir.Value) *bitMap {
	above := map[*ir.Value]bool{}
	var climb func(x *ir.Value)
	climb = func(x *ir.Value) {
		if above[x] || ir.IsConst(x) {
			return
		}
		above[x] = true
		if elementwise(x) {
			for _, a := range x.Args {
				climb(a)
			}
		}
	}
	climb(v)
	for _, b := range slices.Backward(n.g.Values) { // the nearest first
		if !above[b] || !n.bits[b] || b == v {
			continue
		}
		if m := n.asFunctionOf(v, b); m != nil {
			return m
		}
	}
	return nil
}

// asFunctionOf evaluates v with every element of bit zero and with every one
// one; nil if v depends on anything else.
func (n *masks) asFunctionOf(v, bit *ir.Value) *bitMap {
	m := &bitMap{bit: bit}
	known := map[*ir.Value]bool{bit: true}
	var gather func(x *ir.Value) bool
	gather = func(x *ir.Value) bool {
		if known[x] || ir.IsConst(x) {
			return true
		}
		if !elementwise(x) || slices.ContainsFunc(x.Args, func(a *ir.Value) bool { return !gather(a) }) {
			return false
		}
		known[x], m.cone = true, append(m.cone, x)
		return true
	}
	if !gather(v) || m.crossed() {
		return nil
	}
	m.zero, m.one = m.at(v, 0), m.at(v, 1)
	if m.zero == nil || m.one == nil {
		return nil
	}
	return m
}

// crossed reports that elements of the bit meet others of it on the way: two
// operands that both depend on it and whose places differ.
func (m *bitMap) crossed() bool {
	moved := map[*ir.Value]bool{}
	for _, x := range m.cone {
		depend := 0
		for _, a := range x.Args {
			if !ir.IsConst(a) {
				depend++
				moved[x] = moved[x] || moved[a]
			}
		}
		if depend > 1 && moved[x] {
			return true
		}
		moved[x] = moved[x] || movesElements(x) || !slices.Equal(x.Type.Shape, m.bit.Type.Shape)
	}
	return false
}

// at evaluates v for one value of the bit; nil if that fails.
func (m *bitMap) at(v *ir.Value, bit float32) []float32 {
	vals := map[*ir.Value]*num.Tensor{m.bit: ir.NewReal(m.bit.Type.Shape, slices.Repeat([]float32{bit}, m.bit.Type.N()))}
	for _, x := range m.cone {
		args := make([]*num.Tensor, len(x.Args))
		for i, a := range x.Args {
			if args[i] = vals[a]; ir.IsConst(a) {
				args[i] = a.Attrs.(*ir.ConstAttrs).Real
			}
		}
		t, err := ir.EvalValue(x, args...)
		if err != nil {
			return nil
		}
		vals[x] = t
	}
	x := ir.Floats(vals[v])
	if slices.ContainsFunc(x, func(y float32) bool { return y != y }) {
		return nil
	}
	return x
}

// rebit makes a leaf anew from its bit: one factor and one term an element.
func (n *masks) rebit(l *leaf) (*ir.Value, error) {
	m := l.bit
	zero, one := slices.Clone(m.zero), slices.Clone(m.one)
	for i := range zero {
		zero[i], one[i] = l.raise(zero[i]), l.raise(one[i])
	}
	if slices.Equal(zero, m.zero) && slices.Equal(one, m.one) {
		return nil, nil
	}
	lifted, err := n.lift(m, l.v)
	if err != nil {
		return nil, err
	}
	for i := range one {
		one[i] -= zero[i]
	}
	c := chain{g: n.g, name: l.v.Name}
	number := func(x []float32) *ir.Value {
		shape, x := collapse(l.v.Type.Shape, x)
		k, err := constant(n.g, l.v.Name+".mask", shape, x)
		if c.err == nil {
			c.err = err
		}
		return k
	}
	factor, term := number(one), number(zero)
	c.op(ir.OpAdd, c.op(ir.OpMul, lifted, factor), term)
	return c.last, c.err
}

// lift brings the bit to where the value has its elements.
func (n *masks) lift(m *bitMap, v *ir.Value) (*ir.Value, error) {
	if v == m.bit {
		return v, nil
	}
	from := v.Args[slices.IndexFunc(v.Args, func(a *ir.Value) bool { return a == m.bit || slices.Contains(m.cone, a) })]
	x, err := n.lift(m, from)
	if err != nil {
		return nil, err
	}
	if !movesElements(v) {
		if slices.Equal(x.Type.Shape, v.Type.Shape) {
			return x, nil
		}
		return n.g.New(ir.OpExpand, v.Name, &ir.ExpandAttrs{Shape: slices.Clone(v.Type.Shape)}, x)
	}
	attrs := v.Attrs
	if p, ok := attrs.(*ir.PadAttrs); ok {
		c := *p
		c.Value, attrs = 0, &c
	}
	args := slices.Clone(v.Args)
	for i, a := range args {
		switch {
		case a == from:
			args[i] = x
		case ir.IsConst(a):
			if args[i], err = constant(n.g, a.Name+".none", a.Type.Shape, make([]float32, a.Type.N())); err != nil {
				return nil, err
			}
		default:
			if args[i], err = n.lift(m, a); err != nil {
				return nil, err
			}
		}
	}
	return n.g.New(v.Op, v.Name, attrs, args...)
}
