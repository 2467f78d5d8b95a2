package plan

import (
	"testing"

	"secc.example/secc/backend/plan/wire"
)

func TestOTValidate(t *testing.T) {
	some := COTs{ServerSends: 1, ClientSends: 1}
	good := OTKind{Kind: wire.SoftSpoken, K: 4}
	for _, bad := range []OTKind{
		{}, {Kind: wire.SoftSpoken, K: 3}, {Kind: wire.SoftSpoken, K: 4, Set: 11}, {Kind: wire.Ferret}, {Kind: wire.Ferret, Set: 14},
		{Kind: wire.Ferret, Set: 11, K: 2}, {Kind: "iknp"},
	} {
		if (OT{bad, good}).Validate(some) == nil || (OT{good, bad}).Validate(some) == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	if err := (OT{good, good}).Validate(COTs{ServerSends: wire.MaxOTs + 1}); err == nil {
		t.Error("too many COTs were accepted")
	}
	if err := (OT{}).Validate(COTs{}); err != nil {
		t.Errorf("nothing for nothing: %v", err)
	}
}

func TestOTBitsPerCOT(t *testing.T) {
	const n = 1e9
	for set, most := range map[int]float64{10: 1.50, 11: 0.78, 12: 0.42, 13: 0.225} {
		o := OT{ClientSends: OTKind{Kind: wire.Ferret, Set: set}}
		c := o.Cost(COTs{ClientSends: n})
		all := c.Setup.Add(c.Stream)
		bits := 8 * float64(all.ToServer()+all.ToClient()) / n
		if bits > most || bits < most*0.9 {
			t.Errorf("set %d: %.3f bits a COT, expected at most %.3f and not much less", set, bits, most)
		}
	}
}
