package onnx

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// arithmeticOps are elementwise operators of numbers.
var arithmeticOps = map[string]opRow{
	"Add":       {min: 2, max: 2, build: broadcastOp((*ctx).add)},
	"Sub":       {min: 2, max: 2, build: broadcastOp((*ctx).difference)},
	"Mul":       {min: 2, max: 2, build: broadcastOp((*ctx).product)},
	"Div":       {min: 2, max: 2, build: broadcastOp((*ctx).quotient)},
	"Pow":       {min: 2, max: 2, build: broadcastOp((*ctx).pow)},
	"Mod":       {min: 2, max: 2, build: mod},
	"Sum":       {min: 1, max: many, build: variadic((*ctx).add)},
	"Max":       {min: 1, max: many, build: variadic(maximum)},
	"Min":       {min: 1, max: many, build: variadic(minimum)},
	"Mean":      {min: 1, max: many, build: meanOf},
	"Neg":       {min: 1, max: 1, build: func(c *ctx) []*operand { return one(c.neg(c.in[0])) }},
	"Abs":       {min: 1, max: 1, build: abs},
	"Relu":      {min: 1, max: 1, build: relu},
	"LeakyRelu": {min: 1, max: 1, build: func(c *ctx) []*operand { return one(c.prelu(c.in[0], c.number(c.float("alpha", 0.01), Float))) }},
	"PRelu":     {min: 2, max: 2, build: prelu},
	"Clip":      {min: 1, max: 3, build: clip},
}

func broadcastOp(f func(c *ctx, a, b *operand) *operand) func(*ctx) []*operand {
	return func(c *ctx) []*operand { return one(f(c, c.in[0], c.alignOld(c.in[0], c.in[1]))) }
}

func maximum(c *ctx, a, b *operand) *operand { return c.binary(ir.OpMax, a, b) }
func minimum(c *ctx, a, b *operand) *operand { return c.binary(ir.OpMin, a, b) }

func variadic(f func(c *ctx, a, b *operand) *operand) func(*ctx) []*operand {
	return func(c *ctx) []*operand {
		out := c.in[0]
		for _, o := range c.in[1:] {
			if o == nil {
				c.failf("an input is missing")
			}
			out = f(c, out, o)
		}
		return one(out)
	}
}

func meanOf(c *ctx) []*operand {
	sum := variadic((*ctx).add)(c)[0]
	return one(c.scaled(sum, 1/float64(len(c.in))))
}

// div multiplies by reciprocals: of the numbers where the divisor is a constant.
func (c *ctx) div(a, b *operand) *operand {
	switch {
	case constants(a, b):
		return c.binary(ir.OpDiv, a, b)
	case !a.dtype.IsFloat() || !b.dtype.IsFloat():
		c.refuse("division of %v data", a.dtype)
	case b.con == nil && a.N() == 1 && len(a.shape) <= len(b.shape) && c.is(a, 1, "the dividend"):
		return c.inverse(b)
	case b.con == nil:
		return c.mul(a, c.inverse(b))
	}
	for i, v := range b.con.F {
		if v == 0 {
			c.refuse("divisor %q has a zero (element %d)", b.name, i)
		}
	}
	return c.mul(a, c.known(c.foldMap(b.con, func(v float64) float64 { return 1 / v }), b))
}

// inverse is 1/x, and of a square root one function in place of two.
func (c *ctx) inverse(x *operand) *operand {
	if x.val != nil && x.val.Op == ir.OpFunc && x.val.Attrs.(*ir.FuncAttrs).Name == "sqrt" {
		arg := x.val.Args[0]
		return c.fn(&operand{name: x.name, dtype: x.dtype, shape: arg.Type.Shape, val: arg}, "rsqrt")
	}
	return c.fn(x, "reciprocal")
}

// uniform reports whether every element has the value v.
func uniform(t *Tensor, v float64) bool {
	for i := range t.N() {
		if t.at(i) != v {
			return false
		}
	}
	return true
}

// pow raises to constant exponents: small integers by multiplication, a few
// others by a function; a tensor of different exponents one exponent at a time.
func (c *ctx) pow(x, e *operand) *operand {
	if constants(x, e) {
		return c.foldPow(x, e)
	}
	if x.con != nil { // b^e = exp(e ln b)
		return c.exponential(x, e)
	}
	t := c.constantOf(e, "the exponent")
	if !c.mayPublish(e, "the exponent") {
		c.fail(refuseHint("allow it with --publish-constants", "the exponent (%q) is an initialiser and would become public", e.name))
	}
	if t.N() == 0 {
		c.refuse("no exponents")
	}
	if uniform(t, t.at(0)) {
		shape, err := ir.Broadcast(x.shape, t.Shape)
		if err != nil {
			c.fail(err)
		}
		return c.expand(c.power(x, t.at(0)), shape...)
	}
	var sum *operand
	for _, p := range c.distinct(t) {
		mask := c.fresh(x.dtype, t.Shape)
		for i := range t.N() {
			if t.at(i) != p {
				continue
			}
			if mask.I != nil {
				mask.I[i] = 1
			} else {
				mask.F[i] = 1
			}
		}
		term := c.mul(c.power(x, p), c.known(mask))
		if sum != nil {
			term = c.add(sum, term)
		}
		sum = term
	}
	return sum
}

// exponential raises known positive numbers to a power that is data.
func (c *ctx) exponential(x, e *operand) *operand {
	for i := range x.N() {
		if !(x.con.at(i) > 0) {
			c.refuse("a power that is data of %g, which is not positive", x.con.at(i))
		}
	}
	log := c.known(c.foldMap(c.foldCast(x.con, Float), math.Log), x)
	return c.typed(c.fn(c.mul(c.typed(e, Float), log), "exp"), x.dtype)
}

func (c *ctx) distinct(t *Tensor) []float64 {
	var out []float64
	for i := range t.N() {
		if !slices.Contains(out, t.at(i)) {
			out = append(out, t.at(i))
		}
		if len(out) > 8 {
			c.refuse("more than 8 different exponents")
		}
	}
	return out
}

func (c *ctx) foldPow(x, e *operand) *operand {
	float := func(t *Tensor) *Tensor { return &Tensor{DType: Float, Shape: t.Shape, F: t.Floats()} }
	f := c.zip(binaryFold{float: math.Pow}, float(x.con), float(e.con))
	return c.known(c.foldCast(f, x.dtype), x, e)
}

const maxPower = 16

func (c *ctx) power(x *operand, p float64) *operand {
	whole := p == math.Trunc(p) && p >= 0 && p <= maxPower
	switch {
	case whole && p == 0:
		return c.shifted(c.scaled(x, 0), 1)
	case whole:
		return c.repeatedSquares(x, int(p))
	case !x.dtype.IsFloat():
		c.refuse("power %g of %v data", p, x.dtype)
	case p == 0.5:
		return c.fn(x, "sqrt")
	case p == -0.5:
		return c.fn(x, "rsqrt")
	case p == -1:
		return c.fn(x, "reciprocal")
	}
	return c.fn(x, "pow", p)
}

// remainder is x - d*floor(x/d), or with fmod what is left of x after a whole number of
// divisors towards zero.
func (c *ctx) remainder(x, d *operand) *operand {
	if d.con == nil {
		c.fail(refuseHint("divide by a constant", "the remainder by a divisor (%q) that is data", d.name))
	}
	for i := range d.N() {
		if d.con.at(i) == 0 {
			c.failf("the remainder of a division by zero")
		}
	}
	whole := "floor"
	if c.flag("fmod", false) {
		whole = "trunc"
	}
	by := c.typed(d, Float)
	turns := c.fn(c.div(c.typed(x, Float), by), whole)
	return c.typed(c.sub(c.typed(x, Float), c.mul(by, turns)), x.dtype)
}

func (c *ctx) repeatedSquares(x *operand, p int) *operand {
	var out *operand
	for ; ; x = c.mul(x, x) {
		if p&1 != 0 {
			if out == nil {
				out = x
			} else {
				out = c.mul(out, x)
			}
		}
		if p >>= 1; p == 0 {
			return out
		}
	}
}

// mod is the remainder; of data by a constant divisor only.
func mod(c *ctx) []*operand {
	if !constants(c.in...) {
		return one(c.remainder(c.in[0], c.in[1]))
	}
	truncating := c.flag("fmod", false)
	f := binaryFold{
		float: math.Mod,
		int: func(a, b int64) int64 {
			if b == 0 || b == -1 {
				return 0
			}
			r := a % b
			if !truncating && r != 0 && (r < 0) != (b < 0) {
				r += b
			}
			return r
		},
	}
	return one(c.known(c.zip(f, c.in[0].con, c.in[1].con), c.in...))
}

func abs(c *ctx) []*operand { return one(c.abs(c.in[0])) }

func relu(c *ctx) []*operand {
	x := c.in[0]
	if x.con != nil {
		return one(c.known(c.foldMap(x.con, func(v float64) float64 { return max(v, 0) }), x))
	}
	return one(c.emit(ir.OpRelu, nil, x.dtype, x))
}

func (c *ctx) prelu(x, slope *operand) *operand {
	c.realOnly(x)
	c.constantOf(slope, "the slope")
	return c.emit(ir.OpPRelu, nil, x.dtype, x, slope)
}

func prelu(c *ctx) []*operand {
	x, slope := c.in[0], c.in[1]
	if c.opset < 7 && len(slope.shape) == 1 && slope.shape[0] != 1 && len(x.shape) > 1 {
		slope = c.perChannel(slope, x)
	}
	return one(c.prelu(x, slope))
}

func clip(c *ctx) []*operand {
	x := c.in[0]
	low, high := math.Inf(-1), math.Inf(1)
	if c.opset < 11 {
		return one(c.clip(x, c.float("min", low), c.float("max", high)))
	}
	lower, upper := c.bound(1, "min"), c.bound(2, "max")
	if lower.known && upper.known {
		return one(c.clip(x, lower.or(low), upper.or(high)))
	}
	// A bound that is secret, or computed, is compared with like any other value.
	if lower.o != nil {
		x = c.binary(ir.OpMax, x, lower.o)
	}
	if upper.o != nil {
		x = c.binary(ir.OpMin, x, upper.o)
	}
	return one(x)
}

// bound is an optional bound of a Clip; known says that it is absent or may stand
// in the plan.
type bound struct {
	o     *operand
	known bool
}

func (c *ctx) bound(i int, what string) bound {
	o := c.arg(i)
	if o == nil {
		return bound{nil, true}
	}
	if o.N() != 1 {
		c.failf("%s has shape %v, want one number", what, o.shape)
	}
	o = c.reshape(o)
	return bound{o, o.con != nil && (c.in[0].con != nil || c.mayPublish(o, what))}
}

// or is the number of a bound.
func (b bound) or(missing float64) float64 {
	if b.o == nil {
		return missing
	}
	return b.o.con.at(0)
}

// clip bounds x; where the bounds cross the upper one wins, as in ONNX.
func (c *ctx) clip(x *operand, low, high float64) *operand {
	low = min(low, high)
	if low != low || high != high {
		c.failf("bounds %g and %g", low, high)
	}
	wide := low <= -math.MaxFloat32 && high >= math.MaxFloat32
	switch {
	case wide:
		return x
	case x.con != nil:
		return c.known(c.foldMap(x.con, func(v float64) float64 { return min(max(v, low), high) }), x)
	case low == 0 && high >= math.MaxFloat32:
		return c.emit(ir.OpRelu, nil, x.dtype, x)
	}
	return c.emit(ir.OpClip, &ir.ClipAttrs{Min: low, Max: high}, x.dtype, x)
}
