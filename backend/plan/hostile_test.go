package plan

import (
	"strings"
	"testing"

	"secc.example/secc/backend/plan/wire"
)

// oneStep is a plan of an input, one step and a reveal.
func oneStep(in, out SlotType, s Step) *Plan {
	s.Out = []Slot{1}
	if s.In == nil {
		s.In = []Slot{0}
	}
	return &Plan{
		Version: Version, Reveal: RevealValues, Slots: []SlotType{in, out, out},
		Inputs:  []Input{{Name: "x", Shape: in.Shape, Slot: 0}},
		Rounds:  [][]Step{{{Proto: ProtoInput, Out: []Slot{0}}, s, {Proto: ProtoReveal, In: []Slot{1}, Out: []Slot{2}}}},
		Outputs: []Output{{Name: "y", Shape: out.Shape, Slot: 2}},
	}
}

// A plan of a few hundred bytes whose slots are legal must not make whoever
// reads it build gigabytes of comparisons or count for hours.
func TestValidateRefusesHugeWork(t *testing.T) {
	flat := func(bits, n int) SlotType { return SlotType{[]int{n}, bits, 0} }
	window := func(h, kh int) *Pool {
		return &Pool{C: 1, H: h, W: 1, OH: h, OW: 1, KH: kh, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1, PT: kh / 2}
	}
	sign := Sign{16, 0, 16, wire.Tree{Leaf: 2}}
	conv := &Linear{
		Batch: 1, G: 1, CIn: 1, COut: 1 << 14, H: 128, W: 128, OH: 128, OW: 128, KH: 128, KW: 128, SH: 1, SW: 1, DH: 1, DW: 1, PT: 64, PL: 64,
		InBits: 60, OutBits: 60, OT: &OverOT{[]BitRange{{0, 60}}},
	}
	for _, c := range []struct {
		want string
		p    *Plan
	}{
		{"comparisons a channel", oneStep(flat(16, 8192), flat(16, 8192), Step{Proto: ProtoMaxPool, Attrs: &MaxPool{sign, *window(8192, 4095)}})},
		{"too many comparisons", oneStep(flat(16, 1<<17), flat(18, 1<<16), Step{Proto: ProtoArgMax, Attrs: &ArgMax{sign, 1 << 16}})},
		{"too many terms", oneStep(flat(32, 1<<22), flat(32, 1<<22), Step{Proto: ProtoMul, In: []Slot{0, 0}, Attrs: &Mul{Batch: 1, M: 1 << 11, K: 1 << 11, N: 1 << 11}})},
		{"too many products", oneStep(flat(60, 1<<14), flat(60, 1<<28), Step{Proto: ProtoLinearOT, W: "w", Attrs: conv})},
	} {
		if err := c.p.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want an error about %q, got %v", c.want, err)
		}
	}
}

// A dilated window can span a tensor and hold nothing of it; its maximum is not
// defined, and a network for it cannot be built.
func TestValidateRefusesEmptyWindows(t *testing.T) {
	slot := SlotType{[]int{1}, 16, 0}
	gap := &Pool{C: 1, H: 1, W: 1, OH: 1, OW: 1, KH: 2, KW: 1, SH: 1, SW: 1, DH: 3, DW: 1, PT: 1}
	p := oneStep(slot, slot, Step{Proto: ProtoMaxPool, Attrs: &MaxPool{Sign{16, 0, 16, wire.Tree{Leaf: 2}}, *gap}})
	if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "nothing but padding") {
		t.Errorf("want an error about the window, got %v", err)
	}
}

// encrypted is a plan of one encrypted product.
func encrypted() *Plan {
	l := &Linear{
		Batch: 1, G: 1, CIn: 8, COut: 4, H: 1, W: 1, OH: 1, OW: 1, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1,
		InBits: 20, Shift: 6, OutBits: 14, ClientInput: true, NormLog2: 6,
		Packing: Packing{N: 2048, TileH: 1, TileW: 1, High: 8, Filters: 4, Keys: 1, UploadBits: 40, C0Bits: 18, C1Bits: 27},
	}
	p := oneStep(SlotType{[]int{8}, 20, 4}, SlotType{[]int{4}, 14, 4}, Step{Proto: ProtoLinearRLWE, W: "w", Attrs: l})
	p.Modulus = 1125899906826241
	return p
}

// Only a prime near 2^50 with roots of unity serves encrypted steps, and only
// plans that have such steps carry one.
func TestValidateChecksModulus(t *testing.T) {
	p := encrypted()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for what, q := range map[string]uint64{
		"none": 0, "not a prime": 1125899906826241 - 8192, "prime without roots": 1125899906842597,
		"prime of 49 bits": 562949953216513, "prime of 51 bits": 2251799813554177, "prime far below 2^50": 1125898833018881,
	} {
		p.Modulus = q
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "modulus") {
			t.Errorf("%s: want an error about the modulus, got %v", what, err)
		}
	}
	clear := small()
	clear.Modulus = 1125899906826241
	if err := clear.Validate(); err == nil || !strings.Contains(err.Error(), "without an encrypted") {
		t.Errorf("want an error about a modulus without use, got %v", err)
	}
}
