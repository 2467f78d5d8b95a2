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
	f.Cross = !f.Ripple && f.Leaf > 1 && r.IntN(2) == 0
	f.Low = max(f.Low, bits-12)
	f.Frac, f.Out = r.IntN(8), out
	f.Ring = max(f.Wide()-r.IntN(8), 3)
	f.SlopeShift, f.OffsetShift = min(r.IntN(3), f.Ring), min(r.IntN(3), f.Ring)
	f.SlopeBits, f.OffsetBits = min(r.IntN(5), f.Ring-f.SlopeShift), r.IntN(f.Ring-f.OffsetShift+1)
	if f.Extends() {
		f.StepShift = r.IntN(f.Wide() + 1)
		f.StepBits = min(r.IntN(5), f.Wide()-f.StepShift)
		if r.IntN(2) == 0 {
			f.Gate = r.Uint32N(2 << f.Named())
			f.Beyond = [2]int64{int64(r.IntN(5) - 2), int64(r.IntN(1 << min(f.Wide(), 5)))}
		}
		f.Step, f.Steep = int64(r.IntN(99)-50), [2]int64{int64(r.IntN(5) - 2), int64(r.IntN(1 << min(f.Wide(), 5)))}
	}
	f.Slope, f.Offset = int64(r.IntN(9)-4), int64(r.IntN(99)-50)
	if r.IntN(3) == 0 {
		f.Slope = 0
	}
	if r.IntN(2) == 0 {
		f.Flip = r.Uint32N(1 << f.Named())
	}
	for m := uint32(0); m < 2<<f.Named(); m += 1 + r.Uint32N(max(uint32(1)<<f.Named()/8, 3)) {
		f.Terms = append(f.Terms, wire.Term{Bits: m, Slope: r.Uint64() & ring.Mask(f.SlopeBits), Offset: r.Uint64() & ring.Mask(f.OffsetBits), Step: r.Uint64() & ring.Mask(f.StepBits)})
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
			y, _ := run(t, func(ctx context.Context, p *Party) ([]uint64, error) { return p.Piecewise(ctx, in[p.Role], f) })
			checkPiecewise(t, f, x, y)
		}
	})
}

// checkPiecewise holds results to the table.
func checkPiecewise(t *testing.T, f *wire.Piecewise, x []uint64, y [2][]uint64) {
	t.Helper()
	for i, v := range mpctest.Open(y, f.Out) {
		at := ring.Signed(x[i], f.Bits)
		if !f.Promised(at) {
			continue // beyond what the extension of lines asks for
		}
		low := f.Eval(at) >> f.Frac
		if d := (v - uint64(low)) & ring.Mask(f.Out); d != 0 && (d != 1 || f.Frac == 0) {
			t.Fatalf("%+v: element %d: %d gave %d, want %d or one more", f, i, at, ring.Signed(v, f.Out), low)
		}
	}
}

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
			checkPiecewise(t, f, x, y)
		}
	}
}
