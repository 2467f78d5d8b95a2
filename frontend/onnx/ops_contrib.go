package onnx

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// contributed are operators of com.microsoft that onnxruntime's optimiser and its
// quantiser write: each is others in one.
var contributed = map[string]opRow{
	"QLinearAdd":               {min: 7, max: 8, build: qlinearBinary(ir.OpAdd)},
	"QLinearMul":               {min: 7, max: 8, build: qlinearBinary(ir.OpMul)},
	"QLinearSigmoid":           {min: 4, max: 5, gaps: true, build: qlinearUnary(func(c *ctx, x *operand) *operand { return c.fn(x, "sigmoid") })},
	"QLinearLeakyRelu":         {min: 4, max: 5, gaps: true, build: qlinearUnary(func(c *ctx, x *operand) *operand { return c.prelu(x, c.number(c.float("alpha", 0.01), Float)) })},
	"QLinearSoftmax":           {min: 5, max: 5, gaps: true, build: qlinearUnary(qlinearSoftmax)},
	"QLinearAveragePool":       {min: 4, max: 5, gaps: true, build: qlinearUnary(func(c *ctx, x *operand) *operand { return averagePool(c.with(nil, x))[0] })},
	"QLinearGlobalAveragePool": {min: 5, max: 5, build: qlinearUnary(func(c *ctx, x *operand) *operand { return c.poolAll(ir.OpAvgPool, x) })},
	"QLinearConcat":            {min: 5, max: many, build: qlinearConcat},
	"QGemm":                    {min: 6, max: 9, gaps: true, build: qgemm},
	"MatMulIntegerToFloat":     {min: 4, max: 7, build: matMulIntegerToFloat},
	"DynamicQuantizeMatMul":    {min: 3, max: 5, build: dynamicQuantizeMatMul},
	"FusedMatMul":              {min: 2, max: 2, build: fusedMatMul},
	"SkipLayerNormalization":   {min: 3, max: 5, build: skipLayerNorm},
	"FusedGemm":                {min: 2, max: 3, build: fusedGemm},
	"MatMulNBits":              {min: 3, max: 6, build: matMulNBits, gaps: true},
	"CDist":                    {min: 2, max: 2, build: cdist},

	"SkipSimplifiedLayerNormalization": {min: 3, max: 4, build: skipRMSNorm},
}

// requantized gives a result its scale and zero point.
func (c *ctx) requantized(y, scale, zero *operand) []*operand {
	return quantize(c.with(attrs{"axis": int64(1)}, y, scale, zero))
}

// qlinearBinary: a with scale and zero point, b with its own, those of the result.
func qlinearBinary(op ir.Op) func(*ctx) []*operand {
	return func(c *ctx) []*operand {
		a, b := c.realOf(c.in[0], c.in[1], c.in[2], 1), c.realOf(c.in[3], c.in[4], c.in[5], 1)
		return c.requantized(c.binary(op, a, b), c.in[6], c.arg(7))
	}
}

// qlinearUnary: x with scale and zero point, then those of the result.
func qlinearUnary(f func(c *ctx, x *operand) *operand) func(*ctx) []*operand {
	return func(c *ctx) []*operand {
		if c.flag("channels_last", false) {
			c.refuseQuantised("channels in the last dimension")
		}
		return c.requantized(f(c, c.realOf(c.in[0], c.in[1], c.in[2], 1)), c.in[3], c.arg(4))
	}
}

// refuseQuantised says how to get a model without what stands in the way.
func (c *ctx) refuseQuantised(what string) {
	c.fail(refuseHint("quantise in QDQ form (QuantFormat.QDQ), or compile the model as it was before onnxruntime changed it", "%s", what))
}

func qlinearSoftmax(c *ctx, x *operand) *operand {
	axis := c.axis(c.int("axis", -1), len(x.shape))
	if c.int("opset", 13) < 13 {
		flat := c.reshape(x, ir.Numel(x.shape[:axis]), ir.Numel(x.shape[axis:]))
		return c.reshape(c.emit(ir.OpSoftmax, &ir.AxisAttrs{Axis: 1}, Float, flat), x.shape...)
	}
	return c.emit(ir.OpSoftmax, &ir.AxisAttrs{Axis: axis}, Float, x)
}

// qlinearConcat: scale and zero point of the result, then three inputs for each tensor.
func qlinearConcat(c *ctx) []*operand {
	if (len(c.in)-2)%3 != 0 {
		c.failf("it has %d inputs: two and three for each tensor are wanted", len(c.in))
	}
	var parts []*operand
	for i := 2; i < len(c.in); i += 3 {
		parts = append(parts, c.realOf(c.in[i], c.in[i+1], c.in[i+2], 1))
	}
	y := c.concat(c.axis(c.int("axis", 0), len(parts[0].shape)), parts...)
	return c.requantized(y, c.in[0], c.in[1])
}

// qgemm is a Gemm of quantised matrices; without a scale of the result that is real.
func qgemm(c *ctx) []*operand {
	a, b := c.realOf(c.in[0], c.in[1], c.in[2], 1), c.realOf(c.in[3], c.in[4], c.in[5], 1-c.int("transB", 0))
	y := c.matmul(c.turnedBy(a, "transA"), c.turnedBy(b, "transB"), nil)
	if bias := c.arg(6); bias != nil { // integers at the product of the scales
		y = c.add(y, c.mul(c.typed(bias, Float), c.mul(c.reshape(c.in[1]), c.in[4])))
	}
	y = c.scaled(y, c.float("alpha", 1))
	if c.arg(7) == nil {
		return one(y)
	}
	return c.requantized(y, c.in[7], c.arg(8))
}

// turnedBy exchanges the last two dimensions if an attribute says so.
func (c *ctx) turnedBy(x *operand, attribute string) *operand {
	if !c.flag(attribute, false) {
		return x
	}
	return c.turned(x)
}

// matMulIntegerToFloat: a, b, their scales, their zero points, a bias.
func matMulIntegerToFloat(c *ctx) []*operand {
	a, b := c.in[0], c.in[1]
	a = c.shiftedBack(a, c.arg(4), max(len(a.shape)-2, 0))
	b = c.shiftedBack(b, c.arg(5), len(b.shape)-1)
	y := c.mul(c.mul(c.matmul(a, b, nil), c.in[2]), c.in[3])
	if bias := c.arg(6); bias != nil {
		y = c.add(y, bias)
	}
	return one(y)
}

// dynamicQuantizeMatMul: data, integer weights, their scale and zero point, a bias.
// The data's own quantisation is left out.
func dynamicQuantizeMatMul(c *ctx) []*operand {
	c.realOnly(c.in[0])
	b := c.shiftedBack(c.in[1], c.arg(3), len(c.in[1].shape)-1)
	y := c.mul(c.matmul(c.in[0], b, nil), c.in[2])
	if bias := c.arg(4); bias != nil {
		y = c.add(y, bias)
	}
	return one(y)
}

// fusedMatMul is a product of matrices that may be transposed, times a number.
func fusedMatMul(c *ctx) []*operand {
	if c.flag("transBatchA", false) || c.flag("transBatchB", false) {
		c.refuseQuantised("transposed batch dimensions")
	}
	a, b := c.turnedBy(c.in[0], "transA"), c.turnedBy(c.in[1], "transB")
	return one(c.scaled(c.matmul(a, b, nil), c.float("alpha", 1)))
}

// skipLayerNorm normalises the sum of two tensors and a bias.
func skipLayerNorm(c *ctx) []*operand {
	x := c.add(c.in[0], c.in[1])
	if bias := c.arg(4); bias != nil {
		x = c.add(x, bias)
	}
	in := slices.Clone(c.in[2:min(4, len(c.in))])
	y := layerNorm(c.with(attrs{"axis": int64(-1), "epsilon": float32(c.float("epsilon", 1e-12))}, append([]*operand{x}, in...)...))[0]
	return []*operand{y, nil, nil, x}
}

// skipRMSNorm is skipLayerNorm without means.
func skipRMSNorm(c *ctx) []*operand {
	x := c.add(c.in[0], c.in[1])
	if bias := c.arg(3); bias != nil {
		x = c.add(x, bias)
	}
	y := rmsNorm(c.with(attrs{"axis": int64(-1), "epsilon": float32(c.float("epsilon", 1e-12))}, x, c.in[2]))[0]
	return []*operand{y, nil, nil, x}
}

// cdist is the distance of every row of one matrix from every row of another:
// |a|^2 - 2ab + |b|^2.
func cdist(c *ctx) []*operand {
	a, b := c.in[0], c.in[1]
	c.rankOf(a, 2, 2)
	c.rankOf(b, 2, 2)
	norm := func(x *operand) *operand { return c.sum(c.mul(x, x), []int{1}, keepDims) }
	y := c.add(c.sub(norm(a), c.scaled(c.matmul(a, c.turned(b), nil), 2)), c.turned(norm(b)))
	switch how := c.str("metric", "sqeuclidean"); how {
	case "sqeuclidean":
		return one(y)
	case "euclidean":
		return one(c.fn(c.clip(y, 0, math.Inf(1)), "sqrt"))
	default:
		c.refuse("metric %q", how)
		return nil
	}
}
