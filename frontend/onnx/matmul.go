package onnx

import (
	"slices"

	"secc.example/secc/ir"
)

// matmul is numpy's, with an optional bias: a vector is a matrix of one row or
// column, whose dimension goes again.
func (c *ctx) matmul(a, b, bias *operand) *operand {
	if len(a.shape) == 0 || len(b.shape) == 0 {
		c.failf("product of shapes %v and %v", a.shape, b.shape)
	}
	row, column := len(a.shape) == 1, len(b.shape) == 1
	if row {
		a = c.reshape(a, 1, a.shape[0])
	}
	if column {
		b = c.reshape(b, b.shape[0], 1)
	}
	y := c.matrices(a, b, bias)
	shape := slices.Clone(y.shape)
	if column {
		shape = shape[:len(shape)-1]
	}
	if row {
		shape = slices.Delete(shape, len(y.shape)-2, len(y.shape)-1)
	}
	return c.reshape(y, shape...)
}

// matrices multiplies two operands of rank two or more.
func (c *ctx) matrices(a, b, bias *operand) *operand {
	if a.shape[len(a.shape)-1] != b.shape[len(b.shape)-2] {
		c.failf("inner dimensions differ: %v and %v", a.shape, b.shape)
	}
	leading := func(o *operand) int { return ir.Numel(o.shape[:len(o.shape)-2]) }
	switch {
	case bias != nil:
		return c.emit(ir.OpMatMul, nil, a.dtype, a, b, bias)
	case a.con == nil && b.con != nil && leading(b) > 1:
		return c.grouped(a, b)
	case a.con != nil && b.con == nil && leading(a) > 1: // (ab)^T = b^T a^T
		return c.turned(c.grouped(c.turned(b), c.turned(a)))
	}
	return c.emit(ir.OpMatMul, nil, a.dtype, a, b)
}

// turned exchanges the last two dimensions.
func (c *ctx) turned(o *operand) *operand {
	n := len(o.shape)
	return c.transpose(o, swap(n, n-2, n-1)...)
}

// grouped multiplies every matrix of a batch by a constant one of its own: a
// convolution of one pixel with a group for each.
func (c *ctx) grouped(x, w *operand) *operand {
	n := len(x.shape)
	batch, err := ir.Broadcast(x.shape[:n-2], w.shape[:len(w.shape)-2])
	if err != nil {
		c.fail(err)
	}
	rows, in, out := x.shape[n-2], w.shape[len(w.shape)-2], w.shape[len(w.shape)-1]
	// The leading dimensions that all share one matrix are the convolution's batch.
	shared := len(batch) - (len(w.shape) - 2)
	for w.shape[len(w.shape)-2-(len(batch)-shared)] == 1 {
		shared++
	}
	each, groups := ir.Numel(batch[:shared]), ir.Numel(batch[shared:])
	w = c.expand(c.reshape(w, w.shape[len(w.shape)-2-(len(batch)-shared):]...), slices.Concat(batch[shared:], []int{in, out})...)
	x = c.expand(x, slices.Concat(batch, []int{rows, in})...)
	y := c.convolve(c.reshape(c.turned(x), each, groups*in, rows, 1), c.reshape(c.turned(w), groups*out, in, 1, 1), nil, groups, pointwise())
	return c.turned(c.reshape(y, slices.Concat(batch, []int{out, rows})...))
}

// pointwise is the window of a convolution of one pixel.
func pointwise() window {
	ones, zeros := []int{1, 1}, []int{0, 0}
	return window{kernel: ones, strides: ones, dilations: ones, begin: zeros, end: zeros}
}
