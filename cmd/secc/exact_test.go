package main

import (
	"slices"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/secc/internal/evaluate"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// In exact mode nothing is left to chance: every value of a secure run is that
// of the simulation, bit for bit, through whole networks.
func TestExactRunIsTheSimulationEverywhere(t *testing.T) {
	checkExact(t, "mnist_cntk_8", "resnet20_cifar10")
}

func checkExact(t *testing.T, networks ...string) {
	t.Helper()
	for _, name := range networks {
		n := loadNetwork(t, name, compileFlags{truncation: "exact", target: "cost"})
		if got := evaluate.FormatsOf(n.Fixed).Dropped.Max; got != 0 {
			t.Errorf("%s: signs leave out up to %d low bits", name, got)
		}
		in := []*num.Tensor{ir.NewReal(n.want.Shape, n.cases[0])}
		want, output := simulatedInts(t, n.Fixed, in)
		s, err := evaluate.Of(n.Result)
		if err != nil {
			t.Fatal(err)
		}
		got, out, err := s.SecureSlots(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		compareSteps(t, name, n.Plan, got, want)
		if !slices.Equal(out, output) {
			t.Errorf("%s: output %v, the simulation gives %v", name, out, output)
		}
	}
}

// simulatedInts gives all shared values, in the order they are computed, and
// the first output. Every value must keep its promised range: beyond it the
// protocols promise nothing.
func simulatedInts(t *testing.T, g *ir.Graph, in []*num.Tensor) (all map[evaluate.Operator][][]int64, output []float32) {
	t.Helper()
	all = map[evaluate.Operator][][]int64{}
	r, err := ir.Simulate(g, in, ir.SimOptions{Rounding: ir.Nearest, Observe: func(v *ir.Value, x *ir.FixedTensor) {
		if v.Type.Holder == ir.Shared && v.Op != ir.OpReshape { // a reshape is no step: its result is its argument
			k := evaluate.Operator{Op: string(v.Op), Name: v.Name}
			all[k] = append(all[k], slices.Clone(x.Ints))
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for v, use := range r.Ranges {
		if use.Over > 0 {
			t.Fatalf("%s %q leaves its range: %v", v.Op, v.Name, use)
		}
	}
	return all, r.Outputs[0].Floats()
}

// compareSteps pairs every step's result with the simulation's of the same
// operator and name, in order where there are several.
func compareSteps(t *testing.T, name string, p *plan.Plan, got map[plan.Slot][]int64, want map[evaluate.Operator][][]int64) {
	t.Helper()
	elements, operators := 0, map[string]int{}
	var wide [][]int64 // results of relus that stand for the extensions after them
	for _, step := range p.Steps() {
		k := evaluate.Operator{Op: step.Op, Name: step.Name}
		x := got[step.Out[0]]
		if len(x) == 0 || len(want[k]) == 0 {
			continue
		}
		y := want[k][0]
		want[k] = want[k][1:]
		if r, ok := step.Attrs.(*plan.Relu); ok && r.ExtendTo > 0 {
			wide = append(wide, x)
		}
		if !slices.Equal(x, y) {
			t.Errorf("%s: %s %q (%s): %d of %d elements differ from the simulation", name, step.Op, step.Name, step.Proto, differing(x, y), len(y))
		}
		elements += len(x)
		operators[step.Op]++
	}
	for k, left := range want {
		covered := func(x []int64) bool {
			return slices.ContainsFunc(wide, func(y []int64) bool { return slices.Equal(x, y) })
		}
		if k.Op == string(ir.OpExtend) {
			left = slices.DeleteFunc(left, covered)
		}
		if len(left) > 0 {
			t.Errorf("%s: no step computes %s %q", name, k.Op, k.Name)
		}
	}
	t.Logf("%s: %d elements of %v compared", name, elements, operators)
}

func differing(x, y []int64) (n int) {
	if len(x) != len(y) {
		return max(len(x), len(y))
	}
	for i := range x {
		if x[i] != y[i] {
			n++
		}
	}
	return n
}
