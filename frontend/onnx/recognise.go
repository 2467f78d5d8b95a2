package onnx

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// Exporters spell out functions that have a name: SiLU as x*sigmoid(x), softmax as
// a quotient of exponentials. One function costs less than its parts, and is far
// more accurate in fixed point, so the common spellings are recognised here. The
// parts stay in the graph and go when nothing else reads them.

// funcOf reports whether v is the named function, and of what.
func funcOf(v *ir.Value, name string) (*ir.Value, bool) {
	if v.Op == ir.OpFunc && v.Attrs.(*ir.FuncAttrs).Name == name {
		return v.Args[0], true
	}
	return nil, false
}

// scalarOf gives the number that a constant holds in all its elements.
func scalarOf(v *ir.Value) (float64, bool) {
	if !ir.IsConst(v) || v.Type.N() != 1 {
		return 0, false
	}
	return float64(ir.Floats(v.Attrs.(*ir.ConstAttrs).Real)[0]), true
}

// plus splits v into a value and a constant number added to it.
func plus(v *ir.Value) (*ir.Value, float64) {
	if v.Op == ir.OpAdd {
		for i, a := range v.Args {
			if k, ok := scalarOf(a); ok {
				return v.Args[1-i], k
			}
		}
	}
	return v, 0
}

// factors splits a product into numbers, multiplied together, and the rest.
func factors(v *ir.Value, depth int) (scale float64, rest []*ir.Value) {
	if k, ok := scalarOf(v); ok {
		return k, nil
	}
	if v.Op != ir.OpMul || depth == 0 {
		return 1, []*ir.Value{v}
	}
	scale = 1
	for _, a := range v.Args {
		k, r := factors(a, depth-1)
		scale, rest = scale*k, append(rest, r...)
	}
	return scale, rest
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-5*math.Abs(b) }

// activation finds a named function in a product of x and something made of x.
func (c *ctx) activation(product *operand) *operand {
	if product.val == nil {
		return product
	}
	scale, rest := factors(product.val, 3)
	if len(rest) != 2 {
		return product
	}
	for i, x := range rest {
		name := activationName(scale, x, rest[1-i])
		if name != "" && slices.Equal(x.Type.Shape, product.shape) {
			c.spelled(name, product.val, x)
			return c.fn(&operand{name: product.name, dtype: product.dtype, shape: x.Type.Shape, val: x}, name)
		}
	}
	return product
}

// spelled notes the numbers of the server's that make a function of x be known as such.
func (c *ctx) spelled(name string, v, x *ir.Value) {
	for _, a := range v.Args {
		if k, ok := scalarOf(a); ok && a.Type.Holder == ir.Server {
			c.published("a number of "+name, k)
		}
		if a != x && !ir.IsConst(a) {
			c.spelled(name, a, x)
		}
	}
}

// activationName names scale*x*gate where gate is made of x.
func activationName(scale float64, x, gate *ir.Value) string {
	switch {
	case scale == 1 && isOf("sigmoid", gate, x):
		return "silu"
	case scale == 1 && isHardGate(gate, x), near(scale, 1.0/6) && isClippedShift(gate, x):
		return "hard_swish"
	case near(scale, 0.5) && isNormalGate(gate, x):
		return "gelu"
	case scale == 1 && isMishGate(gate, x):
		return "mish"
	}
	return ""
}

// isOf is name(x).
func isOf(name string, v, x *ir.Value) bool {
	arg, ok := funcOf(v, name)
	return ok && arg == x
}

// isHardGate is hard_sigmoid(x) of slope 1/6 around 1/2.
func isHardGate(v, x *ir.Value) bool {
	if !isOf("hard_sigmoid", v, x) {
		return false
	}
	a := v.Attrs.(*ir.FuncAttrs)
	return near(a.Alpha, 1.0/6) && a.Beta == 0.5
}

// isMishGate is tanh(softplus(x)).
func isMishGate(v, x *ir.Value) bool {
	arg, ok := funcOf(v, "tanh")
	return ok && isOf("softplus", arg, x)
}

// isClippedShift is clip(x+3, 0, 6).
func isClippedShift(v, x *ir.Value) bool {
	if v.Op != ir.OpClip {
		return false
	}
	a := v.Attrs.(*ir.ClipAttrs)
	base, k := plus(v.Args[0])
	return a.Min == 0 && a.Max == 6 && base == x && k == 3
}

// isNormalGate is 1 + erf(x/sqrt(2)).
func isNormalGate(v, x *ir.Value) bool {
	base, k := plus(v)
	arg, ok := funcOf(base, "erf")
	if !ok || k != 1 {
		return false
	}
	scale, rest := factors(arg, 1)
	return len(rest) == 1 && rest[0] == x && near(scale, 1/math.Sqrt2)
}

// alongOne gives the axis of a reduction that keeps its one axis.
func alongOne(v *ir.Value, op ir.Op) (axis int, ok bool) {
	if v == nil || v.Op != op {
		return 0, false
	}
	a := v.Attrs.(*ir.ReduceAttrs)
	if len(a.Axes) != 1 || !a.Keep {
		return 0, false
	}
	return a.Axes[0], true
}

// exponentials recognises sum(exp(y)) along one axis, and what y was before its
// largest element was subtracted.
func exponentials(sum *ir.Value) (exp, y, x *ir.Value, axis int) {
	axis, ok := alongOne(sum, ir.OpSum)
	if !ok {
		return nil, nil, nil, 0
	}
	exp = sum.Args[0]
	if y, ok = funcOf(exp, "exp"); !ok {
		return nil, nil, nil, 0
	}
	x = y
	if y.Op == ir.OpSub {
		if top, ok := alongOne(y.Args[1], ir.OpReduceMax); ok && top == axis && y.Args[1].Args[0] == y.Args[0] {
			x = y.Args[0]
		}
	}
	return exp, y, x, axis
}

// quotient is a/b, or the softmax it spells.
func (c *ctx) quotient(a, b *operand) *operand {
	if a.val != nil && b.val != nil {
		if exp, _, x, axis := exponentials(b.val); exp == a.val {
			return c.emit(ir.OpSoftmax, &ir.AxisAttrs{Axis: axis}, a.dtype, &operand{name: a.name, dtype: a.dtype, shape: a.shape, val: x})
		}
	}
	return c.activation(c.div(a, b))
}

// difference is a-b, or the log-softmax it spells.
func (c *ctx) difference(a, b *operand) *operand {
	if a.val != nil && b.val != nil {
		if sum, ok := funcOf(b.val, "log"); ok {
			if _, y, x, axis := exponentials(sum); y == a.val {
				return c.emit(ir.OpLogSoftmax, &ir.AxisAttrs{Axis: axis}, a.dtype, &operand{name: a.name, dtype: a.dtype, shape: a.shape, val: x})
			}
		}
	}
	return c.sub(a, b)
}

// product is a*b, or the function it spells.
func (c *ctx) product(a, b *operand) *operand { return c.activation(c.mul(a, b)) }
