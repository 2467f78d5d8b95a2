package ir

import "secc.example/secc/ir/num"

// poolLines splits a pool into one line a spatial dimension: sums and maxima
// are separable.
func poolLines(x []int, a *PoolAttrs, out []int) []num.Line {
	ls := make([]num.Line, len(x))
	for d := range x {
		ls[d] = num.Line{N: x[d], Out: out[d], Kernel: a.Kernel[d], Stride: a.Strides[d], Dilation: a.Dilations[d], Before: a.PadsBegin[d]}
	}
	return ls
}

// foldWindows folds along every spatial dimension, the last one first.
func foldWindows[T num.Number](v *Value, in, out []T, f num.Fold[T]) {
	shape := v.Args[0].Type.Shape
	ls := poolLines(shape[2:], v.Attrs.(*PoolAttrs), v.Type.Shape[2:])
	outer, inner := Numel(shape[:len(shape)-1]), 1
	s := num.Slider[T]{Fold: f}
	for d := len(ls) - 1; d >= 0; d-- {
		to := out
		if d > 0 {
			to = make([]T, outer*ls[d].Out*inner)
		}
		s.Slide(to, in, outer, inner, ls[d])
		in = to
		inner *= ls[d].Out
		if d > 0 {
			outer /= ls[d-1].N
		}
	}
	if len(ls) == 0 {
		copy(out, in)
	}
}

// foldAxes reduces along axes (sorted), the last one first.
func foldAxes[T num.Number](v *Value, in, out []T, f num.Fold[T]) {
	shape := append([]int{}, v.Args[0].Type.Shape...)
	axes := v.Attrs.(*ReduceAttrs).Axes
	s := num.Slider[T]{Fold: f}
	for i := len(axes) - 1; i >= 0; i-- {
		d := axes[i]
		n, outer, inner := shape[d], Numel(shape[:d]), Numel(shape[d+1:])
		to := out
		if i > 0 {
			to = make([]T, outer*inner)
		}
		s.Slide(to, in, outer, inner, num.Line{N: n, Out: 1, Kernel: n, Stride: 1, Dilation: 1})
		in = to
		shape[d] = 1
	}
	if len(axes) == 0 {
		copy(out, in)
	}
}

// argMax writes the indices of the K largest elements along an axis;
// better(x, best) says whether a later element x displaces the best so far.
func argMax[T num.Number](v *Value, in, out []T, better func(x, best T) bool) {
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
