package plan

import (
	"testing"
	"time"
)

func TestTmp(t *testing.T) {
	for _, l := range []Linear{
		{Batch: 1, G: 1, CIn: 256, COut: 1024, H: 14, W: 14, OH: 14, OW: 14, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1, InBits: 28, Shift: 12, OutBits: 16, NormLog2: 13},
		{Batch: 1, G: 1, CIn: 64, COut: 64, H: 56, W: 56, OH: 56, OW: 56, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, InBits: 28, Shift: 12, OutBits: 16, NormLog2: 13},
		{Batch: 1, G: 1, CIn: 3, COut: 64, H: 224, W: 224, OH: 112, OW: 112, KH: 7, KW: 7, SH: 2, SW: 2, DH: 1, DW: 1, PT: 3, PL: 3, InBits: 28, Shift: 12, OutBits: 16, NormLog2: 13},
		{Batch: 1, G: 1, CIn: 2048, COut: 1000, H: 1, W: 1, OH: 1, OW: 1, KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1, InBits: 28, Shift: 12, OutBits: 16, NormLog2: 13},
		{Batch: 1, G: 1, CIn: 256, COut: 256, H: 14, W: 14, OH: 14, OW: 14, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, InBits: 28, Shift: 12, OutBits: 16, NormLog2: 13},
		{Batch: 1, G: 384, CIn: 384, COut: 384, H: 14, W: 14, OH: 14, OW: 14, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, InBits: 28, Shift: 12, OutBits: 16, NormLog2: 13},
	} {
		for _, m := range []int{-1, 0} {
			for _, bw := range []float64{1e8, 1e10} {
				p := CostProfile{BitsPerSecond: bw, RTT: 0.04, Server: DefaultUnits(), Client: DefaultUnits(), MaxLevel: m}
				t0 := time.Now()
				if err := ChoosePacking(&l, p); err != nil {
					t.Fatal(err)
				}
				c := l.Cost()
				t.Logf("%+v %s up %d down %d sec %.3f  (%v)", l.Packing, l.Packing.Kind(), c.ToServer(), c.ToClient(), p.Seconds(c), time.Since(t0))
			}
		}
	}
}
