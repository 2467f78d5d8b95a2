package onnx

import (
	"slices"

	"secc.example/secc/ir"
)

// linearOps are products with weights.
var linearOps = map[string]opRow{
	"Conv":               {min: 2, max: 3, build: conv},
	"ConvTranspose":      {min: 2, max: 3, build: convTranspose},
	"Gemm":               {min: 2, max: 3, build: gemm},
	"MatMul":             {min: 2, max: 2, build: func(c *ctx) []*operand { return one(c.matmul(c.in[0], c.in[1], nil)) }},
	"Einsum":             {min: 1, max: many, build: einsum},
	"BatchNormalization": {min: 5, max: 5, build: batchNorm},
}

// window is the geometry that convolutions and pools share.
type window struct {
	kernel, strides, dilations, begin, end []int
}

// window reads strides, dilations and pads; kernel is the one the operands or
// attributes give.
func (c *ctx) window(x *operand, kernel []int) window {
	n := c.rankOf(x, 3, 5) - 2
	w := window{kernel: kernel, strides: c.spatial("strides", n, 1), dilations: c.spatial("dilations", n, 1)}
	if len(kernel) != n {
		c.failf("kernel %v for data of shape %v", kernel, x.shape)
	}
	for _, k := range kernel {
		if k < 1 {
			c.failf("kernel %v", kernel)
		}
	}
	if pads := c.ints("pads"); pads != nil {
		if len(pads) != 2*n || slices.Max(pads) > maxElements {
			c.failf("pads %v for %d spatial dimensions", pads, n)
		}
		w.begin, w.end = pads[:n], pads[n:]
	} else {
		w.begin, w.end = make([]int, n), make([]int, n)
	}
	return w
}

// spatial reads one number a spatial dimension, each at least low.
func (c *ctx) spatial(name string, n, missing int) []int {
	v := c.ints(name)
	if v == nil {
		return slices.Repeat([]int{missing}, n)
	}
	if len(v) != n {
		c.failf("%s %v for %d spatial dimensions", name, v, n)
	}
	for _, x := range v {
		if x < 1 || x >= maxElements {
			c.failf("%s %v", name, v)
		}
	}
	return v
}

// autoPad replaces the pads where auto_pad asks for it.
func (c *ctx) autoPad(w *window, x *operand) {
	mode := c.str("auto_pad", "NOTSET")
	switch mode {
	case "NOTSET", "":
		return
	case "VALID":
		w.begin, w.end = make([]int, len(w.kernel)), make([]int, len(w.kernel))
		return
	case "SAME_UPPER", "SAME_LOWER":
	default:
		c.failf("auto_pad %q", mode)
	}
	w.begin, w.end = make([]int, len(w.kernel)), make([]int, len(w.kernel))
	for d, in := range x.shape[2:] {
		out := (in + w.strides[d] - 1) / w.strides[d]
		total := max(0, (out-1)*w.strides[d]+(w.kernel[d]-1)*w.dilations[d]+1-in)
		w.begin[d], w.end[d] = total/2, total-total/2
		if mode == "SAME_LOWER" {
			w.begin[d], w.end[d] = w.end[d], w.begin[d]
		}
	}
}

// weightKernel is the kernel size the weights have; kernel_shape must agree.
// Weights may be computed from constants, but not from data.
func (c *ctx) weightKernel(w *operand) []int {
	if w.val == nil || w.val.Type.Holder != ir.Server && w.val.Type.Holder != ir.Public {
		c.constantOf(w, "the weights")
	}
	c.rankOf(w, 3, 5)
	if given := c.ints("kernel_shape"); given != nil && !slices.Equal(given, w.shape[2:]) {
		c.failf("kernel_shape %v, weights have shape %v", given, w.shape)
	}
	return w.shape[2:]
}

func conv(c *ctx) []*operand {
	x := c.in[0]
	c.realOnly(x)
	w := c.window(x, c.weightKernel(c.in[1]))
	c.autoPad(&w, x)
	// An ir convolution pads with zeros but does not crop.
	x = c.cropNegative(x, &w)
	return one(c.convolve(x, c.in[1], c.arg(2), c.int("group", 1), w))
}

// convolve appends a convolution; bias may be nil.
func (c *ctx) convolve(x, weights, bias *operand, group int, w window) *operand {
	if len(w.kernel) == 3 {
		return c.convolve3(x, weights, bias, group, w)
	}
	args := []*operand{x, weights}
	if bias != nil {
		args = append(args, bias)
	}
	return c.emit(ir.OpConv, &ir.ConvAttrs{
		Group: group, Strides: w.strides, Dilations: w.dilations, PadsBegin: w.begin, PadsEnd: w.end,
	}, x.dtype, args...)
}

// cropNegative carries out negative pads of a window on the data.
func (c *ctx) cropNegative(x *operand, w *window) *operand {
	if slices.Min(slices.Concat(w.begin, w.end)) >= 0 {
		return x
	}
	before, after := slices.Concat([]int{0, 0}, w.begin), slices.Concat([]int{0, 0}, w.end)
	x = c.crop(x, before, after)
	w.begin, w.end = before[2:], after[2:]
	return x
}

func gemm(c *ctx) []*operand {
	a, b := c.in[0], c.in[1]
	c.realOnly(a)
	c.rankOf(a, 2, 2)
	c.rankOf(b, 2, 2)
	if c.flag("transA", false) {
		a = c.transpose(a, 1, 0)
	}
	if c.flag("transB", false) {
		b = c.transpose(b, 1, 0)
	}
	if a.shape[1] != b.shape[0] {
		c.failf("inner dimensions differ: %v and %v", a.shape, b.shape)
	}
	b = c.scaled(b, c.float("alpha", 1))
	bias, beta := c.arg(2), c.float("beta", 1)
	if bias == nil || beta == 0 {
		return one(c.matmul(a, b, nil))
	}
	if c.opset < 7 && len(bias.shape) == 1 && bias.shape[0] != b.shape[1] && bias.shape[0] == a.shape[0] {
		bias = c.reshape(bias, bias.shape[0], 1)
	}
	return one(c.matmul(a, b, c.scaled(bias, beta)))
}

// batchNorm becomes one scale and one shift a channel.
func batchNorm(c *ctx) []*operand {
	x := c.in[0]
	c.realOnly(x)
	if c.opset >= 14 && c.flag("training_mode", false) || c.opset < 14 && c.hasOutputs(1) {
		c.trainingMode()
	}
	if c.opset < 9 && !c.flag("spatial", true) {
		c.refuse("spatial=0 (a scale for every position)")
	}
	n := x.shape
	if len(n) < 2 {
		c.failf("data has shape %v, want a channel dimension", n)
	}
	eps := c.float("epsilon", 1e-5)
	var p [4][]float32
	for i, what := range []string{"scale", "B", "mean", "var"} {
		t := c.constant(i+1, what)
		if t.N() != n[1] || len(t.Shape) != 1 {
			c.failf("%s has shape %v for data of shape %v", what, t.Shape, n)
		}
		p[i] = t.Floats()
	}
	scale, shift, err := foldBatchNorm(p, eps)
	if err != nil {
		c.fail(err)
	}
	return one(c.emit(ir.OpBatchNorm, nil, x.dtype, x,
		c.floatConst(c.name+"/scale", []int{n[1]}, scale), c.floatConst(c.name+"/shift", []int{n[1]}, shift)))
}
