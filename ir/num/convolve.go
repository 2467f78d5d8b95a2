package num

import "slices"

// Window describes a convolution of one image and one group: how weights meet
// the (padded, and for a transposed convolution spread) input.
type Window struct {
	In, Out, Kernel  []int // spatial
	Stride, Dilation []int // of the output positions, of the kernel
	Origin, Spread   []int // where input element i stands in the padded input: Origin + i*Spread
}

// padded is the padded input's spatial shape: what the windows reach, no more.
func (w Window) padded() []int {
	dims := make([]int, len(w.In))
	for d := range dims {
		dims[d] = (w.Out[d]-1)*w.Stride[d] + (w.Kernel[d]-1)*w.Dilation[d] + 1
	}
	return dims
}

// isPlain reports whether the input needs no padding.
func (w Window) isPlain() bool {
	for d, n := range w.padded() {
		if w.Origin[d] != 0 || w.Spread[d] != 1 || n > w.In[d] {
			return false
		}
	}
	return true
}

// pad writes channels of the input into zeros around them; what does not fit is dropped.
func pad[T Number](out, x []T, channels int, w Window) {
	dims := w.padded()
	ni, no := Numel(w.In), Numel(dims)
	clear(out)
	for c := range channels {
		padChannel(out[c*no:][:no], x[c*ni:][:ni], dims, w, 0)
	}
}

func padChannel[T Number](out, x []T, dims []int, w Window, d int) {
	if d == len(dims) {
		out[0] = x[0]
		return
	}
	ni, no := len(x)/w.In[d], len(out)/dims[d]
	for i := range w.In[d] {
		j := w.Origin[d] + i*w.Spread[d]
		if j < 0 || j >= dims[d] {
			continue
		}
		if d == len(dims)-1 && w.Spread[d] == 1 {
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

// Convolve adds to out the convolution of x (images of groups*c channels) with
// weights [groups*m][c][kernel]; packed, unless it is nil, holds them by group as
// the kernel wants them.
func Convolve[T Number](out, x, weights []T, packed [][]T, images, groups, c, m int, w Window, mk Micro[T], workers int) {
	ni, no, dims := Numel(w.In), Numel(w.Out), w.In
	if images > 1 && groups == 1 && no == 1 && w.isPlain() && slices.Equal(w.In, w.Kernel) {
		matMulRows(out, x, weights, images, c*ni, m, mk, workers)
		return
	}
	var padded []T
	if !w.isPlain() {
		dims = w.padded()
		memory := scratch[T]()
		defer memory.Close()
		padded = memory.Get(groups * c * Numel(dims))
		defer memory.Put(padded)
	}
	np := Numel(dims)
	for n := range images {
		src := x[n*groups*c*ni:][:groups*c*ni]
		if padded != nil {
			pad(padded, src, groups*c, w)
			src = padded
		}
		base := grid(w.Out, w.Stride, dims)
		off := grid(append([]int{c}, w.Kernel...), append([]int{1}, w.Dilation...), append([]int{c}, dims...))
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
		Parallel(groups, workers, func(lo, hi int) {
			for g := lo; g < hi; g++ {
				one(g, 1)
			}
		})
	}
}

// matMulRows multiplies images that are one window each, such as the rows that a product
// by weights was written for: a column of the result at a time would use one of a
// kernel's columns.
func matMulRows[T Number](out, x, weights []T, images, k, m int, mk Micro[T], workers int) {
	base, off := grid([]int{m}, []int{1}, []int{m, k}), grid([]int{k}, []int{1}, []int{k})
	gemm[T]{out: out, a: x, src: weights, m: images, base: base, off: off}.run(mk, workers)
}

// FlipWeights turns the weights [group*c][m][k] of a transposed convolution
// into those of the plain convolution over the spread input: [group*m][c][k reversed].
func FlipWeights[T Number](w []T, groups, c, m, k int) []T {
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
