package choose

import (
	"testing"

	"secc.example/secc/backend/plan"
)

// The products of attention and of norms go over RLWE whatever the network, by prices that
// are the same on every machine: over OT those of one layer of BERT-base would take 4 GB.
func TestProductsOfTransformersAreEncrypted(t *testing.T) {
	for _, name := range []string{"loopback", "lan", "wan"} {
		p, err := ParseProfile(name)
		if err != nil {
			t.Fatal(err)
		}
		for what, c := range map[string]struct {
			m      plan.Mul
			bits   int
			square bool
			most   int64 // MiB
		}{
			"query by key":         {plan.Mul{Batch: 12, M: 128, K: 64, N: 128, Shift: 14}, 32, false, 6},
			"query by key, widely": {plan.Mul{Batch: 12, M: 128, K: 64, N: 128, Shift: 17}, 37, false, 8},
			"weights by values":    {plan.Mul{Batch: 12, M: 128, K: 128, N: 64, Shift: 14}, 32, false, 6},
			"rows by factors":      {plan.Mul{Batch: 128, M: 768, K: 1, N: 1, Shift: 13}, 31, false, 3},
			"norms of rows":        {plan.Mul{Batch: 128, M: 1, K: 768, N: 1, Shift: 17}, 35, true, 3},
		} {
			cross, _, err := p.Product(c.m, c.bits, c.square)
			if err != nil {
				t.Fatal(err)
			}
			if cross == nil {
				t.Errorf("%s, %s: over OT", name, what)
				continue
			}
			c.m.Cross = cross
			var sent int64
			for i := range cross {
				cost := c.m.CrossTerm(i, c.bits).EngineCost()
				sent += cost.ToServer() + cost.ToClient()
			}
			if sent > c.most<<20 {
				t.Errorf("%s, %s: %.1f MiB, want at most %d", name, what, float64(sent)/(1<<20), c.most)
			}
		}
	}
}
