package poly

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// testRings returns a ring for every degree and variant worth testing: moduli
// right below a power of two, where lazy values come closest to their bounds,
// and one between two powers, where quotients lose most by rounding.
func testRings(t testing.TB, degrees ...int) []*Ring {
	t.Helper()
	var rs []*Ring
	for _, n := range degrees {
		for _, q := range testModuli(t, n) {
			for _, v := range testVariants() {
				rs = append(rs, newRing(t, n, q, v))
			}
		}
	}
	return rs
}

func init() { bringHalves = newHalved }

// testVariants are what runs here, and Halves anyway.
func testVariants() []Variant {
	vs := Variants()
	if !slices.Contains(vs, Halves) {
		vs = append(vs, Halves)
	}
	return vs
}

func testModuli(t testing.TB, n int) []uint64 {
	t.Helper()
	var qs []uint64
	for _, bitLen := range []int{50, 36} {
		ps, err := Primes(bitLen, n, 1)
		if err != nil {
			t.Fatal(err)
		}
		qs = append(qs, ps[0])
	}
	step := 2 * uint64(n)
	mid := uint64(1)<<50/10*6/step*step + 1 // 2^52/mid = 6.67
	for !isPrime(mid) {
		mid += step
	}
	return append(qs, mid)
}

func newRing(t testing.TB, n int, q uint64, v Variant) *Ring {
	t.Helper()
	r, err := NewRing(n, q, WithVariant(v))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Ring) String() string { return fmt.Sprintf("n=%d/q=%d/%v", r.n, r.q, r.variant) }

// randomPoly mixes uniform values with the edges of the range.
func randomPoly(r *Ring, rng *rand.Rand) []uint64 {
	p := r.NewPoly()
	edges := []uint64{0, 1, 2, r.q / 2, r.q/2 + 1, r.q - 2, r.q - 1}
	for i := range p {
		p[i] = rng.Uint64N(r.q)
		if rng.IntN(4) == 0 {
			p[i] = edges[rng.IntN(len(edges))]
		}
	}
	return p
}

func constant(r *Ring, v uint64) []uint64 {
	p := r.NewPoly()
	for i := range p {
		p[i] = v
	}
	return p
}

// edgePolys returns the inputs every kernel is tried on.
func edgePolys(r *Ring, rng *rand.Rand) [][]uint64 {
	one := r.NewPoly()
	one[0] = 1
	last := r.NewPoly()
	last[r.n-1] = r.q - 1
	return [][]uint64{r.NewPoly(), one, last, constant(r, 1), constant(r, r.q-1), randomPoly(r, rng), randomPoly(r, rng)}
}

// schoolbook multiplies modulo X^n+1 with big integers, slowly and plainly.
func schoolbook(r *Ring, a, b []uint64) []uint64 {
	q := new(big.Int).SetUint64(r.q)
	out := r.NewPoly()
	for k := range out {
		sum := new(big.Int)
		for i := range a {
			j := k - i
			neg := j < 0
			if neg {
				j += r.n
			}
			p := new(big.Int).Mul(new(big.Int).SetUint64(a[i]), new(big.Int).SetUint64(b[j]))
			if neg {
				p.Neg(p)
			}
			sum.Add(sum, p)
		}
		out[k] = sum.Mod(sum, q).Uint64()
	}
	return out
}

func equal(t *testing.T, what string, got, want []uint64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: position %d is %d, want %d", what, i, got[i], want[i])
		}
	}
}

func clone(p []uint64) []uint64 { return append([]uint64(nil), p...) }
