package poly

import (
	"math/rand/v2"
	"testing"

	"github.com/tuneinsight/lattigo/v5/ring"
)

var allDegrees = []int{16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192}

// TestNTTAgainstLattigo holds both transforms to lattigo's, bit for bit.
func TestNTTAgainstLattigo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, r := range testRings(t, allDegrees...) {
		lr, err := ring.NewRing(r.n, []uint64{r.q})
		if err != nil {
			t.Fatal(err)
		}
		want := lr.NewPoly()
		for _, p := range edgePolys(r, rng) {
			copy(want.Coeffs[0], p)
			lr.NTT(want, want)
			got := clone(p)
			r.NTT(got)
			equal(t, r.String()+" NTT", got, want.Coeffs[0])
			r.InvNTT(got)
			equal(t, r.String()+" InvNTT(NTT)", got, p)

			copy(want.Coeffs[0], p)
			lr.INTT(want, want)
			got = clone(p)
			r.InvNTT(got)
			equal(t, r.String()+" InvNTT", got, want.Coeffs[0])
		}
	}
}

// TestProductAgainstSchoolbook checks that transforms multiply polynomials.
func TestProductAgainstSchoolbook(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, r := range testRings(t, 16, 128) {
		a, b := randomPoly(r, rng), randomPoly(r, rng)
		want := schoolbook(r, a, b)
		r.NTT(a)
		r.NTT(b)
		c := r.NewPoly()
		r.Mul(c, a, b)
		r.InvNTT(c)
		equal(t, r.String(), c, want)
	}
}

func TestNewRingRefuses(t *testing.T) {
	ps, err := Primes(50, 4096, 1)
	if err != nil {
		t.Fatal(err)
	}
	q := ps[0]
	for _, bad := range []struct {
		n int
		q uint64
	}{{8, q}, {48, q}, {1 << 17, q}, {4096, q + 2}, {4096, 0}, {4096, 1}, {4096, q + 8192}, {8192 * 8, 12289}, {4096, 1 << 50}} {
		if _, err := NewRing(bad.n, bad.q); err == nil {
			t.Errorf("degree %d modulus %d accepted", bad.n, bad.q)
		}
	}
	if _, err := Primes(51, 4096, 1); err == nil {
		t.Error("primes of 51 bits given")
	}
	if _, err := Primes(14, 4096, 2); err == nil {
		t.Error("more primes than there are")
	}
}
