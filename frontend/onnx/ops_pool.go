package onnx

import (
	"slices"

	"secc.example/secc/ir"
)

// poolOps slide a window over spatial dimensions, or take all of them at once.
var poolOps = map[string]opRow{
	"MaxPool":           {min: 1, max: 1, build: maxPool},
	"MaxUnpool":         {min: 2, max: 3, build: maxUnpool},
	"GridSample":        {min: 2, max: 2, build: gridSample},
	"AveragePool":       {min: 1, max: 1, build: averagePool},
	"GlobalMaxPool":     {min: 1, max: 1, build: globalPool(ir.OpMaxPool)},
	"GlobalAveragePool": {min: 1, max: 1, build: globalPool(ir.OpAvgPool)},
	"LpPool":            {min: 1, max: 1, build: lpPool},
	"GlobalLpPool":      {min: 1, max: 1, build: globalLpPool},
	"AffineGrid":        {min: 2, max: 2, build: affineGrid},
	"LRN":               {min: 1, max: 1, build: lrn},
}

func (c *ctx) pool() (*operand, *ir.PoolAttrs) {
	x := c.in[0]
	c.realOnly(x)
	kernel := c.ints("kernel_shape")
	if kernel == nil {
		c.failf("it has no kernel_shape")
	}
	w := c.window(x, kernel)
	c.autoPad(&w, x)
	if slices.Min(slices.Concat(w.begin, w.end)) < 0 {
		c.failf("negative pads %v %v", w.begin, w.end)
	}
	return x, &ir.PoolAttrs{
		Kernel: kernel, Strides: w.strides, Dilations: w.dilations, PadsBegin: w.begin, PadsEnd: w.end,
		Ceil: c.flag("ceil_mode", false),
	}
}

func maxPool(c *ctx) []*operand {
	x, a := c.pool()
	if c.int("storage_order", 0) != 0 && len(c.outputs) > 1 {
		c.refuse("column-major indices")
	}
	y := c.poolWindows(ir.OpMaxPool, x, a)
	if len(c.outputs) < 2 || !c.im.m.used[c.outputs[1]] {
		return one(y)
	}
	return []*operand{y, c.pooledIndices(x, a, y.shape)}
}

func averagePool(c *ctx) []*operand {
	x, a := c.pool()
	a.CountIncludePad = c.flag("count_include_pad", false)
	return one(c.poolWindows(ir.OpAvgPool, x, a))
}

func globalPool(op ir.Op) func(*ctx) []*operand {
	return func(c *ctx) []*operand {
		x := c.in[0]
		c.realOnly(x)
		c.rankOf(x, 3, maxRank)
		return one(c.poolAll(op, x))
	}
}

// poolAll pools over all spatial dimensions, keeping them as ones.
func (c *ctx) poolAll(op ir.Op, x *operand) *operand {
	kept := slices.Concat(x.shape[:2], slices.Repeat([]int{1}, len(x.shape)-2))
	flat := x
	if len(x.shape) > 4 {
		flat = c.reshape(x, x.shape[0], x.shape[1], ir.Numel(x.shape[2:]))
	}
	y := c.emit(op, &ir.PoolAttrs{Kernel: slices.Clone(flat.shape[2:])}, x.dtype, flat)
	return c.reshape(y, kept...)
}

// lrn is x * (bias + alpha/size * sum of squares of size neighbouring channels)^-beta.
func lrn(c *ctx) []*operand {
	x := c.in[0]
	c.realOnly(x)
	c.rankOf(x, 3, maxRank)
	size := c.int("size", 0)
	alpha, beta, bias := c.float("alpha", 1e-4), c.float("beta", 0.75), c.float("bias", 1)
	if size < 1 || size > x.shape[1]*2 {
		c.failf("size %d for %d channels", size, x.shape[1])
	}
	// Channels become the first spatial dimension, so that a window slides over them.
	flat := c.reshape(x, x.shape[0], 1, x.shape[1], ir.Numel(x.shape[2:]))
	squares := c.mul(flat, flat)
	sum := c.emit(ir.OpSumPool, &ir.PoolAttrs{
		Kernel: []int{size, 1}, PadsBegin: []int{(size - 1) / 2, 0}, PadsEnd: []int{size / 2, 0},
	}, x.dtype, squares)
	norm := c.fn(c.shifted(c.scaled(sum, alpha/float64(size)), bias), "pow", -beta)
	return one(c.reshape(c.mul(flat, norm), x.shape...))
}
