package main

import (
	"bytes"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
)

// answered prints the answer of a plan with one slot behind each output.
func answered(t *testing.T, p *plan.Plan, labels []string, values ...[]float32) string {
	t.Helper()
	r := new(plan.Report)
	for i, v := range values {
		r.Outputs = append(r.Outputs, plan.OutputValues{Name: p.Outputs[i].Name, Shape: p.Outputs[i].Shape, Values: v})
	}
	answer.Fill(r, p, labels, answer.Most{Classes: 5, AllFindings: true})
	var b bytes.Buffer
	if err := answer.Print(&b, r); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	return strings.Join(lines[:len(lines)-1], "\n") // without what the run took
}

// What an output means decides how it is printed: percent behind a sigmoid or a
// softmax, the class behind an argmax, every output, every input of a batch.
func TestPrintedAnswers(t *testing.T) {
	sigmoid, softmax := plan.PostOp{Op: "func", Name: "sigmoid"}, plan.PostOp{Op: "softmax", Axis: 1}
	in := []plan.Input{{Name: "x", Shape: []int{1, 4}}}
	two := []plan.Input{{Name: "x", Shape: []int{2, 4}}}
	out := func(name string, shape []int, post ...plan.PostOp) plan.Output {
		return plan.Output{Name: name, Shape: shape, Post: post, Slot: 9}
	}
	for name, c := range map[string]struct {
		p      *plan.Plan
		labels []string
		values [][]float32
		want   string
	}{
		"findings": {&plan.Plan{Inputs: in, Outputs: []plan.Output{out("y", []int{1, 2}, sigmoid, plan.PostOp{Op: "reshape"})}}, []string{"Edema", "Mass"},
			[][]float32{{0.01, 0.875}}, " 87.5 %  Mass\n  1.0 %  Edema"},
		"findings without labels": {&plan.Plan{Inputs: in, Outputs: []plan.Output{out("y", []int{1, 1}, sigmoid)}}, nil, [][]float32{{0.25}}, " 25.0 %  class 0"},
		"scores":                  {&plan.Plan{Inputs: in, Outputs: []plan.Output{out("y", []int{1, 2}, sigmoid, plan.PostOp{Op: "func", Name: "affine"})}}, nil, [][]float32{{1, 2}}, " 1. class 1                           2.00000\n 2. class 0                           1.00000"},
		"softmax":                 {&plan.Plan{Inputs: in, Outputs: []plan.Output{out("y", []int{1, 2}, softmax)}}, []string{"cat", "dog"}, [][]float32{{0.25, 0.75}}, " 1. dog                                75.0 %\n 2. cat                                25.0 %"},
		"two outputs": {&plan.Plan{Inputs: in, Outputs: []plan.Output{out("y", []int{1, 2}, softmax), out("box", []int{1, 2, 2})}}, []string{"cat", "dog"},
			[][]float32{{0.25, 0.75}, {1, 2, 3, 4}}, "output y [1 2]:\n 1. dog                                75.0 %\n 2. cat                                25.0 %\noutput box [1 2 2]:\n1 2 3 4"},
		"batch": {&plan.Plan{Inputs: two, Outputs: []plan.Output{out("y", []int{2, 2}, softmax)}}, []string{"cat", "dog"}, [][]float32{{0.25, 0.75, 1, 0}},
			"input 1:\n 1. dog                                75.0 %\n 2. cat                                25.0 %\ninput 2:\n 1. cat                               100.0 %\n 2. dog                                 0.0 %"},
		"argmax in the graph": {argmaxPlan(1, 3), []string{"a", "b", "c"}, [][]float32{{2}}, " 1. c"},
		"argmax of places":    {argmaxPlan(4, 3), []string{"a", "b", "c"}, [][]float32{{2, 2, 0, 2}}, " 75.0 % of the places: c\n 25.0 % of the places: a"},
	} {
		if got := answered(t, c.p, c.labels, c.values...); got != strings.TrimSpace(c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
		if err := checkLabels(c.p, c.labels); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := checkLabels(c.p, []string{"1", "2", "3", "4", "5"}); exitCode(err) != exitUsage || hintOf(err) == "" {
			t.Errorf("%s: five labels: %v", name, err)
		}
	}
}

// argmaxPlan reveals the index of the largest of each of some rows.
func argmaxPlan(rows, classes int) *plan.Plan {
	return &plan.Plan{
		Inputs: []plan.Input{{Name: "x", Shape: []int{1, rows * classes}}},
		Slots:  []plan.SlotType{{Shape: []int{rows, classes}}, {Shape: []int{rows, 1}}, {Shape: []int{rows}}, {Shape: []int{rows}}},
		Rounds: [][]plan.Step{{
			{Proto: plan.ProtoArgMax, In: []plan.Slot{0}, Out: []plan.Slot{1}, Attrs: &plan.ArgMax{K: 1}},
			{Proto: plan.ProtoCopy, In: []plan.Slot{1}, Out: []plan.Slot{2}},
			{Proto: plan.ProtoReveal, In: []plan.Slot{2}, Out: []plan.Slot{3}},
		}},
		Outputs: []plan.Output{{Name: "y", Shape: []int{rows}, Slot: 3}},
	}
}
