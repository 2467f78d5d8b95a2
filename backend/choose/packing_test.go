package choose

import (
	"fmt"
	"testing"
	"time"

	"secc.example/secc/backend/plan"
)

// A norm above the declared one, a weight too wide, or too little room for the
// noise is refused.
func TestPackingIsTight(t *testing.T) {
	l := plan.Linear{
		Batch: 1, G: 1, CIn: 16, COut: 2, H: 4, W: 4, OH: 4, OW: 4, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1,
		InBits: 28, Shift: 12, OutBits: 16, NormLog2: 10,
	}
	if err := (Search{Profile: Profile{Bandwidth: 1e9, UnitNanos: plan.DefaultUnits()}}).Packing(&l); err != nil {
		t.Fatal(err)
	}
	w := make([]int64, 32)
	for i := range w {
		w[i] = 256 // norm 2^10 exactly
	}
	if err := plan.CheckNoise(&l, w); err != nil {
		t.Error(err)
	}
	w[31]++
	if plan.CheckNoise(&l, w) == nil {
		t.Error("a filter beyond the declared norm passed")
	}
	w[31] = 1 << 40
	if plan.CheckNoise(&l, w) == nil {
		t.Error("a weight of 41 bits passed")
	}
	for field, change := range map[string]func(p *plan.Packing){
		"upload": func(p *plan.Packing) { p.UploadBits-- }, "c0": func(p *plan.Packing) { p.C0Bits-- }, "c1": func(p *plan.Packing) { p.C1Bits-- },
	} {
		tight := l
		change(&tight.Packing)
		if tight.Validate() == nil {
			t.Errorf("one bit less for %s still leaves room for the noise", field)
		}
	}
	l.NormLog2 = 38
	if (Search{}).Packing(&l) == nil {
		t.Error("a norm of 2^38 left room for the noise")
	}
}

// Few operators do not pay for switching keys, many do.
func TestPackings(t *testing.T) {
	s := Search{Profile: Profile{Bandwidth: 1e8, RTT: 10 * time.Millisecond, UnitNanos: plan.DefaultUnits()}}
	for _, test := range []struct {
		count, size int
		merged      bool
	}{{1, 8, false}, {40, 128, true}} {
		size := test.size
		var ls []*plan.Linear
		for range test.count {
			ls = append(ls, &plan.Linear{
				Batch: 1, G: 1, CIn: size, COut: size, H: 7, W: 7, OH: 7, OW: 7, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1,
				InBits: 28, Shift: 12, OutBits: 16, NormLog2: 12,
			})
		}
		if err := s.Packings(ls); err != nil {
			t.Fatal(err)
		}
		for _, l := range ls {
			if (l.Packing.Merge > 0) != test.merged {
				t.Errorf("%d operators: %s", test.count, fmt.Sprintf("%+v", l.Packing))
				break
			}
		}
	}
}
