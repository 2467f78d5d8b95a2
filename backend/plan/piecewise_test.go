package plan_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
)

func TestValidateRefusesPiecewise(t *testing.T) {
	flat := plan.SlotType{[]int{4}, 16, 9}
	good := choose.FitPiecewise(math.Tanh, flat, flat, 40)
	for _, c := range []struct {
		want string
		bend func(f *plan.Func)
	}{
		{"", func(*plan.Func) {}},
		{"and not both", func(f *plan.Func) { f.Spline = &plan.Spline{Slope: []int64{0}, Offset: []int64{0}} }},
		{"and not both", func(f *plan.Func) { f.Piecewise = nil }},
		{"an error of", func(f *plan.Func) { f.Piecewise.Error = math.NaN() }},
		{"leaves of 2 bits", func(f *plan.Func) { f.Leaf = 2 }},
		{"15 bits for an argument of 16", func(f *plan.Func) { f.Piecewise.Bits = 15 }},
		{"segments named by bits", func(f *plan.Func) { f.Piecewise.Low = 14 }},
		{"segments named by bits", func(f *plan.Func) { f.Piecewise.Low = -1 }},
		{"leaves of 6 bits", func(f *plan.Func) { f.Piecewise.Leaf = 6 }},
		{"joins of 4", func(f *plan.Func) { f.Piecewise.Arity = 4 }},
		{"results of 17 bits", func(f *plan.Func) { f.Piecewise.Out = 17 }},
		{"results of 16 bits with 60", func(f *plan.Func) { f.Piecewise.Frac = 60 }},
		{"a gate", func(f *plan.Func) { f.Piecewise.Gate = 1 << 20 }},
		{"that cross", func(f *plan.Func) { f.Piecewise.Leaf, f.Piecewise.Cross = 1, true }},
		{"a number of", func(f *plan.Func) { f.Piecewise.Beyond[1] = 1 << 50 }},
		{"lines in a ring of 40", func(f *plan.Func) { f.Piecewise.Ring = 40 }},
		{"slopes of 60 bits", func(f *plan.Func) { f.Piecewise.SlopeBits = 60 }},
		{"offsets of 60 bits", func(f *plan.Func) { f.Piecewise.OffsetBits = 60 }},
		{"0 terms", func(f *plan.Func) { f.Piecewise.Terms = nil }},
		{"5000 terms", func(f *plan.Func) { f.Piecewise.Terms = make([]wire.Term, 5000) }},
		{"a term out of range", func(f *plan.Func) { f.Piecewise.Terms[1].Bits = 1 << 30 }},
		{"a term out of range", func(f *plan.Func) { f.Piecewise.Terms[2].Bits = f.Piecewise.Terms[1].Bits }},
		{"a term out of range", func(f *plan.Func) { f.Piecewise.Terms[0].Slope = 1 << 40 }},
	} {
		lines := *good
		lines.Terms = slices.Clone(good.Terms)
		f := &plan.Func{Name: "tanh", Piecewise: &lines}
		c.bend(f)
		p := plan.OneStep(flat, flat, plan.Step{Proto: plan.ProtoFunc, Attrs: f})
		err := p.Validate()
		if c.want == "" && err == nil || err != nil && c.want != "" && strings.Contains(err.Error(), c.want) {
			continue
		}
		if c.want == "" && strings.Contains(err.Error(), "OT") {
			continue // the plan has no OTs chosen; the step itself is legal
		}
		t.Errorf("want %q, got %v", c.want, err)
	}
}
