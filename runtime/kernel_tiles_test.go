package runtime

import (
	"math/rand/v2"
	"slices"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/mpctest"
)

// Each party's map of its share adds up to the map of the value, both ways.
func TestTilesOfShares(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	for _, g := range []plan.Tiles{
		{Batch: 1, C: 1, H: 4, W: 4, TH: 1, TW: 1, Side: 4, Step: 4},
		{Batch: 2, C: 3, H: 9, W: 7, TH: 3, TW: 2, Side: 6, Step: 4, PT: 1, PL: 1},
		{Batch: 1, C: 2, H: 8, W: 8, TH: 4, TW: 4, Side: 4, Step: 2, PT: 1, PL: 2},
	} {
		for _, back := range []bool{false, true} {
			g.Back, g.Matrix = back, make([]int64, g.Side*g.Side)
			in, out := vector(g.Batch*g.C*g.H*g.W, 37), vector(g.Batch*g.C*g.Side*g.Side*g.TH*g.TW, 37)
			if back {
				in, out, g.Matrix = out, in, g.Matrix[:g.Step*g.Side]
			}
			for i := range g.Matrix {
				g.Matrix[i] = r.Int64N(17) - 8
			}
			x := make(Vec, in.N())
			for i := range x {
				x[i] = r.Uint64() & mask(37)
			}
			s := &plan.Step{Proto: plan.ProtoTiles, Attrs: &g, In: []plan.Slot{0}, Out: []plan.Slot{1}}
			if err := s.Attrs.Legal(&plan.Plan{Slots: []plan.SlotType{in, out}}, s); err != nil {
				t.Fatal(err)
			}
			run := func(x Vec, constants adder) Vec {
				y, err := tiles(&Call{Step: s, In: []Vec{x}, InTypes: []plan.SlotType{in}, OutTypes: []plan.SlotType{out}}, constants, nil)
				if err != nil {
					t.Fatal(err)
				}
				return y[0]
			}
			shares := mpctest.Share(r, x, 37)
			if got := mpctest.Open([2][]uint64{run(shares[0], true), run(shares[1], false)}, 37); !slices.Equal(got, run(x, true)) {
				t.Errorf("%+v: shares do not add up", g)
			}
		}
	}
}
