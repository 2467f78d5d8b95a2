package poly

import (
	"math/rand/v2"
	"testing"
)

// reference accumulates with single reductions.
type reference struct {
	r   *Ring
	sum []uint64
}

func (s *reference) mulAdd(x, w []uint64) {
	rep := s.r.n / len(w)
	for i := range s.sum {
		s.sum[i] = (s.sum[i] + mulMod(x[i], w[i/rep], s.r.q)) % s.r.q
	}
}

// TestAccumulate covers MulAdd, MulAddPair, DotPair and Reduce, dense and compact.
func TestAccumulate(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, r := range testRings(t, 16, 64, 256, 4096) {
		for rep := 1; rep <= r.n; rep *= 2 {
			checkAccumulate(t, r, rng, rep)
		}
	}
}

func checkAccumulate(t *testing.T, r *Ring, rng *rand.Rand, rep int) {
	t.Helper()
	a0, a1 := r.NewAcc(), r.NewAcc()
	s0, s1 := reference{r, r.NewPoly()}, reference{r, r.NewPoly()}
	var x0, x1, w [][]uint64
	for range 5 {
		x0 = append(x0, randomPoly(r, rng))
		x1 = append(x1, constant(r, r.q-1))
		w = append(w, randomPoly(r, rng)[:r.n/rep])
	}
	a0.MulAdd(x0[0], w[0])
	s0.mulAdd(x0[0], w[0])
	a1.Add(x1[0])
	s1.mulAdd(x1[0], constant(r, 1))
	MulAddPair(a0, a1, x0[1], x1[1], w[1])
	DotPair(a0, a1, x0, x1, w)
	s0.mulAdd(x0[1], w[1])
	s1.mulAdd(x1[1], w[1])
	for k := range w {
		s0.mulAdd(x0[k], w[k])
		s1.mulAdd(x1[k], w[k])
	}
	a2, s2 := r.NewAcc(), reference{r, r.NewPoly()}
	DotMany([]*Acc{a0, a2, a1}, [][][]uint64{x1, [][]uint64{x0[0], x0[0], x0[0], x0[0], x0[0]}, x0}, w)
	for k := range w {
		s0.mulAdd(x1[k], w[k])
		s1.mulAdd(x0[k], w[k])
		s2.mulAdd(x0[0], w[k])
	}
	got := r.NewPoly()
	a2.Reduce(got)
	equal(t, r.String()+" third", got, s2.sum)
	a0.Reduce(got)
	equal(t, r.String()+" first", got, s0.sum)
	a1.Reduce(got)
	equal(t, r.String()+" second", got, s1.sum)
	a0.Reset()
	a0.Reduce(got)
	equal(t, r.String()+" reset", got, r.NewPoly())
}

// TestAccumulateMany passes the bound of unreduced products with the largest
// values there are.
func TestAccumulateMany(t *testing.T) {
	for _, r := range testRings(t, 16) {
		const each = 2*maxProducts + 7
		const products = 2 * each
		x, a := constant(r, r.q-1), r.NewAcc()
		var xs [][]uint64
		for range each {
			a.MulAdd(x, x)
			xs = append(xs, x)
		}
		a.Dot(xs, xs)
		got := r.NewPoly()
		a.Reduce(got)
		equal(t, r.String(), got, constant(r, products)) // (q-1)^2 = 1
	}
}

func TestAddProducts(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 28))
	for _, r := range testRings(t, 16, 2048) {
		for terms := range 6 {
			got := randomPoly(r, rng)
			sum := reference{r, clone(got)}
			var x, w [][]uint64
			for range terms {
				x, w = append(x, randomPoly(r, rng)), append(w, randomPoly(r, rng))
				sum.mulAdd(x[len(x)-1], w[len(w)-1])
			}
			r.AddProducts(got, x, w)
			equal(t, r.String(), got, sum.sum)
		}
		top := constant(r, r.q-1)
		if r.n == 16 {
			many := make([][]uint64, maxProducts+5)
			for k := range many {
				many[k] = top
			}
			got := clone(top)
			r.AddProducts(got, many, many)
			equal(t, r.String()+" many", got, constant(r, maxProducts+4)) // -1 + (-1)^2 each
		}
	}
}

// TestReduceWords reduces words that no short sum would reach.
func TestReduceWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 26))
	for _, r := range testRings(t, 1<<14) {
		a := r.NewAcc()
		unit := powMod(2, 64, r.q)
		low := func(x uint64) uint64 { return x % r.q }
		switch r.variant {
		case IFMA:
			unit = powMod(2, 52, r.q)
		case FMA: // the low word is signed
			unit = powMod(2, 49, r.q)
			low = func(x uint64) uint64 { return (x%r.q + x>>63*(r.q-powMod(2, 64, r.q))) % r.q }
		}
		got, want := r.NewPoly(), r.NewPoly()
		for i := range want {
			a.lo[i], a.hi[i] = rng.Uint64(), rng.Uint64N(1<<60)
			if rng.IntN(3) == 0 {
				a.lo[i] |= 1<<52 - 1
			}
			want[i] = (mulMod(a.hi[i], unit, r.q) + low(a.lo[i])) % r.q
		}
		a.Reduce(got)
		equal(t, r.String(), got, want)
	}
}
