package passes

import (
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// A product takes its input for the client's own only where the server has no share of
// it: padding with zeros keeps it so, padding with a number gives the server one. A plan
// that says otherwise computes something else, and is refused.
func TestProductsKnowWhoHoldsTheirInput(t *testing.T) {
	for _, fill := range []float64{0, 0.5} {
		b := newBuilder(t)
		pad := &ir.PadAttrs{Before: []int{0, 0, 1, 1}, After: []int{0, 0, 1, 1}, Value: fill}
		b.g.Outputs = []*ir.Value{b.conv(b.op(ir.OpPad, pad, b.input(1, 2, 5, 5)), 3, 3, 1, 0)}
		made, err := Compile(b.g, Options{Calibration: b.samples(16)})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range made.Plan.Steps() {
			if s.Proto != plan.ProtoLinearRLWE {
				continue
			}
			if own := fill == 0; s.Linear().ClientInput != own {
				t.Errorf("padded by %g: the client's own: %v", fill, s.Linear().ClientInput)
			}
			s.Linear().ClientInput = true
		}
		if err := made.Plan.Validate(); (err != nil) != (fill != 0) || err != nil && !strings.Contains(err.Error(), "the server has a share of") {
			t.Errorf("padded by %g, taken for the client's own: %v", fill, err)
		}
	}
}
