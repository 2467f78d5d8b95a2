package nonlinear

import (
	"context"
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/ring"
)

// randomPiecewise draws a description without a meaning: every term may change
// every bit.
func randomPiecewise(r *rand.Rand, bits, out int) *wire.Piecewise {
	f := &wire.Piecewise{Bits: bits, Low: r.IntN(bits - 2), Positive: r.IntN(2) == 1, Triples: r.IntN(2) == 1, Leaf: 1 + r.IntN(5), Arity: 2 + r.IntN(2)}
	f.Ripple = f.Arity == 2 && r.IntN(4) == 0
	f.Low = max(f.Low, bits-12)
	f.Frac, f.Inner = r.IntN(8), max(out-r.IntN(3), 3)
	f.SlopeBits, f.SlopeShift = r.IntN(5), r.IntN(3)
	f.OffsetBits, f.OffsetShift = r.IntN(f.Inner+f.Frac-2), r.IntN(3)
	f.SlopeBits = min(f.SlopeBits, max(f.Wide()-f.SlopeShift, 0))
	f.Slope, f.Offset = int64(r.IntN(9)-4), int64(r.IntN(99)-50)
	if r.IntN(3) == 0 {
		f.Slope = 0
	}
	if r.IntN(2) == 0 {
		f.Flip = r.Uint32N(1 << f.Named())
	}
	for m := uint32(0); m < 2<<f.Named(); m += 1 + r.Uint32N(max(uint32(1)<<f.Named()/8, 3)) {
		f.Terms = append(f.Terms, wire.Term{Bits: m, Slope: r.Uint64() & ring.Mask(f.SlopeBits), Offset: r.Uint64() & ring.Mask(f.OffsetBits)})
	}
	return f
}

// Tables of every kind of shape: results are the table's at the exact segment,
// rounded up or down.
func TestPiecewise(t *testing.T) {
	forSizes(t, func(t *testing.T, r *rand.Rand, bits, n int) {
		if bits < 3 {
			return
		}
		for range max(12-n/10_000, 3) {
			out := 4 + r.IntN(20)
			f := randomPiecewise(r, bits, out)
			if err := f.Check(bits, out); err != nil {
				t.Fatal(err)
			}
			x := draw(r, n, bits-1, bits)
			in := mpctest.Share(r, x, bits)
			y, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) { return p.Piecewise(ctx, in[p.Role], f, out) })
			for i, v := range mpctest.Open(y, out) {
				exact := f.Eval(ring.Signed(x[i], bits))
				if f.Inner < out && (exact >= 1<<(f.Wide()-2)-1<<f.Frac || exact < -1<<(f.Wide()-2)) {
					continue // beyond what the extension of the result promises
				}
				low := exact >> f.Frac
				if d := (v - uint64(low)) & ring.Mask(f.Inner); d != 0 && (d != 1 || f.Frac == 0) {
					t.Fatalf("%+v: element %d: %d gave %d, want %d or one more", f, i, ring.Signed(x[i], bits), ring.Signed(v, out), low)
				} else if f.Inner < out && ring.Signed(v, out) != low+int64(d) {
					t.Fatalf("%+v: element %d: %d gave %d in %d bits, want %d", f, i, ring.Signed(x[i], bits), ring.Signed(v, out), out, low)
				}
			}
		}
	})
}
