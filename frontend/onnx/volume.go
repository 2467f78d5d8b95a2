package onnx

import (
	"slices"

	"secc.example/secc/ir"
)

// Convolutions and pools over three dimensions, in terms of two: the compiler's
// packings and windows are two-dimensional.

// convolve3 gathers the kernel's slices along depth into channels and every
// output depth into the batch; what is left is a convolution over height and
// width. Index maps are free, and the products stay the same.
func (c *ctx) convolve3(x, weights, bias *operand, group int, w window) *operand {
	n, ch := x.shape[0], x.shape[1]
	if len(weights.shape) != 5 {
		c.failf("weights have shape %v for data of shape %v", weights.shape, x.shape)
	}
	x = c.padded(x, []int{0, 0, w.begin[0], 0, 0}, []int{0, 0, w.end[0], 0, 0})
	index := c.windowIndex(x.shape[2], w.kernel[0], w.strides[0], w.dilations[0])
	depth := len(index) / w.kernel[0]
	y := c.transpose(c.gather(x, 2, index, []int{depth, w.kernel[0]}), 0, 2, 1, 3, 4, 5)
	y = c.reshape(y, n*depth, ch*w.kernel[0], x.shape[3], x.shape[4])
	k := weights.shape
	flat := window{kernel: w.kernel[1:], strides: w.strides[1:], dilations: w.dilations[1:], begin: w.begin[1:], end: w.end[1:]}
	y = c.convolve(y, c.reshape(weights, k[0], k[1]*k[2], k[3], k[4]), bias, group, flat)
	y = c.reshape(y, n, depth, y.shape[1], y.shape[2], y.shape[3])
	return c.transpose(y, 0, 2, 1, 3, 4)
}

// windowIndex lists the elements of every window along one dimension.
func (c *ctx) windowIndex(in, kernel, stride, dilation int) []int {
	room := in - (kernel-1)*dilation - 1
	if room < 0 {
		c.failf("kernel of %d (dilation %d) over %d elements", kernel, dilation, in)
	}
	count := room/stride + 1
	if kernel > maxIntElems/count {
		c.failf("%d windows of %d elements are too many", count, kernel)
	}
	index := make([]int, 0, count*kernel)
	for o := range count {
		for k := range kernel {
			index = append(index, o*stride+k*dilation)
		}
	}
	return index
}

// padded adds zeros.
func (c *ctx) padded(x *operand, before, after []int) *operand {
	if slices.Max(slices.Concat(before, after)) == 0 {
		return x
	}
	return c.emit(ir.OpPad, &ir.PadAttrs{Before: before, After: after}, x.dtype, x)
}

// poolWindows appends a pool. Maxima and averages over a box are those over its
// depth of those over its height and width: an average's divisor is a product
// of counts along each dimension too.
func (c *ctx) poolWindows(op ir.Op, x *operand, a *ir.PoolAttrs) *operand {
	if len(a.Kernel) < 3 {
		return c.emit(op, a, x.dtype, x)
	}
	n, ch := x.shape[0], x.shape[1]
	flat, deep := *a, *a
	first := func(s []int, other int) []int { return []int{s[0], other} }
	flat.Kernel, flat.Strides, flat.Dilations = a.Kernel[1:], a.Strides[1:], a.Dilations[1:]
	flat.PadsBegin, flat.PadsEnd = a.PadsBegin[1:], a.PadsEnd[1:]
	deep.Kernel, deep.Strides, deep.Dilations = first(a.Kernel, 1), first(a.Strides, 1), first(a.Dilations, 1)
	deep.PadsBegin, deep.PadsEnd = first(a.PadsBegin, 0), first(a.PadsEnd, 0)
	y := c.emit(op, &flat, x.dtype, c.reshape(x, n, ch*x.shape[2], x.shape[3], x.shape[4]))
	h, w := y.shape[2], y.shape[3]
	y = c.emit(op, &deep, x.dtype, c.reshape(y, n, ch, x.shape[2], h*w))
	return c.reshape(y, n, ch, y.shape[2], h, w)
}
