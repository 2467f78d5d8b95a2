package onnx

import (
	"math"

	"secc.example/secc/ir"
)

// logicOps compare and choose. A boolean computed from data is a real number, 0 or 1.
var logicOps = map[string]opRow{
	"Less":           {min: 2, max: 2, build: broadcastOp(less)},
	"Greater":        {min: 2, max: 2, build: broadcastOp(func(c *ctx, a, b *operand) *operand { return less(c, b, a) })},
	"LessOrEqual":    {min: 2, max: 2, build: broadcastOp(func(c *ctx, a, b *operand) *operand { return atLeast(c, b, a) })},
	"GreaterOrEqual": {min: 2, max: 2, build: broadcastOp(atLeast)},
	"Equal":          {min: 2, max: 2, build: broadcastOp(equal)},
	"And":            {min: 2, max: 2, build: broadcastOp(and)},
	"Or":             {min: 2, max: 2, build: broadcastOp(or)},
	"Xor":            {min: 2, max: 2, build: broadcastOp(xor)},
	"Not":            {min: 1, max: 1, build: func(c *ctx) []*operand { return one(c.not(c.in[0])) }},
	"Where":          {min: 3, max: 3, build: where},
	"Trilu":          {min: 1, max: 2, build: trilu},
}

// ordering remembers what a boolean was made from: small < large. Where uses it
// to recognise maxima and the like.
type ordering struct{ small, large *operand }

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func compareFold(f func(a, b float64) bool, i func(a, b int64) bool) binaryFold {
	return binaryFold{
		float: func(a, b float64) float64 { return float64(truth(f(a, b))) },
		int:   func(a, b int64) int64 { return truth(i(a, b)) }, bool: true,
	}
}

// atLeast is a >= b: the sign bit of a - b.
func atLeast(c *ctx, a, b *operand) *operand {
	if constants(a, b) {
		ge := compareFold(func(a, b float64) bool { return a >= b }, func(a, b int64) bool { return a >= b })
		return c.known(c.zip(ge, a.con, b.con), a, b)
	}
	return c.typed(c.fn(c.sub(a, b), "step"), Bool)
}

func less(c *ctx, a, b *operand) *operand {
	out := c.not(atLeast(c, a, b))
	if out.con == nil {
		out.order = &ordering{a, b}
	}
	return out
}

func equal(c *ctx, a, b *operand) *operand {
	if constants(a, b) {
		eq := compareFold(func(a, b float64) bool { return a == b }, func(a, b int64) bool { return a == b })
		return c.known(c.zip(eq, a.con, b.con), a, b)
	}
	if a.dtype == Bool {
		return c.not(xor(c, a, b))
	}
	return c.typed(c.fn(c.sub(a, b), "is_zero"), Bool)
}

func and(c *ctx, a, b *operand) *operand { return c.typed(c.mul(a, b), Bool) }

// or is a + b - ab.
func or(c *ctx, a, b *operand) *operand {
	if constants(a, b) {
		return c.known(c.zip(binaryFold{int: func(a, b int64) int64 { return a | b }}, a.con, b.con), a, b)
	}
	return c.typed(c.sub(c.add(a, b), c.mul(a, b)), Bool)
}

// xor is a + b - 2ab.
func xor(c *ctx, a, b *operand) *operand {
	if constants(a, b) {
		return c.known(c.zip(binaryFold{int: func(a, b int64) int64 { return a ^ b }}, a.con, b.con), a, b)
	}
	return c.typed(c.sub(c.add(a, b), c.scaled(c.mul(a, b), 2)), Bool)
}

func (c *ctx) not(x *operand) *operand {
	if x.con != nil {
		return c.known(c.foldMap(x.con, func(v float64) float64 { return 1 - v }), x)
	}
	return c.typed(c.sub(c.number(1, x.dtype), x), Bool)
}

// where chooses elements of x where the condition holds, else of y.
func where(c *ctx) []*operand {
	cond, x, y := c.in[0], c.in[1], c.in[2]
	if cond.dtype != Bool {
		c.failf("the condition has type %v", cond.dtype)
	}
	if x.dtype.IsFloat() != y.dtype.IsFloat() {
		c.failf("element types %v and %v differ", x.dtype, y.dtype)
	}
	shape := c.common(cond, x, y)
	switch {
	case constants(cond, x, y):
		return one(c.foldWhere(cond, x, y, shape))
	case c.is(cond, 1, "the condition"):
		return one(c.expand(x, shape...))
	case c.is(cond, 0, "the condition"):
		return one(c.expand(y, shape...))
	case cond.con != nil:
		return one(c.chooseKnown(cond, x, y))
	}
	if out := c.recognise(cond, x, y); out != nil {
		return one(c.expand(out, shape...))
	}
	bit, x, y := c.typed(cond, x.dtype), c.finite(x), c.finite(y)
	switch {
	case c.is(y, 0, "what is chosen"):
		return one(c.expand(c.mul(bit, x), shape...))
	case c.is(x, 0, "what is chosen"):
		return one(c.expand(c.mul(c.sub(c.number(1, x.dtype), bit), y), shape...))
	}
	// Not y + m*(x-y): beside a y that stands for minus infinity x would be lost.
	rest := c.sub(c.number(1, x.dtype), bit)
	return one(c.add(c.mul(bit, x), c.mul(rest, y)))
}

// finite puts the largest float32 in place of infinities: a mask multiplies them by zero.
func (c *ctx) finite(o *operand) *operand {
	if o.con == nil || !o.dtype.IsFloat() {
		return o
	}
	return c.known(c.foldMap(o.con, func(v float64) float64 { return min(max(v, -math.MaxFloat32), math.MaxFloat32) }), o)
}

func (c *ctx) common(list ...*operand) []int {
	shape := []int{}
	for _, o := range list {
		s, err := ir.Broadcast(shape, o.shape)
		if err != nil {
			c.fail(err)
		}
		shape = s
	}
	if _, err := numel(shape); err != nil {
		c.fail(err)
	}
	return shape
}

func (c *ctx) foldWhere(cond, x, y *operand, shape []int) *operand {
	full := func(o *operand) *Tensor { return c.expand(o, shape...).con }
	m, a, b := full(cond), full(x), full(y)
	out := c.fresh(a.DType, shape)
	for i, bit := range m.I {
		from := b
		if bit != 0 {
			from = a
		}
		out.block(i, from, i, 1)
	}
	return c.known(out, cond, x, y)
}

// chooseKnown masks both sides with constants. A constant side is masked by
// choosing, so that infinities in it (attention masks) do not make 0*Inf.
func (c *ctx) chooseKnown(cond, x, y *operand) *operand {
	mask := c.typed(cond, x.dtype)
	inverse := c.typed(c.not(cond), x.dtype)
	side := func(o, m *operand) *operand {
		if o.con != nil {
			zero := c.number(0, o.dtype)
			return c.foldWhere(c.typed(m, Bool), o, zero, c.common(m, o))
		}
		return c.mul(o, m)
	}
	return c.add(side(x, mask), side(y, inverse))
}

// recognise finds the forms that exporters spell with Less and Where: maximum,
// minimum and a leaky rectifier.
func (c *ctx) recognise(cond, x, y *operand) *operand {
	o := cond.order
	switch {
	case o == nil:
		return nil
	case same(o.small, y) && same(o.large, x):
		return c.binary(ir.OpMax, x, y)
	case same(o.small, x) && same(o.large, y):
		return c.binary(ir.OpMin, x, y)
	case same(o.small, y) && x.val != nil && x.val.Op == ir.OpMul:
		for i, a := range x.val.Args { // y < 0 ? y*slope : y
			if slope := x.val.Args[1-i]; a == y.val && ir.IsConst(slope) && c.is(o.large, 0, "the border") {
				return c.emit(ir.OpPRelu, nil, y.dtype, y, &operand{name: slope.Name, dtype: y.dtype, shape: slope.Type.Shape, val: slope})
			}
		}
	}
	return nil
}

func same(a, b *operand) bool {
	return a == b || a.val != nil && a.val == b.val || a.con != nil && a.con == b.con
}

// trilu keeps a triangle: a product with a constant mask.
func trilu(c *ctx) []*operand {
	x := c.in[0]
	c.rankOf(x, 2, maxRank)
	k, upper := int(c.scalar(1, "k", 0)), c.flag("upper", true)
	rows, cols := x.shape[len(x.shape)-2], x.shape[len(x.shape)-1]
	mask := c.fresh(Bool, []int{rows, cols})
	for i := range mask.I {
		r, col := i/cols, i%cols
		mask.I[i] = truth(upper && col >= r+k || !upper && col <= r+k)
	}
	zero := c.number(0, x.dtype)
	if x.con != nil {
		return one(c.foldWhere(c.known(mask), x, zero, x.shape))
	}
	return one(c.mul(x, c.typed(c.known(mask), x.dtype)))
}
