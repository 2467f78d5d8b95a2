package nonlinear

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
)

// countSigns runs DReLU on n random sharings of Z_2^16 and counts the results
// that are neither right nor the permitted deviation, and, of the values
// 0 <= x < 2^Lo, how many came out negative and how many should have.
func countSigns(t *testing.T, g Sign, n int, seed uint64) (wrong, negative int, expected float64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 16))
	var x [2][]uint64
	for i := range x {
		x[i] = make([]uint64, n)
		for j := range x[i] {
			x[i][j] = r.Uint64() & ring.Mask(16)
		}
	}
	for j := 0; j < n; j += 4 { // a quarter of the values lies near zero
		x[1][j] = (r.Uint64()%(4<<g.Lo) - (2 << g.Lo) - x[0][j]) & ring.Mask(16)
	}
	b, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) { return p.DReLU(ctx, x[p.Role], g) })
	for i := range n {
		v, got := ring.Signed(x[0][i]+x[1][i], g.Hi), ring.Bit(b[0], i)^ring.Bit(b[1], i)
		switch {
		case v >= 0 && v < 1<<g.Lo:
			negative += int(1 - got)
			expected += float64(1<<g.Lo-1-v) / float64(uint64(1)<<g.Lo)
		case v < -1<<(g.Hi-1)+1<<g.Lo: // Hi promises that there are none
		case got == 1 != (v >= 0):
			wrong++
		}
	}
	return wrong, negative, expected
}

func checkStatistics(t *testing.T, runs, n int) {
	for i, g := range []Sign{{16, 4, 15, wire.Tree{Leaf: 2}}, {16, 1, 16, wire.Tree{Leaf: 3}}, {16, 0, 16, wire.Tree{Leaf: 1}}, {16, 5, 16, wire.Tree{Leaf: 4}}, {16, 3, 14, wire.Tree{Leaf: 2, Ripple: true}}} {
		var wrong, negative int
		var expected float64
		for j := range runs {
			w, n, e := countSigns(t, g, n, uint64(i*runs+j))
			wrong, negative, expected = wrong+w, negative+n, expected+e
		}
		if wrong > 0 {
			t.Errorf("%+v: %d of %d signs are wrong away from zero", g, wrong, runs*n)
		}
		if d := math.Abs(float64(negative) - expected); d > 5*math.Sqrt(expected)+1 {
			t.Errorf("%+v: %d small values came out negative, %.0f should", g, negative, expected)
		}
	}
}

func TestSignStatistics(t *testing.T) { checkStatistics(t, 1, 1<<19) }
