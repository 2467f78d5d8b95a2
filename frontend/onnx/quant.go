package onnx

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// quantOps carry the QDQ form of quantised models: weights stored as integers,
// and activations that pass through QuantizeLinear and DequantizeLinear. Our own
// formats are chosen later, so what is kept of the pair is its range: values
// saturate where the quantised type ends. The rounding in between is left out.
var quantOps = map[string]opRow{
	"QuantizeLinear":   {min: 2, max: 3, build: quantize, since: 10},
	"DequantizeLinear": {min: 2, max: 3, build: dequantize, since: 10},
}

// quantised is data between QuantizeLinear and DequantizeLinear: the real value
// behind it, saturated, and the parameters it was quantised with.
type quantised struct {
	real        *operand
	scale, zero *Tensor
	axis        int
}

// quantParams reads scale and zero point; along is the channel axis, -1 for one scale.
func (c *ctx) quantParams(x *operand) (scale, zero *Tensor, along int) {
	if block := c.int("block_size", 0); block != 0 {
		return c.blocked(x, block)
	}
	scale, along = c.constant(1, "the scale"), -1
	if !scale.DType.IsFloat() {
		c.failf("the scale has type %v", scale.DType)
	}
	for _, s := range scale.F {
		if !(s > 0) || math.IsInf(float64(s), 0) {
			c.failf("scale %g", s)
		}
	}
	if scale.N() != 1 {
		along = c.axis(c.int("axis", 1), len(x.shape))
		if len(scale.Shape) != 1 || scale.N() != x.shape[along] {
			c.failf("scale has shape %v for data of shape %v", scale.Shape, x.shape)
		}
	}
	if c.arg(2) != nil {
		zero = c.constant(2, "the zero point")
		if !slices.Equal(zero.Shape, scale.Shape) && (zero.N() != 1 || scale.N() != 1) {
			c.failf("scale has shape %v, zero point %v", scale.Shape, zero.Shape)
		}
	}
	return scale, zero, along
}

// blocked reads scales and zero points that hold for runs of elements along an axis, and
// repeats them for every element. That is of weights: data has one range.
func (c *ctx) blocked(x *operand, block int) (scale, zero *Tensor, along int) {
	axis := c.axis(c.int("axis", 1), len(x.shape))
	if x.con == nil {
		c.refuse("data quantised in blocks")
	}
	if block < 1 {
		c.failf("blocks of %d", block)
	}
	want, index := slices.Clone(x.shape), make([]int, x.shape[axis])
	want[axis] = (len(index) + block - 1) / block
	for i := range index {
		index[i] = i / block
	}
	repeated := func(i int, what string) *Tensor {
		t := c.constant(i, what)
		if !slices.Equal(t.Shape, want) {
			c.failf("%s of shape %v for data of shape %v in blocks of %d", what, t.Shape, x.shape, block)
		}
		return c.foldGather(t, axis, index, []int{len(index)})
	}
	if scale = repeated(1, "the scale"); c.arg(2) != nil {
		zero = repeated(2, "the zero point")
	}
	return scale, zero, everywhere
}

// everywhere stands for the axis of scales that are as many as the elements.
const everywhere = -2

// spread shapes a list of numbers so that it broadcasts along an axis.
func (c *ctx) spread(values []float32, x *operand, along int) *operand {
	shape := []int{}
	if along == everywhere {
		shape = x.shape
	}
	if along >= 0 {
		shape = slices.Concat([]int{len(values)}, slices.Repeat([]int{1}, len(x.shape)-along-1))
	}
	return c.secret(&Tensor{DType: Float, Shape: shape, F: values})
}

func quantize(c *ctx) []*operand {
	x := c.in[0]
	scale, zero, along := c.quantParams(x)
	d := Uint8
	if zero != nil {
		d = zero.DType
	} else if to := c.int("output_dtype", 0); to != 0 {
		d = DType(to)
	}
	if !d.IsInt() || d.bits() > 32 {
		c.refuse("quantisation to %v", d)
	}
	if x.con != nil {
		return one(c.foldQuantize(x, scale, zero, along, d))
	}
	c.realOnly(x)
	real := x
	for i, s := range scale.F { // one clip serves all channels where the ranges agree
		low, high := quantRange(d, s, zero, i)
		if i > 0 {
			if l0, h0 := quantRange(d, scale.F[0], zero, 0); l0 != low || h0 != high {
				c.refuse("activations quantised with a different range for every channel")
			}
			continue
		}
		real = c.saturating(x, low, high, c.publicQuant())
	}
	return one(&operand{name: c.name, dtype: d, shape: x.shape, quant: &quantised{real, scale, zero, along}})
}

// publicQuant reports whether scale and zero point may stand in the plan.
func (c *ctx) publicQuant() bool {
	return c.mayPublish(c.in[1], "the scale") && (c.arg(2) == nil || c.mayPublish(c.in[2], "the zero point"))
}

// saturating clips, leaving out the lower bound where the value is a rectified one.
// Bounds that are secret are compared with.
func (c *ctx) saturating(x *operand, low, high float64, public bool) *operand {
	rectified := x.val != nil && x.val.Op == "relu" && low <= 0
	switch {
	case public && rectified:
		return c.clip(x, math.Inf(-1), high)
	case public:
		return c.clip(x, low, high)
	case !rectified:
		x = c.binary(ir.OpMax, x, c.secretNumber(low))
	}
	return c.binary(ir.OpMin, x, c.secretNumber(high))
}

func quantRange(d DType, scale float32, zero *Tensor, i int) (low, high float64) {
	z := 0.0
	if zero != nil {
		z = zero.at(i)
	}
	lo, hi := d.intRange()
	return (float64(lo) - z) * float64(scale), (float64(hi) - z) * float64(scale)
}

func (c *ctx) foldQuantize(x *operand, scale, zero *Tensor, along int, d DType) *operand {
	q := c.zip(binaryFold{float: func(a, b float64) float64 { return math.RoundToEven(a / b) }}, x.con, c.spread(scale.F, x, along).con)
	if zero != nil {
		q = c.zip(arithmetic["add"], q, c.spread(zero.Floats(), x, along).con)
	}
	return c.known(c.foldCast(q, d))
}

func dequantize(c *ctx) []*operand {
	x := c.in[0]
	scale, zero, along := c.quantParams(x)
	if q := x.quant; q != nil {
		if !sameValues(q.scale, scale) || !sameValues(q.zero, zero) || q.axis != along {
			c.refuse("it undoes a quantisation with other parameters")
		}
		return one(q.real)
	}
	y := c.cast(x, Float)
	if zero != nil && !uniform(zero, 0) {
		y = c.sub(y, c.spread(zero.Floats(), x, along))
	}
	y = c.mul(y, c.spread(scale.F, x, along))
	return one(y)
}

func sameValues(a, b *Tensor) bool {
	if a == nil || b == nil {
		return a == nil && b == nil || uniform(nonNil(a, b), 0)
	}
	return slices.Equal(a.Floats(), b.Floats())
}

func nonNil(a, b *Tensor) *Tensor {
	if a != nil {
		return a
	}
	return b
}
