package ir

// line is a window sliding along one dimension of n elements.
type line struct{ n, out, kernel, stride, dilation, before int }

// inside gives the taps [t0, t1) of the window at position j that lie on elements.
func (l line) inside(j int) (t0, t1 int) {
	start := j*l.stride - l.before
	if start < 0 {
		t0 = (-start + l.dilation - 1) / l.dilation
	}
	t1 = l.kernel
	if last := start + (l.kernel-1)*l.dilation; last >= l.n {
		t1 = max(0, (l.n-1-start)/l.dilation+1)
		if start >= l.n {
			t1 = 0
		}
	}
	return min(t0, l.kernel), t1
}

// neverEmpty reports whether every window holds at least one element. Where a
// window's first tap in range is sure to be an element, the first and the last
// window decide.
func (l line) neverEmpty() bool {
	if l.before > (l.kernel-1)*l.dilation || (l.out-1)*l.stride-l.before >= l.n {
		return false
	}
	if l.dilation <= l.n {
		return true
	}
	for j := range min(l.out, l.before/l.stride+1) {
		if t0, t1 := l.inside(j); t0 >= t1 {
			return false
		}
	}
	return true
}

// poolLines splits a pool into one line a spatial dimension: sums and maxima
// are separable.
func poolLines(x []int, a *PoolAttrs, out []int) []line {
	ls := make([]line, len(x))
	for d := range x {
		ls[d] = line{x[d], out[d], a.Kernel[d], a.Strides[d], a.Dilations[d], a.PadsBegin[d]}
	}
	return ls
}

// slide folds in, seen as [outer][n][inner], along its middle dimension: every
// result is its first element combined with the others in order. A window that
// holds nothing gives zero. at is the index of the result.
func slide[T number](in []T, outer, inner int, l line, op func(at int, acc, x T) T) []T {
	out := make([]T, outer*l.out*inner)
	for o := range outer {
		src := in[o*l.n*inner:][:l.n*inner]
		for j := range l.out {
			at := (o*l.out + j) * inner
			dst := out[at:][:inner]
			t0, t1 := l.inside(j)
			for t := t0; t < t1; t++ {
				row := src[(j*l.stride-l.before+t*l.dilation)*inner:][:inner]
				if t == t0 {
					copy(dst, row)
					continue
				}
				for i, x := range row {
					dst[i] = op(at+i, dst[i], x)
				}
			}
		}
	}
	return out
}

// foldWindows applies slide along every spatial dimension, the last one first.
func foldWindows[T number](v *Value, in []T, op func(at int, acc, x T) T) []T {
	shape := v.Args[0].Type.Shape
	ls := poolLines(shape[2:], v.Attrs.(*PoolAttrs), v.Type.Shape[2:])
	outer, inner := Numel(shape[:len(shape)-1]), 1
	for d := len(ls) - 1; d >= 0; d-- {
		in = slide(in, outer, inner, ls[d], op)
		inner *= ls[d].out
		if d > 0 {
			outer /= ls[d-1].n
		}
	}
	return in
}

// foldAxes reduces along axes (sorted), the last one first.
func foldAxes[T number](v *Value, in []T, op func(at int, acc, x T) T) []T {
	shape := append([]int{}, v.Args[0].Type.Shape...)
	axes := v.Attrs.(*ReduceAttrs).Axes
	for i := len(axes) - 1; i >= 0; i-- {
		d := axes[i]
		n := shape[d]
		in = slide(in, Numel(shape[:d]), Numel(shape[d+1:]), line{n: n, out: 1, kernel: n, stride: 1, dilation: 1}, op)
		shape[d] = 1
	}
	return in
}

// argMax writes the indices of the K largest elements along an axis;
// better(x, best) says whether a later element x displaces the best so far.
func argMax[T number](v *Value, in, out []T, better func(x, best T) bool) {
	a, shape := v.Attrs.(*ReduceAttrs), v.Args[0].Type.Shape
	n, k, inner := shape[a.Axes[0]], max(a.K, 1), Numel(shape[a.Axes[0]+1:])
	for i := range len(out) / k {
		line := in[i/inner*n*inner+i%inner:]
		taken := make([]bool, n)
		for r := range k {
			best := -1
			for j := range n {
				if !taken[j] && (best < 0 || better(line[j*inner], line[best*inner])) {
					best = j
				}
			}
			taken[best] = true
			out[(i/inner*k+r)*inner+i%inner] = T(best)
		}
	}
}
