package ir

import (
	"math"

	"secc.example/secc/ir/fn"
	"secc.example/secc/ir/num"
)

// The meaning of every operator on real numbers, as float32 arrays. out holds
// anything; in and out have the shapes of the value's types.

func realStructural(v *Value, in [][]float32, out []float32, _ int) {
	var fill float32
	if a, ok := v.Attrs.(*PadAttrs); ok {
		fill = float32(a.Value)
	}
	evalStructural(v, in, out, fill)
}

func realConv(v *Value, in [][]float32, out []float32, workers int) {
	fillBias(v, in, out)
	evalConv(v, in, out, num.MicroFloat(), nil, workers)
}

func realMatMul(v *Value, in [][]float32, out []float32, workers int) {
	fillBias(v, in, out)
	evalMatMul(v, in, out, num.MicroFloat(), workers)
}

func realBatchNorm(v *Value, in [][]float32, out []float32, _ int) {
	c, inner := v.Type.Shape[1], Numel(v.Type.Shape[2:])
	for at := 0; at < len(out); at += inner {
		scale, shift := in[1][at/inner%c], in[2][at/inner%c]
		row := out[at : at+inner]
		for i, x := range in[0][at : at+inner] {
			row[i] = x*scale + shift
		}
	}
}

func realMul(v *Value, in [][]float32, out []float32, _ int) {
	elementwise(v, in, out, func(a, b float32) float32 { return a * b })
}

func realAdd(v *Value, in [][]float32, out []float32, _ int) { sum(v, in, out, 1) }

func realSub(v *Value, in [][]float32, out []float32, _ int) { sum(v, in, out, -1) }

func realDiv(v *Value, in [][]float32, out []float32, _ int) {
	elementwise(v, in, out, func(a, b float32) float32 { return a / b })
}

func realMax(v *Value, in [][]float32, out []float32, _ int) {
	elementwise(v, in, out, func(a, b float32) float32 { return larger(a, b) })
}

func realMin(v *Value, in [][]float32, out []float32, _ int) {
	elementwise(v, in, out, func(a, b float32) float32 { return -larger(-a, -b) })
}

// larger is the maximum; NaN wins, as in numpy.
func larger(a, b float32) float32 {
	if a > b || a != a {
		return a
	}
	return b
}

func largestFold(acc, x []float32, step, _, _ int) {
	for i, a := range acc {
		acc[i] = larger(a, x[i*step])
	}
}

func realNeg(_ *Value, in [][]float32, out []float32, _ int) {
	for i, x := range in[0] {
		out[i] = -x
	}
}

func realAbs(_ *Value, in [][]float32, out []float32, _ int) {
	for i, x := range in[0] {
		out[i] = float32(math.Abs(float64(x)))
	}
}

func realRelu(v *Value, in [][]float32, out []float32, _ int) {
	if len(in) == 1 {
		reluRow(out, in[0], 0)
		return
	}
	c, inner := v.Type.Shape[1], Numel(v.Type.Shape[2:])
	for at := 0; at < len(out); at += inner {
		var flip int32
		if in[1][at/inner%c] != 0 {
			flip = -1
		}
		reluRow(out[at:at+inner], in[0][at:at+inner], flip)
	}
}

// reluRow keeps numbers whose sign is plus, or, with a flip of -1, minus; what is
// no number stays. It does not branch: signs are hard to predict.
func reluRow(out, in []float32, flip int32) {
	for i, x := range in {
		b := math.Float32bits(x)
		drop := int32(b)>>31 ^ flip
		number := ^(int32(0x7f800000-b&0x7fffffff) >> 31)
		out[i] = math.Float32frombits(b &^ uint32(drop&number))
	}
}

func realPRelu(v *Value, in [][]float32, out []float32, _ int) {
	slope := spread(v.Type.Shape, in[1], v.Args[1].Type.Shape)
	for i, x := range in[0] {
		if x < 0 {
			x *= slope[i]
		}
		out[i] = x
	}
}

func realClip(v *Value, in [][]float32, out []float32, _ int) {
	a := v.Attrs.(*ClipAttrs)
	low, high := float32(a.Min), float32(a.Max)
	for i, x := range in[0] {
		out[i] = min(max(x, low), high)
	}
}

func realFuncOp(v *Value, in [][]float32, out []float32, workers int) {
	f, _ := v.Attrs.(*FuncAttrs).Func()
	num.Parallel(len(out), workers, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			out[i] = float32(f(float64(in[0][i])))
		}
	})
}

func realMaxPool(v *Value, in [][]float32, out []float32, _ int) {
	foldWindows(v, in[0], out, largestFold)
}

func realSumPool(v *Value, in [][]float32, out []float32, _ int) {
	foldWindows(v, in[0], out, num.Sum)
}

func realAvgPool(v *Value, in [][]float32, out []float32, workers int) {
	realSumPool(v, in, out, workers)
	counts := windowCounts(v)
	for i := range out {
		out[i] /= counts[i%len(counts)]
	}
}

// windowCounts gives the divisor of an average at every output position.
func windowCounts(v *Value) []float32 {
	a := v.Attrs.(*PoolAttrs)
	counts := []float32{1}
	for d, l := range poolLines(v.Args[0].Type.Shape[2:], a, v.Type.Shape[2:]) {
		if a.CountIncludePad { // the pads count as elements
			l.N += l.Before + a.PadsEnd[d]
			l.Before = 0
		}
		next := make([]float32, 0, len(counts)*l.Out)
		for _, c := range counts {
			for j := range l.Out {
				t0, t1 := l.Inside(j)
				next = append(next, c*float32(max(1, t1-t0)))
			}
		}
		counts = next
	}
	return counts
}

// realSum accumulates in double precision: normalisations depend on it.
func realSum(v *Value, in [][]float32, out []float32, _ int) {
	wide := make([]float64, len(in[0]))
	for i, x := range in[0] {
		wide[i] = float64(x)
	}
	sums := make([]float64, len(out))
	foldAxes(v, wide, sums, num.Sum)
	for i, x := range sums {
		out[i] = float32(x)
	}
}

func realReduceMax(v *Value, in [][]float32, out []float32, _ int) {
	foldAxes(v, in[0], out, largestFold)
}

func realArgMax(v *Value, in [][]float32, out []float32, _ int) {
	last := v.Attrs.(*ReduceAttrs).Last
	argMax(v, in[0], out, func(x, best float32) bool { return x > best || last && x == best })
}

func realOneHot(v *Value, in [][]float32, out []float32, _ int) {
	a := v.Attrs.(*OneHotAttrs)
	clear(out)
	for i, x := range in[0] {
		if at, ok := fn.Row(x, a.Depth, a.FromEnd); ok {
			out[i*a.Depth+at] = 1
		}
	}
}

func realLookup(v *Value, in [][]float32, out []float32, _ int) {
	rows := v.Args[1].Type.Shape[0]
	inner := len(in[1]) / rows
	clear(out)
	for i, x := range in[0] {
		if at, ok := fn.Row(x, rows, true); ok {
			copy(out[i*inner:][:inner], in[1][at*inner:])
		}
	}
}

func realSoftmax(v *Value, in [][]float32, out []float32, _ int) {
	shape, d := v.Type.Shape, v.Attrs.(*AxisAttrs).Axis
	n, inner := shape[d], Numel(shape[d+1:])
	for o := range Numel(shape[:d]) {
		for i := range inner {
			softmaxLine(in[0][o*n*inner+i:], out[o*n*inner+i:], n, inner, v.Op == OpLogSoftmax)
		}
	}
}

func softmaxLine(in, out []float32, n, step int, log bool) {
	top, sum := math.Inf(-1), 0.0
	for j := range n {
		top = math.Max(top, float64(in[j*step]))
	}
	for j := range n {
		sum += math.Exp(float64(in[j*step]) - top)
	}
	for j := range n {
		x := float64(in[j*step]) - top
		if log {
			out[j*step] = float32(x - math.Log(sum))
		} else {
			out[j*step] = float32(math.Exp(x) / sum)
		}
	}
}
