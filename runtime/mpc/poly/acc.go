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

// repeat returns how many positions each value of a factor stands for.
func (r *Ring) repeat(w []uint64) int {
	if len(w) == 0 || r.n%len(w) != 0 || len(w)&(len(w)-1) != 0 {
		panic(fmt.Sprintf("BUG: poly: factor of %d values in a ring of degree %d", len(w), r.n))
	}
	return r.n / len(w)
}

// Add adds the polynomial x.
func (a *Acc) Add(x []uint64) {
	a.r.check(x)
	a.reserve(1)
	for i, v := range x {
		var c uint64
		a.lo[i], c = bits.Add64(a.lo[i], v, 0)
		a.hi[i] += c
	}
}

// MulAdd adds x*w position by position. w has n values, or n/S in compact form
// (see NTTWeights).
func (a *Acc) MulAdd(x, w []uint64) {
	r := a.r
	r.check(x)
	rep := r.repeat(w)
	a.reserve(1)
	if r.ifma {
		mulAddIFMA(a, x, w, rep)
		return
	}
	mulAddGeneric(a.lo, a.hi, x, w, rep)
}

// MulAddPair adds x0*w to a0 and x1*w to a1: one weight polynomial times both
// halves of a ciphertext.
func MulAddPair(a0, a1 *Acc, x0, x1, w []uint64) {
	r := a0.r
	if r != a1.r {
		panic("BUG: poly: accumulators of different rings")
	}
	r.check(x0, x1)
	rep := r.repeat(w)
	a0.reserve(1)
	a1.reserve(1)
	if r.ifma {
		mulAddPairIFMA(a0, a1, x0, x1, w, rep)
		return
	}
	mulAddGeneric(a0.lo, a0.hi, x0, w, rep)
	mulAddGeneric(a1.lo, a1.hi, x1, w, rep)
}

// DotPair adds the sum over k of x0[k]*w[k] to a0 and of x1[k]*w[k] to a1. The
// accumulators are read and written once for all k, so it pays to collect a few
// inputs. All w[k] have the same length, n or n/S.
func DotPair(a0, a1 *Acc, x0, x1, w [][]uint64) {
	if len(x0) != len(w) || len(x1) != len(w) {
		panic("BUG: poly: DotPair over lists of different lengths")
	}
	for k := range w {
		MulAddPair(a0, a1, x0[k], x1[k], w[k])
	}
}

// Reduce writes the accumulated sum in [0,q). The accumulator keeps its value.
func (a *Acc) Reduce(dst []uint64) {
	r := a.r
	r.check(dst)
	if r.ifma {
		reduceIFMA(&dst[0], &a.lo[0], &a.hi[0], r.n, r.consts())
		return
	}
	for i := range dst {
		dst[i] = r.reduce128(a.hi[i], a.lo[i])
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
