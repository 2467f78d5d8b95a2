package onnx_test

import (
	"testing"

	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
	"secc.example/secc/ir/fn"
)

// Every function of the IR is written as ONNX and read back as the same function.
func TestEveryFunctionIsExported(t *testing.T) {
	x := []float32{-3, -1.25, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 3}
	for _, name := range fn.Names() {
		g := &ir.Graph{}
		in, err := g.Input("x", []int{1, len(x)})
		if err != nil {
			t.Fatal(err)
		}
		y, err := g.New(ir.OpFunc, "f", &ir.FuncAttrs{Name: name, Alpha: 0.75, Beta: 0.25}, in)
		if err != nil {
			t.Fatal(err)
		}
		g.Outputs, g.OutputNames = []*ir.Value{y}, []string{"y"}
		if _, err := onnx.Export(g, onnx.ExportOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := evaluate(t, g, [][]float32{x})[0]
		got := evaluate(t, again(t, g, onnx.ExportOptions{}), [][]float32{x})[0]
		for i := range x {
			if name == "exp_nonpos" && x[i] > 0 {
				continue // it is exp of arguments that are at most zero
			}
			same := got[i] == want[i] || got[i] != got[i] && want[i] != want[i]
			if d := got[i] - want[i]; !same && !(d < 1e-5 && d > -1e-5) {
				t.Errorf("%s(%g) was %g, is %g when read back", name, x[i], want[i], got[i])
			}
		}
	}
}
