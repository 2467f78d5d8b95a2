package onnx

// qlinearOps are operators on quantised tensors. They are computed as what they
// stand for in real numbers, at the scales that the model gives.
var qlinearOps = map[string]opRow{
	"QLinearConv":           {min: 8, max: 9, build: qlinearConv},
	"QLinearMatMul":         {min: 8, max: 8, build: qlinearMatMul},
	"ConvInteger":           {min: 2, max: 4, build: convInteger},
	"MatMulInteger":         {min: 2, max: 4, build: matMulInteger},
	"DynamicQuantizeLinear": {min: 1, max: 1, build: dynamicQuantize},
}

// with is the same node with other inputs, and attributes replaced.
func (c *ctx) with(replaced attrs, in ...*operand) *ctx {
	n := *c.node
	n.attrs = attrs{}
	for k, v := range c.attrs {
		n.attrs[k] = v
	}
	for k, v := range replaced {
		n.attrs[k] = v
	}
	return &ctx{node: &n, im: c.im, in: in}
}

// realOf is what a quantised operand stands for; axis is that of its scales.
func (c *ctx) realOf(x, scale, zero *operand, axis int) *operand {
	return dequantize(c.with(attrs{"axis": int64(axis)}, x, scale, zero))[0]
}

func qlinearConv(c *ctx) []*operand {
	x := c.realOf(c.in[0], c.in[1], c.in[2], 1)
	w := c.realOf(c.in[3], c.in[4], c.in[5], 0)
	in := []*operand{x, w}
	if b := c.arg(8); b != nil { // integers at the product of the scales
		scale := c.mul(c.reshape(c.in[1]), c.in[4])
		in = append(in, c.mul(c.typed(b, Float), scale))
	}
	y := conv(c.with(nil, in...))[0]
	return quantize(c.with(nil, y, c.in[6], c.in[7]))
}

func qlinearMatMul(c *ctx) []*operand {
	a := c.realOf(c.in[0], c.in[1], c.in[2], max(len(c.in[0].shape)-2, 0)) // scales of rows
	b := c.realOf(c.in[3], c.in[4], c.in[5], len(c.in[3].shape)-1)         // and of columns
	return quantize(c.with(nil, c.matmul(a, b, nil), c.in[6], c.in[7]))
}

// shiftedBack subtracts a zero point, one or one for each element along an axis.
func (c *ctx) shiftedBack(x, zero *operand, axis int) *operand {
	if x.quant != nil {
		c.refuse("a tensor quantised at a fixed scale, where integers are wanted")
	}
	x = c.typed(x, Float)
	if zero == nil || x.con == nil && c.is(zero, 0, "the zero point") {
		return x
	}
	t := c.constantOf(zero, "the zero point")
	along := -1
	if t.N() != 1 {
		if along = axis; t.N() != x.shape[axis] {
			c.failf("zero points of shape %v for shape %v", t.Shape, x.shape)
		}
	}
	return c.sub(x, c.spread(t.Floats(), x, along))
}

func convInteger(c *ctx) []*operand {
	x, w := c.shiftedBack(c.in[0], c.arg(2), 1), c.shiftedBack(c.in[1], c.arg(3), 0)
	return one(c.typed(conv(c.with(nil, x, w))[0], Int32))
}

func matMulInteger(c *ctx) []*operand {
	a, b := c.in[0], c.in[1]
	a = c.shiftedBack(a, c.arg(2), max(len(a.shape)-2, 0))
	b = c.shiftedBack(b, c.arg(3), len(b.shape)-1)
	return one(c.typed(c.matmul(a, b, nil), Int32))
}

// dynamicQuantize has a scale that follows from the data. Whoever reads the result
// multiplies by it in the end, so that data at scale one and zero point nought means
// the same.
func dynamicQuantize(c *ctx) []*operand {
	c.realOnly(c.in[0])
	zero := c.known(&Tensor{DType: Uint8, Shape: []int{}, I: []int64{0}})
	return []*operand{c.typed(c.in[0], Uint8), c.number(1, Float), zero}
}
