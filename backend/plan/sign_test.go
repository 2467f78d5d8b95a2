package plan_test

import (
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
)

// A plan of a stranger's that compares by trees which no party lays out is none.
func TestTreesAreChecked(t *testing.T) {
	flat := plan.SlotType{Shape: []int{4}, Bits: 16, Frac: 9}
	for _, c := range []struct {
		want string
		tree wire.Tree
	}{
		{"", wire.Tree{Leaf: 3, Arity: 3}},
		{"leaves of 0 bits", wire.Tree{}},
		{"leaves of 6 bits", wire.Tree{Leaf: wire.MaxLeaf + 1}},
		{"joins of 1", wire.Tree{Leaf: 3, Arity: 1}},
		{"joins of 4", wire.Tree{Leaf: 3, Arity: wire.MaxArity + 1}},
		{"joins of 3 (ripple true)", wire.Tree{Leaf: 3, Arity: 3, Ripple: true}},
		{"leaves that cross", wire.Tree{Leaf: 2, Arity: 2, Cross: true}},
	} {
		p := plan.OneStep(flat, flat, plan.Step{Proto: plan.ProtoRelu, Attrs: &plan.Relu{Sign: plan.Sign{Bits: 16, Hi: 16, Tree: c.tree}}})
		err := p.Validate()
		if c.want == "" && (err == nil || strings.Contains(err.Error(), "OT")) || c.want != "" && err != nil && strings.Contains(err.Error(), c.want) {
			continue
		}
		t.Errorf("%+v: want %q, got %v", c.tree, c.want, err)
	}
}
