package backend

import (
	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// Tiled reports a convolution between Winograd's transforms.
func Tiled(v *ir.Value) bool { return v.Op == ir.OpConv && v.Args[0].Op == ir.OpTileIn }

// overOT gives a convolution's description over OT. The digits of its weights
// are public: one range for all of them, but one for each place in a tile
// between Winograd's transforms, where the ranges differ by design.
func overOT(v *ir.Value, l *plan.Linear) *plan.Linear {
	groups := 1
	if Tiled(v) {
		groups = l.G
	}
	return l.AsOT(plan.DigitsOf(v.Args[1].Attrs.(*ir.ConstAttrs).Ints, groups, l.InBits))
}

// CheaperOverOT says which convolutions take fewer seconds over OT than over
// RLWE under the profile. Those that stay share the keys of a session; if all of
// them together are not worth these, none stays. stop (may be nil) is asked on the way.
func CheaperOverOT(convs []*ir.Value, p choose.Profile, stop func() error) ([]bool, error) {
	over, whole := make([]bool, len(convs)), p.Whole()
	if len(convs) == 0 {
		return over, nil
	}
	rlwe, ot := make([]*plan.Linear, len(convs)), make([]float64, len(convs))
	for i, v := range convs {
		rlwe[i] = convGeometry(v)
		rlwe[i].NormLog2 = normLog2(v.Attrs.(*ir.ConvAttrs), v.Args[1].Attrs.(*ir.ConstAttrs).Ints, rlwe[i].COut)
		rlwe[i].ClientInput = v.Args[0].Type.Holder == ir.Client
		ot[i] = whole.OverOT(overOT(v, rlwe[i]))
	}
	if err := (choose.Search{Profile: p, Stop: stop}).Packings(rlwe); err != nil {
		return nil, err
	}
	gain := 0.0 // what staying saves
	for i, l := range rlwe {
		t := whole.Seconds(l.CostRLWE())
		if over[i] = ot[i] < t; !over[i] {
			gain += ot[i] - t
		}
	}
	keys, err := plan.KeysOf(rlwe)
	if err != nil {
		return nil, err
	}
	if gain < whole.Seconds(plan.KeysCost(keys)) {
		for i := range over {
			over[i] = true
		}
	}
	return over, nil
}
