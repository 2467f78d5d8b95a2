package num

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestElementKernelsEqualGo: every bit, whatever is rounded, compared or measured.
func TestElementKernelsEqualGo(t *testing.T) {
	k := elementKernels()
	if k == nil {
		t.Skip("this machine has no vector kernels")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 400 {
		n, width := 1+r.IntN(70), 1+r.IntN(64)
		x := make([]int64, n)
		for i := range x {
			x[i] = Wrap(int64(r.Uint64()), width)
		}
		x[r.IntN(n)] = int64(-1) << (width - 1)
		top, done := k.largest(x)
		if want := largestGo(x[:done]); top != want || done != n&^7 {
			t.Fatalf("largest of %v is %d after %d, want %d", x, top, done, want)
		}
		checkRounding(t, k, r, x)
		checkSigns(t, k, r, x)
	}
}

func checkRounding(t *testing.T, k *elementSet, r *rand.Rand, x []int64) {
	shift := r.IntN(40)
	c := Rounding{Draw: Stream(r.Uint64()), Shift: shift, Scale: math.Ldexp(1, -shift), Noise: []float64{0, 0.1, 30}[r.IntN(3)]}
	want, got, first := slices.Clone(x), slices.Clone(x), r.IntN(1<<20)
	c.roundGo(want, first)
	n := k.round(c, got, first)
	if n != len(x)&^7 || !slices.Equal(got[:n], want[:n]) || !slices.Equal(got[n:], x[n:]) {
		t.Fatalf("%+v of %v from %d: %v, want %v", c, x, first, got, want)
	}
}

func checkSigns(t *testing.T, k *elementSet, r *rand.Rand, x []int64) {
	c := Signer{Hi: 1 + r.IntN(62)}
	c.Lo = r.IntN(c.Hi)
	from, step := r.Uint64(), r.Uint64()
	want, got := make([]int64, len(x)), make([]int64, len(x))
	c.sharedGo(want, x, from, step)
	n := k.shared(c, got, x, from, step)
	if n != len(x)&^7 || !slices.Equal(got[:n], want[:n]) || slices.Contains(got[n:], -1) {
		t.Fatalf("%+v of %v: %v, want %v", c, x, got, want)
	}
	for i, y := range x {
		server := Mix(from + uint64(i)*step)
		if SignOfShares(server, uint64(y)-server, c.Lo, c.Hi) != (want[i] == 0) {
			t.Fatalf("%+v of %d: %d", c, y, want[i])
		}
	}
}
