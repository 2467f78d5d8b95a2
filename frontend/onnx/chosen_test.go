package onnx

import (
	"slices"
	"testing"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// Indices that are data choose from tables and from data, along any axis, and negative
// ones count from the end. By hand, with rows [1 2 3] and [4 5 6].
func TestChosenByData(t *testing.T) {
	table := floats("w", []int64{2, 3}, 1, 2, 3, 4, 5, 6)
	data := ir.NewReal([]int{2, 3}, []float32{1, 2, 3, 4, 5, 6})
	for name, c := range map[string]struct {
		op    string
		of    string // w: the table; x: the data
		axis  int
		ids   *num.Tensor
		shape []int
		want  []float32
	}{
		"rows of a table":       {"Gather", "w", 0, ir.NewReal([]int{1, 3}, []float32{1, 0, -1}), []int{1, 3, 3}, []float32{4, 5, 6, 1, 2, 3, 4, 5, 6}},
		"columns of a table":    {"Gather", "w", 1, ir.NewReal([]int{2}, []float32{2, 0}), []int{2, 2}, []float32{3, 1, 6, 4}},
		"rows of data":          {"Gather", "x", 0, ir.NewReal([]int{2}, []float32{1, -2}), []int{2, 3}, []float32{4, 5, 6, 1, 2, 3}},
		"one column of data":    {"Gather", "x", -1, ir.NewReal([]int{}, []float32{-1}), []int{2}, []float32{3, 6}},
		"of each row of data":   {"GatherElements", "x", 1, ir.NewReal([]int{2, 2}, []float32{2, 0, -2, 1}), []int{2, 2}, []float32{3, 1, 5, 5}},
		"of each column":        {"GatherElements", "x", 0, ir.NewReal([]int{1, 2}, []float32{1, 0}), []int{1, 2}, []float32{4, 2}},
		"of each row of tables": {"GatherElements", "w", 1, ir.NewReal([]int{2, 1}, []float32{1, 2}), []int{2, 1}, []float32{2, 6}},
	} {
		m := graphOf(16, value("x", 2, 3), []*onnxpb.Tensor{table}, op(c.op, c.of+" ids", "y", intAttr("axis", c.axis)))
		var dims []int64
		for _, d := range c.ids.Shape {
			dims = append(dims, int64(d))
		}
		ids := value("ids", dims...)
		ids.GetType().GetTensorType().ElemType = int32(Int64)
		m.Graph.Input = append(m.Graph.Input, ids)
		for _, public := range []bool{false, true} {
			published := 0
			g, err := importModel(t, m, Options{PublishEmbedding: public, Published: func(string) { published++ }})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			out, err := ir.Eval(g, []*num.Tensor{data, c.ids}, ir.EvalOptions{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !slices.Equal(out[0].Shape, c.shape) || !slices.Equal(ir.Floats(out[0]), c.want) {
				t.Errorf("%s: %v of shape %v, want %v of %v", name, ir.Floats(out[0]), out[0].Shape, c.want, c.shape)
			}
			if told := public && c.of == "w" && c.op == "Gather"; (published == 1) != told {
				t.Errorf("%s: %d tables are told to become public, want %v", name, published, told)
			}
		}
	}
}
