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

// fold combines results with further elements: acc[i] with x[i*step], in place.
// It is combination number n+i*dn of the operator.
type fold[T number] func(acc, x []T, step, n, dn int)

// slider folds along one dimension after the other, and counts the combinations:
// by result, tap and place in what is inside, in this order.
type slider[T number] struct {
	fold fold[T]
	n    int // combinations before this dimension
}

// slide folds in, seen as [outer][n][inner], along its middle dimension: every
// result is its first element combined with the others in order. A window that
// holds nothing gives zero.
func (s *slider[T]) slide(out, in []T, outer, inner int, l line) {
	runs, each := l.runs()
	for o := range outer {
		src, dst := in[o*l.n*inner:][:l.n*inner], out[o*l.out*inner:][:l.out*inner]
		for _, r := range runs {
			s.run(dst, src, inner, l, r)
		}
		s.n += each * inner
	}
}

// run is a row of windows [j0, j1) that hold the same taps [t0, t1); before
// counts the combinations in windows ahead of it.
type run struct{ j0, j1, t0, t1, before int }

// runs cuts the windows into runs; each is the number of combinations in all.
func (l line) runs() (rs []run, each int) {
	for j := range l.out {
		t0, t1 := l.inside(j)
		if last := len(rs) - 1; last >= 0 && rs[last].t0 == t0 && rs[last].t1 == t1 {
			rs[last].j1 = j + 1
		} else {
			rs = append(rs, run{j, j + 1, t0, t1, each})
		}
		each += max(0, t1-t0-1)
	}
	return rs, each
}

// run folds the windows of a run: a row of results at once where there is
// nothing inside, else one after the other.
func (s *slider[T]) run(dst, src []T, inner int, l line, r run) {
	if r.t0 >= r.t1 {
		clear(dst[r.j0*inner : r.j1*inner])
		return
	}
	taps := r.t1 - r.t0 - 1
	if inner == 1 {
		acc := dst[r.j0:r.j1]
		first := src[r.j0*l.stride-l.before+r.t0*l.dilation:]
		for i := range acc {
			acc[i] = first[i*l.stride]
		}
		for t := range taps {
			s.fold(acc, first[(t+1)*l.dilation:], l.stride, s.n+r.before+t, taps)
		}
		return
	}
	for j := r.j0; j < r.j1; j++ {
		acc := dst[j*inner:][:inner]
		first := src[(j*l.stride-l.before+r.t0*l.dilation)*inner:]
		copy(acc, first)
		for t := range taps {
			s.fold(acc, first[(t+1)*l.dilation*inner:], 1, s.n+(r.before+(j-r.j0)*taps+t)*inner, 1)
		}
	}
}

// foldWindows folds along every spatial dimension, the last one first.
func foldWindows[T number](v *Value, in, out []T, f fold[T]) {
	shape := v.Args[0].Type.Shape
	ls := poolLines(shape[2:], v.Attrs.(*PoolAttrs), v.Type.Shape[2:])
	outer, inner := Numel(shape[:len(shape)-1]), 1
	s := slider[T]{fold: f}
	for d := len(ls) - 1; d >= 0; d-- {
		to := out
		if d > 0 {
			to = make([]T, outer*ls[d].out*inner)
		}
		s.slide(to, in, outer, inner, ls[d])
		in = to
		inner *= ls[d].out
		if d > 0 {
			outer /= ls[d-1].n
		}
	}
	if len(ls) == 0 {
		copy(out, in)
	}
}

// foldAxes reduces along axes (sorted), the last one first.
func foldAxes[T number](v *Value, in, out []T, f fold[T]) {
	shape := append([]int{}, v.Args[0].Type.Shape...)
	axes := v.Attrs.(*ReduceAttrs).Axes
	s := slider[T]{fold: f}
	for i := len(axes) - 1; i >= 0; i-- {
		d := axes[i]
		n, outer, inner := shape[d], Numel(shape[:d]), Numel(shape[d+1:])
		to := out
		if i > 0 {
			to = make([]T, outer*inner)
		}
		s.slide(to, in, outer, inner, line{n: n, out: 1, kernel: n, stride: 1, dilation: 1})
		in = to
		shape[d] = 1
	}
	if len(axes) == 0 {
		copy(out, in)
	}
}

// sumFold adds.
func sumFold[T number](acc, x []T, step, _, _ int) {
	for i := range acc {
		acc[i] += x[i*step]
	}
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
