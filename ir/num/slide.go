package num

// Line is a window sliding along one dimension of n elements.
type Line struct{ N, Out, Kernel, Stride, Dilation, Before int }

// Inside gives the taps [t0, t1) of the window at position j that lie on elements.
func (l Line) Inside(j int) (t0, t1 int) {
	start := j*l.Stride - l.Before
	if start < 0 {
		t0 = (-start + l.Dilation - 1) / l.Dilation
	}
	t1 = l.Kernel
	if last := start + (l.Kernel-1)*l.Dilation; last >= l.N {
		t1 = max(0, (l.N-1-start)/l.Dilation+1)
		if start >= l.N {
			t1 = 0
		}
	}
	return min(t0, l.Kernel), t1
}

// NeverEmpty reports whether every window holds at least one element. Where a
// window's first tap in range is sure to be an element, the first and the last
// window decide.
func (l Line) NeverEmpty() bool {
	if l.Before > (l.Kernel-1)*l.Dilation || (l.Out-1)*l.Stride-l.Before >= l.N {
		return false
	}
	if l.Dilation <= l.N {
		return true
	}
	for j := range min(l.Out, l.Before/l.Stride+1) {
		if t0, t1 := l.Inside(j); t0 >= t1 {
			return false
		}
	}
	return true
}

// Fold combines results with further elements: acc[i] with x[i*step], in place.
// It is combination number n+i*dn of the operator.
type Fold[T Number] func(acc, x []T, step, n, dn int)

// Slider folds along one dimension after the other, and counts the combinations:
// by result, tap and place in what is inside, in this order.
type Slider[T Number] struct {
	Fold Fold[T]
	n    int // combinations before this dimension
}

// Slide folds in, seen as [outer][n][inner], along its middle dimension: every
// result is its first element combined with the others in order. A window that
// holds nothing gives zero.
func (s *Slider[T]) Slide(out, in []T, outer, inner int, l Line) {
	runs, each := l.runs()
	for o := range outer {
		src, dst := in[o*l.N*inner:][:l.N*inner], out[o*l.Out*inner:][:l.Out*inner]
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
func (l Line) runs() (rs []run, each int) {
	for j := range l.Out {
		t0, t1 := l.Inside(j)
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
func (s *Slider[T]) run(dst, src []T, inner int, l Line, r run) {
	if r.t0 >= r.t1 {
		clear(dst[r.j0*inner : r.j1*inner])
		return
	}
	taps := r.t1 - r.t0 - 1
	if inner == 1 {
		acc := dst[r.j0:r.j1]
		first := src[r.j0*l.Stride-l.Before+r.t0*l.Dilation:]
		for i := range acc {
			acc[i] = first[i*l.Stride]
		}
		for t := range taps {
			s.Fold(acc, first[(t+1)*l.Dilation:], l.Stride, s.n+r.before+t, taps)
		}
		return
	}
	for j := r.j0; j < r.j1; j++ {
		acc := dst[j*inner:][:inner]
		first := src[(j*l.Stride-l.Before+r.t0*l.Dilation)*inner:]
		copy(acc, first)
		for t := range taps {
			s.Fold(acc, first[(t+1)*l.Dilation*inner:], 1, s.n+(r.before+(j-r.j0)*taps+t)*inner, 1)
		}
	}
}

// Sum adds.
func Sum[T Number](acc, x []T, step, _, _ int) {
	for i := range acc {
		acc[i] += x[i*step]
	}
}
