package plan

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"secc.example/secc/ir/fn"
)

// headOperator is one operator of a head. It reads arity values (-1: any number from one
// on) of shapes from and makes n elements.
type headOperator struct {
	arity int
	check func(op *HeadOp, from [][]int, n int) error // of shapes and attributes, all that eval relies on
	eval  func(op *HeadOp, from [][]int, in [][]float32, n int) []float32
}

// headOperators is never written to.
var headOperators = map[string]headOperator{
	"const":       {0, checkHeadConst, func(op *HeadOp, _ [][]int, _ [][]float32, _ int) []float32 { return op.Data }},
	"copy":        {-1, checkHeadCopy, evalHeadCopy},
	"reshape":     {1, sameSize, func(_ *HeadOp, _ [][]int, in [][]float32, _ int) []float32 { return in[0] }},
	"func":        {1, checkHeadFunc, evalHeadFunc},
	"clip":        {1, checkHeadClip, evalHeadClip},
	"softmax":     {1, checkHeadSoftmax, evalHeadSoftmax(Softmax)},
	"log_softmax": {1, checkHeadSoftmax, evalHeadSoftmax(LogSoftmax)},
	"sum":         {1, checkHeadReduce, evalHeadReduce},
	"reduce_max":  {1, checkHeadReduce, evalHeadReduce},
	"one_hot":     {1, checkHeadOneHot, evalHeadOneHot},
	"lookup":      {2, checkHeadLookup, evalHeadLookup},
	"add":         ofTwo(func(a, b float32) float32 { return a + b }),
	"sub":         ofTwo(func(a, b float32) float32 { return a - b }),
	"mul":         ofTwo(func(a, b float32) float32 { return a * b }),
	"div":         ofTwo(func(a, b float32) float32 { return a / b }),
	"max":         ofTwo(func(a, b float32) float32 { return max(a, b) }),
	"min":         ofTwo(func(a, b float32) float32 { return min(a, b) }),
}

func checkHeadConst(op *HeadOp, _ [][]int, n int) error {
	if len(op.Data) != n || slices.ContainsFunc(op.Data, func(x float32) bool { return notFinite(float64(x)) }) {
		return fmt.Errorf("%d numbers for shape %v, or not finite", len(op.Data), op.Shape)
	}
	return nil
}

// checkHeadCopy keeps regions inside the values they read and the one they make.
func checkHeadCopy(op *HeadOp, from [][]int, n int) error {
	copied := 0
	for _, r := range op.Regions {
		if r.In < 0 || r.In >= len(from) {
			return fmt.Errorf("a region of value %d of %d", r.In, len(from))
		}
		m, _ := checkShape(from[r.In])
		size, err := r.within(m, n)
		if err != nil {
			return err
		}
		if copied += size; copied > n {
			return errors.New("the regions copy more elements than there are")
		}
	}
	return nil
}

func evalHeadCopy(op *HeadOp, _ [][]int, in [][]float32, n int) []float32 {
	out := slices.Repeat([]float32{float32(op.Alpha)}, n)
	for _, r := range op.Regions {
		r.each(func(src, dst int) { out[dst] = in[r.In][src] })
	}
	return out
}

// sameSize checks an operator that makes as many elements as it reads.
func sameSize(op *HeadOp, from [][]int, n int) error {
	if m, _ := checkShape(from[0]); m != n {
		return fmt.Errorf("%v gives no %v", from[0], op.Shape)
	}
	return nil
}

func checkHeadFunc(op *HeadOp, from [][]int, n int) error {
	if _, ok := op.post().Scalar(); !ok {
		return fmt.Errorf("no function %.40q", op.Name)
	}
	return sameSize(op, from, n)
}

func evalHeadFunc(op *HeadOp, _ [][]int, in [][]float32, _ int) []float32 {
	f, _ := op.post().Scalar()
	return mapped(in[0], func(x float32) float32 { return float32(f(float64(x))) })
}

func checkHeadClip(op *HeadOp, from [][]int, n int) error {
	if op.Alpha > op.Beta {
		return errors.New("bounds that hold nothing")
	}
	return sameSize(op, from, n)
}

func evalHeadClip(op *HeadOp, _ [][]int, in [][]float32, _ int) []float32 {
	low, high := float32(op.Alpha), float32(op.Beta)
	return mapped(in[0], func(x float32) float32 { return min(max(x, low), high) })
}

func checkHeadSoftmax(op *HeadOp, from [][]int, n int) error {
	if len(op.Axes) != 1 || op.Axes[0] < 0 || op.Axes[0] >= len(from[0]) {
		return fmt.Errorf("axes %v of %v", op.Axes, from[0])
	}
	return sameSize(op, from, n)
}

func evalHeadSoftmax(along func(x []float64, shape []int, axis int)) func(*HeadOp, [][]int, [][]float32, int) []float32 {
	return func(op *HeadOp, _ [][]int, in [][]float32, n int) []float32 {
		x := make([]float64, n)
		for i, v := range in[0] {
			x[i] = float64(v)
		}
		along(x, op.Shape, op.Axes[0])
		return narrowed(x)
	}
}

func checkHeadReduce(op *HeadOp, from [][]int, n int) error {
	m, _ := checkShape(from[0])
	for i, a := range op.Axes {
		if a < 0 || a >= len(from[0]) || slices.Contains(op.Axes[:i], a) {
			return fmt.Errorf("axes %v of %v", op.Axes, from[0])
		}
		m /= from[0][a]
	}
	if m != n {
		return fmt.Errorf("%v gives no %v", from[0], op.Shape)
	}
	return nil
}

// evalHeadReduce adds up, or takes the largest, along axes.
func evalHeadReduce(op *HeadOp, from [][]int, in [][]float32, n int) []float32 {
	kept := slices.Clone(from[0])
	for _, a := range op.Axes {
		kept[a] = 1
	}
	sum := op.Op == "sum"
	acc := slices.Repeat([]float64{math.Inf(-1)}, n)
	if sum {
		clear(acc)
	}
	to := stridesTo(kept, from[0])
	walk(from[0], to, to, func(at, i, _ int) {
		if v := float64(in[0][at]); sum {
			acc[i] += v
		} else {
			acc[i] = max(acc[i], v)
		}
	})
	return narrowed(acc)
}

func checkHeadOneHot(op *HeadOp, from [][]int, _ int) error {
	if last := len(op.Shape) - 1; last != len(from[0]) || !slices.Equal(op.Shape[:last], from[0]) {
		return fmt.Errorf("%v gives no one-hot %v", from[0], op.Shape)
	}
	return nil
}

func evalHeadOneHot(op *HeadOp, _ [][]int, in [][]float32, n int) []float32 {
	out, depth := make([]float32, n), op.Shape[len(op.Shape)-1]
	for i, x := range in[0] {
		if at, ok := fn.Row(x, depth, op.FromEnd); ok {
			out[i*depth+at] = 1
		}
	}
	return out
}

func checkHeadLookup(op *HeadOp, from [][]int, _ int) error {
	if table := from[1]; len(table) == 0 || !slices.Equal(op.Shape, slices.Concat(from[0], table[1:])) {
		return fmt.Errorf("%v in a table of %v gives no %v", from[0], table, op.Shape)
	}
	return nil
}

func evalHeadLookup(_ *HeadOp, from [][]int, in [][]float32, n int) []float32 {
	rows, table := from[1][0], in[1]
	out, inner := make([]float32, 0, n), len(table)/rows
	for _, x := range in[0] {
		at, _ := fn.Row(x, rows, true)
		out = append(out, table[at*inner:][:inner]...)
	}
	return out
}

// ofTwo is an operator on pairs of elements.
func ofTwo(f func(a, b float32) float32) headOperator {
	return headOperator{2, checkBroadcast, func(op *HeadOp, from [][]int, in [][]float32, n int) []float32 {
		a, b := stridesTo(from[0], op.Shape), stridesTo(from[1], op.Shape)
		out := make([]float32, n)
		walk(op.Shape, a, b, func(at, i, j int) { out[at] = f(in[0][i], in[1][j]) })
		return out
	}}
}

func checkBroadcast(op *HeadOp, from [][]int, _ int) error {
	if to, ok := broadcast(from[0], from[1]); !ok || !slices.Equal(to, op.Shape) {
		return fmt.Errorf("%v and %v give no %v", from[0], from[1], op.Shape)
	}
	return nil
}

func mapped(x []float32, f func(float32) float32) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = f(v)
	}
	return out
}

func narrowed(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}
