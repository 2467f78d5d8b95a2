package main

import (
	"math"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/fn"
	"secc.example/secc/runtime"
)

// What the client computes in the clear at the end is what the IR means by the same
// names, parameters included.
func TestClientFunctionsAreTheIRs(t *testing.T) {
	const frac = 12
	x := []float64{-3, -1.25, -0.5, 0, 0.25, 0.75, 1, 2.5}
	vec := make(runtime.Vec, len(x))
	for i, v := range x {
		vec[i] = uint64(int64(math.Ldexp(v, frac))) & (1<<32 - 1)
	}
	for _, name := range fn.Names() {
		want, _ := (&ir.FuncAttrs{Name: name, Alpha: 0.5, Beta: 0.25}).Func()
		p := &plan.Plan{
			Slots:   []plan.SlotType{{Shape: []int{len(x)}, Bits: 32, Frac: frac}},
			Outputs: []plan.Output{{Shape: []int{len(x)}, Post: []plan.PostOp{{Op: "func", Name: name, Alpha: 0.5, Beta: 0.25}}}},
		}
		got, err := runtime.Decode(p, []runtime.Vec{vec})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, v := range x {
			w, g := want(v), float64(got[0].Values[i])
			if g != w && !(math.Abs(g-w) <= 1e-6*math.Abs(w)) && !(math.IsNaN(g) && math.IsNaN(w)) {
				t.Errorf("%s(%g) is %g, want %g", name, v, g, w)
			}
		}
	}
}
