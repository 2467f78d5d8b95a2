package main

import (
	"bytes"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
)

// Scores behind a sigmoid are findings, each by itself; after a softmax they are classes.
func TestFindings(t *testing.T) {
	for _, c := range []struct {
		post []plan.PostOp
		want bool
	}{
		{[]plan.PostOp{{Op: "func", Name: "sigmoid"}, {Op: "reshape"}}, true},
		{[]plan.PostOp{{Op: "softmax"}}, false},
		{[]plan.PostOp{{Op: "func", Name: "sigmoid"}, {Op: "func", Name: "affine"}}, false},
		{nil, false},
	} {
		if got := findings(&plan.Plan{Reveal: plan.RevealValues, Outputs: []plan.Output{{Post: c.post}}}); got != c.want {
			t.Errorf("%v: findings = %v", c.post, got)
		}
	}
	var b bytes.Buffer
	r := &plan.Report{Findings: true, Labels: []plan.LabelScore{{Label: "Edema", Score: 0.875}, {Index: 3, Score: 0.01}}}
	if err := printAnswer(&b, r); err != nil || !strings.Contains(b.String(), " 87.5 %  Edema\n") || !strings.Contains(b.String(), "  1.0 %  class 3\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
