package nonlinear

import (
	"context"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/ring"
)

// Tables of every kind of shape whose OTs were made before: results are the table's.
func TestPreparedPiecewise(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 7, 8, 9, 63, 64, 65, 1000} {
		for range 12 {
			bits, out := 3+r.IntN(18), 4+r.IntN(20)
			f := randomPiecewise(r, bits, out)
			f.Prepared = true
			if err := f.Check(bits, out); err != nil {
				t.Fatal(err)
			}
			x := draw(r, n, bits-1, bits)
			in := mpctest.Share(r, x, bits)
			y, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) {
				return ahead(ctx, p, in[p.Role], func(ctx context.Context, p *Party, x []uint64) ([]uint64, error) { return p.Piecewise(ctx, x, f) })
			})
			for i, v := range mpctest.Open(y, out) {
				at := ring.Signed(x[i], bits)
				if !f.Promised(at) {
					continue
				}
				low := f.Eval(at) >> f.Frac
				if d := (v - uint64(low)) & ring.Mask(out); d != 0 && (d != 1 || f.Frac == 0) {
					t.Fatalf("%+v: element %d: %d gave %d, want %d or one more", f, i, at, ring.Signed(v, out), low)
				}
			}
		}
	}
}

var _ wire.Piecewise
