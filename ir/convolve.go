package ir

import "secc.example/secc/ir/num"

// convWindow reads the geometry off a convolution value.
func convWindow(v *Value) num.Window {
	a, x, wt := v.Attrs.(*ConvAttrs), v.Args[0].Type.Shape[2:], v.Args[1].Type.Shape[2:]
	n := len(x)
	w := num.Window{In: x, Out: v.Type.Shape[2:], Kernel: wt, Stride: a.Strides, Dilation: a.Dilations, Origin: a.PadsBegin, Spread: filled(n, 1)}
	if v.Op == OpConv {
		return w
	}
	w.Stride, w.Spread, w.Origin = filled(n, 1), a.Strides, make([]int, n)
	for d := range n {
		w.Origin[d] = (wt[d]-1)*a.Dilations[d] - a.PadsBegin[d]
	}
	return w
}

// evalConv adds the convolution to out, which holds the bias.
func evalConv[T num.Number](v *Value, in [][]T, out []T, mk num.Micro[T], packed [][]T, workers int) {
	a, x, w := v.Attrs.(*ConvAttrs), v.Args[0].Type.Shape, in[1]
	c, m := x[1]/a.Group, v.Type.Shape[1]/a.Group
	if v.Op == OpConvTranspose {
		w = num.FlipWeights(w, a.Group, c, m, Numel(v.Args[1].Type.Shape[2:]))
	}
	num.Convolve(out, in[0], w, packed, x[0], a.Group, c, m, convWindow(v), mk, workers)
}

// fillBias starts every output at its bias: one a channel for convolutions,
// broadcast for matrix products, zero where there is none.
func fillBias[T num.Number](v *Value, in [][]T, out []T) {
	if len(in) < 3 {
		clear(out)
		return
	}
	if v.Op == OpMatMul {
		broadcastTo(out, v.Type.Shape, in[2], v.Args[2].Type.Shape)
		return
	}
	c, inner := v.Type.Shape[1], Numel(v.Type.Shape[2:])
	for i := 0; i < len(out); i += inner {
		b := in[2][i/inner%c]
		for j := range out[i:][:inner] {
			out[i+j] = b
		}
	}
}

// evalMatMul adds a batched matrix product to out.
func evalMatMul[T num.Number](v *Value, in [][]T, out []T, mk num.Micro[T], workers int) {
	a, b := v.Args[0].Type.Shape, v.Args[1].Type.Shape
	m, n := 1, 1
	if len(a) > 1 {
		m = a[len(a)-2]
	}
	if len(b) > 1 {
		n = b[len(b)-1]
	}
	k := a[len(a)-1]
	batch := v.Type.Shape
	if len(a) > 1 {
		batch = batch[:len(batch)-1]
	}
	if len(b) > 1 {
		batch = batch[:len(batch)-1]
	}
	ia, ib := batchOffsets(batch, a), batchOffsets(batch, b)
	for i := range Numel(batch) {
		num.MatMul(out[i*m*n:][:m*n], in[0][ia[i]*m*k:][:m*k], in[1][ib[i]*k*n:][:k*n], m, k, n, mk, workers)
	}
}

// batchOffsets gives, for every matrix of the result, which matrix of an argument it uses.
func batchOffsets(batch, shape []int) []int {
	own := shape[:max(0, len(shape)-2)]
	out := make([]int, Numel(batch))
	ids := make([]int, Numel(own))
	for i := range ids {
		ids[i] = i
	}
	broadcastTo(out, batch, ids, own)
	return out
}
