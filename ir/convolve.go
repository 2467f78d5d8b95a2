package ir

// window describes a convolution of one image and one group: how weights meet
// the (padded, and for a transposed convolution spread) input.
type window struct {
	in, out, kernel  []int // spatial
	stride, dilation []int // of the output positions, of the kernel
	origin, spread   []int // where input element i stands in the padded input: origin + i*spread
}

// padded is the padded input's spatial shape: what the windows reach, no more.
func (w window) padded() []int {
	dims := make([]int, len(w.in))
	for d := range dims {
		dims[d] = (w.out[d]-1)*w.stride[d] + (w.kernel[d]-1)*w.dilation[d] + 1
	}
	return dims
}

// isPlain reports whether the input needs no padding.
func (w window) isPlain() bool {
	for d, n := range w.padded() {
		if w.origin[d] != 0 || w.spread[d] != 1 || n > w.in[d] {
			return false
		}
	}
	return true
}

// pad writes channels of the input into zeros around them; what does not fit is dropped.
func pad[T number](out, x []T, channels int, w window) {
	dims := w.padded()
	ni, no := Numel(w.in), Numel(dims)
	clear(out)
	for c := range channels {
		padChannel(out[c*no:][:no], x[c*ni:][:ni], dims, w, 0)
	}
}

func padChannel[T number](out, x []T, dims []int, w window, d int) {
	if d == len(dims) {
		out[0] = x[0]
		return
	}
	ni, no := len(x)/w.in[d], len(out)/dims[d]
	for i := range w.in[d] {
		j := w.origin[d] + i*w.spread[d]
		if j < 0 || j >= dims[d] {
			continue
		}
		if d == len(dims)-1 && w.spread[d] == 1 {
			copy(out[j:], x[i:])
			return
		}
		padChannel(out[j*no:][:no], x[i*ni:][:ni], dims, w, d+1)
	}
}

// grid lists the offsets of a regular grid with the given counts and steps in a
// row-major array of the given shape.
func grid(counts, steps, dims []int) []int32 {
	offs := []int32{0}
	stride := Numel(dims)
	for d, n := range counts {
		stride /= dims[d]
		next := make([]int32, 0, len(offs)*n)
		for _, o := range offs {
			for i := range n {
				next = append(next, o+int32(i*steps[d]*stride))
			}
		}
		offs = next
	}
	return offs
}

// convolve adds to out the convolution of x (images of groups*c channels) with
// weights [groups*m][c][kernel]; packed, unless it is nil, holds them by group as
// the kernel wants them.
func convolve[T number](out, x, weights []T, packed [][]T, images, groups, c, m int, w window, mk micro[T], workers int) {
	ni, no, dims := Numel(w.in), Numel(w.out), w.in
	var padded []T
	if !w.isPlain() {
		dims = w.padded()
		memory := buffersFrom[T](&scratchPools)
		defer memory.close()
		padded = memory.get(groups * c * Numel(dims))
		defer memory.put(padded)
	}
	np := Numel(dims)
	for n := range images {
		src := x[n*groups*c*ni:][:groups*c*ni]
		if padded != nil {
			pad(padded, src, groups*c, w)
			src = padded
		}
		base := grid(w.out, w.stride, dims)
		off := grid(append([]int{c}, w.kernel...), append([]int{1}, w.dilation...), append([]int{c}, dims...))
		k := len(off)
		one := func(g, workers int) {
			p := gemm[T]{
				out: out[(n*groups+g)*m*no:][:m*no], a: weights[g*m*k:][:m*k], src: src[g*c*np:][:c*np], m: m, base: base, off: off,
			}
			if packed != nil {
				p.packed = packed[g]
			}
			p.run(mk, workers)
		}
		if groups < 2*workers {
			for g := range groups {
				one(g, workers)
			}
			continue
		}
		parallel(groups, workers, func(lo, hi int) {
			for g := lo; g < hi; g++ {
				one(g, 1)
			}
		})
	}
}

// convWindow reads the geometry off a convolution value.
func convWindow(v *Value) window {
	a, x, wt := v.Attrs.(*ConvAttrs), v.Args[0].Type.Shape[2:], v.Args[1].Type.Shape[2:]
	n := len(x)
	w := window{in: x, out: v.Type.Shape[2:], kernel: wt, stride: a.Strides, dilation: a.Dilations, origin: a.PadsBegin, spread: filled(n, 1)}
	if v.Op == OpConv {
		return w
	}
	w.stride, w.spread, w.origin = filled(n, 1), a.Strides, make([]int, n)
	for d := range n {
		w.origin[d] = (wt[d]-1)*a.Dilations[d] - a.PadsBegin[d]
	}
	return w
}

// evalConv adds the convolution to out, which holds the bias.
func evalConv[T number](v *Value, in [][]T, out []T, mk micro[T], packed [][]T, workers int) {
	a, x, w := v.Attrs.(*ConvAttrs), v.Args[0].Type.Shape, in[1]
	c, m := x[1]/a.Group, v.Type.Shape[1]/a.Group
	if v.Op == OpConvTranspose {
		w = flipWeights(w, a.Group, c, m, Numel(v.Args[1].Type.Shape[2:]))
	}
	convolve(out, in[0], w, packed, x[0], a.Group, c, m, convWindow(v), mk, workers)
}

// flipWeights turns the weights [group*c][m][k] of a transposed convolution
// into those of the plain convolution over the spread input: [group*m][c][k reversed].
func flipWeights[T number](w []T, groups, c, m, k int) []T {
	out := make([]T, len(w))
	for g := range groups {
		for i := range c {
			for j := range m {
				src := w[((g*c+i)*m+j)*k:][:k]
				dst := out[((g*m+j)*c+i)*k:][:k]
				for t, x := range src {
					dst[k-1-t] = x
				}
			}
		}
	}
	return out
}

// fillBias starts every output at its bias: one a channel for convolutions,
// broadcast for matrix products, zero where there is none.
func fillBias[T number](v *Value, in [][]T, out []T) {
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
func evalMatMul[T number](v *Value, in [][]T, out []T, mk micro[T], workers int) {
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
	base, off := grid([]int{n}, []int{1}, []int{n}), grid([]int{k}, []int{1}, []int{k, n})
	ia, ib := batchOffsets(batch, a), batchOffsets(batch, b)
	for i := range Numel(batch) {
		gemm[T]{
			out: out[i*m*n:][:m*n], a: in[0][ia[i]*m*k:][:m*k], src: in[1][ib[i]*k*n:][:k*n], m: m, base: base, off: off,
		}.run(mk, workers)
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
