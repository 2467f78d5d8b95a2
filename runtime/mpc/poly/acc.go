package poly

import (
	"fmt"
	"math/bits"
)

// maxProducts is how many products an accumulator takes before it must be
// reduced. IFMA: the low words grow by less than 2^52 a product from a value
// below 2^52, so 4095 products stay below 2^64. The portable form (128 bits,
// products below 2^100) would allow more; one bound keeps the variants alike.
const maxProducts = 4095

// Acc is a polynomial under accumulation: sums of products that are not reduced
// before Reduce. The two words of a position are the product's halves at bit 52
// (IFMA) or at bit 64 (portable). Not safe for concurrent use.
type Acc struct {
	r      *Ring
	lo, hi []uint64
	count  int
}

// NewAcc returns an accumulator holding zero.
func (r *Ring) NewAcc() *Acc {
	return &Acc{r: r, lo: make([]uint64, r.n), hi: make([]uint64, r.n)}
}

// Reset sets the accumulator to zero.
func (a *Acc) Reset() {
	clear(a.lo)
	clear(a.hi)
	a.count = 0
}

// reserve makes room for k more products, reducing in place when it is due.
func (a *Acc) reserve(k int) {
	if a.count+k > maxProducts {
		a.Reduce(a.lo)
		clear(a.hi)
		a.count = 1
	}
	a.count += k
}

// Add adds the polynomial x.
func (a *Acc) Add(x []uint64) {
	a.r.check(x)
	a.reserve(1)
	if a.r.ifma { // the low words have room for it: see maxProducts
		for i, v := range x {
			a.lo[i] += v
		}
		return
	}
	for i, v := range x {
		var c uint64
		a.lo[i], c = bits.Add64(a.lo[i], v, 0)
		a.hi[i] += c
	}
}

// MulAdd adds x*w position by position. w has n values, or n/S in compact form
// (see NTTWeights).
func (a *Acc) MulAdd(x, w []uint64) {
	xs, ws := [1][]uint64{x}, [1][]uint64{w}
	a.Dot(xs[:], ws[:])
}

// Dot adds the sum over k of x[k]*w[k]. All w[k] have the same length, n or n/S.
// The accumulator is read and written once for all terms, so it pays to collect
// a few.
func (a *Acc) Dot(x, w [][]uint64) {
	a.r.checkTerms(x, w)
	for len(w) > 0 {
		k := min(len(w), maxProducts-1)
		a.reserve(k)
		rep := a.r.n / len(w[0])
		if a.r.ifma {
			dotIFMA(a, x[:k], w[:k], rep)
		} else {
			a.dotGeneric(x[:k], w[:k], rep)
		}
		x, w = x[k:], w[k:]
	}
}

// MulAddPair adds x0*w to a0 and x1*w to a1: one weight polynomial times both
// halves of a ciphertext.
func MulAddPair(a0, a1 *Acc, x0, x1, w []uint64) {
	x0s, x1s, ws := [1][]uint64{x0}, [1][]uint64{x1}, [1][]uint64{w}
	DotPair(a0, a1, x0s[:], x1s[:], ws[:])
}

// DotPair is Dot of x0 into a0 and of x1 into a1 with the same factors.
func DotPair(a0, a1 *Acc, x0, x1, w [][]uint64) {
	if a0.r != a1.r || a0 == a1 {
		panic("BUG: poly: a pair needs two accumulators of one ring")
	}
	r := a0.r
	r.checkTerms(x0, w)
	r.checkTerms(x1, w)
	if !r.ifma {
		a0.Dot(x0, w)
		a1.Dot(x1, w)
		return
	}
	for len(w) > 0 {
		k := min(len(w), maxProducts-1)
		a0.reserve(k)
		a1.reserve(k)
		dotPairIFMA(a0, a1, x0[:k], x1[:k], w[:k], r.n/len(w[0]))
		x0, x1, w = x0[k:], x1[k:], w[k:]
	}
}

// checkTerms panics unless x and w fit each other and the ring.
func (r *Ring) checkTerms(x, w [][]uint64) {
	if len(x) != len(w) {
		panic(fmt.Sprintf("BUG: poly: %d polynomials times %d factors", len(x), len(w)))
	}
	for k := range w {
		r.check(x[k])
		n := len(w[k])
		if n == 0 || n > r.n || n&(n-1) != 0 || n != len(w[0]) {
			panic(fmt.Sprintf("BUG: poly: factor of %d values in a ring of degree %d", n, r.n))
		}
	}
}

// Reduce writes the accumulated sum in [0,q). The accumulator keeps its value.
func (a *Acc) Reduce(dst []uint64) {
	r := a.r
	r.check(dst)
	if r.ifma {
		a.reduceIFMA(dst)
		return
	}
	for i := range dst {
		dst[i] = r.reduce128(a.hi[i], a.lo[i])
	}
}

func (a *Acc) dotGeneric(x, w [][]uint64, rep int) {
	for k := range w {
		mulAddGeneric(a.lo, a.hi, x[k], w[k], rep)
	}
}

// mulAddGeneric accumulates 128-bit products, w[i/rep] with x[i].
func mulAddGeneric(lo, hi, x, w []uint64, rep int) {
	if rep == 1 {
		lo, hi, w = lo[:len(x)], hi[:len(x)], w[:len(x)]
		for i, v := range x {
			ph, pl := bits.Mul64(v, w[i])
			var c uint64
			lo[i], c = bits.Add64(lo[i], pl, 0)
			hi[i] += ph + c
		}
		return
	}
	for k, f := range w {
		l, h := lo[k*rep:(k+1)*rep], hi[k*rep:(k+1)*rep]
		for i, v := range x[k*rep : (k+1)*rep] {
			ph, pl := bits.Mul64(v, f)
			var c uint64
			l[i], c = bits.Add64(l[i], pl, 0)
			h[i] += ph + c
		}
	}
}
