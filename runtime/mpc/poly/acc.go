package poly

import (
	"fmt"
	"math/bits"
)

// maxProducts is how many products an accumulator takes before it must be
// reduced. IFMA: the low words grow by less than 2^52 a product from a value
// below 2^52, so 4095 products stay below 2^64. FMA: the high words grow by at most 2^51, the
// low ones by less than 2^50, and stay below 2^63. The portable form (128 bits,
// products below 2^100) would allow more; one bound keeps the variants alike.
const maxProducts = 4095

// Long sums go by strips of positions and a few terms at a time: what is read
// again stays in the first-level cache, and no more streams are open than it has
// room for.
const (
	dotStrip = 512
	dotTerms = 8
)

// Acc is a polynomial under accumulation: sums of products that are not reduced
// before Reduce. The two words of a position are the product's halves at bit 52
// (IFMA), at bit 49 with the low half signed (FMA) or at bit 64 (portable). Not safe for
// concurrent use.
type Acc struct {
	r      *Ring
	lo, hi []uint64
	count  int
}

// NewAcc returns an accumulator holding zero.
func (r *Ring) NewAcc() *Acc {
	return &Acc{r: r, lo: newVector(r.n), hi: newVector(r.n)}
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
	if a.r.ifma || a.r.fma != nil { // the low words have room for it: see maxProducts
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
func (a *Acc) MulAdd(x, w []uint64) { a.Dot([][]uint64{x}, [][]uint64{w}) }

// Dot adds the sum over k of x[k]*w[k]. All w[k] have the same length, n or n/S.
// The accumulator is read and written less than once a term, so it pays to
// collect a few.
func (a *Acc) Dot(x, w [][]uint64) { DotMany([]*Acc{a}, [][][]uint64{x}, w) }

// MulAddPair adds x0*w to a0 and x1*w to a1: one weight polynomial times both
// halves of a ciphertext.
func MulAddPair(a0, a1 *Acc, x0, x1, w []uint64) {
	DotPair(a0, a1, [][]uint64{x0}, [][]uint64{x1}, [][]uint64{w})
}

// DotPair is Dot of x0 into a0 and of x1 into a1 with the same factors.
func DotPair(a0, a1 *Acc, x0, x1, w [][]uint64) {
	DotMany([]*Acc{a0, a1}, [][][]uint64{x0, x1}, w)
}

// DotMany adds, to every accumulator j, the sum over k of xs[j][k]*w[k]: many
// polynomials times the same factors, which are read once from memory. The
// accumulators are distinct and of one ring.
func DotMany(accs []*Acc, xs [][][]uint64, w [][]uint64) {
	if len(accs) != len(xs) {
		panic(fmt.Sprintf("BUG: poly: %d accumulators for %d sums", len(accs), len(xs)))
	}
	for j, a := range accs {
		if a.r != accs[0].r {
			panic("BUG: poly: accumulators of different rings")
		}
		a.r.checkTerms(xs[j], w)
	}
	if len(accs) == 0 || len(w) == 0 {
		return
	}
	for k := 0; k < len(w); k += maxProducts - 1 {
		accs[0].r.dotRange(accs, xs, w, k, min(k+maxProducts-1, len(w)))
	}
}

// dotRange adds the terms from <= k < to, fewer than maxProducts.
func (r *Ring) dotRange(accs []*Acc, xs [][][]uint64, w [][]uint64, from, to int) {
	for _, a := range accs {
		a.reserve(to - from)
	}
	rep := r.n / len(w[0])
	if r.ifma || r.fma != nil {
		dotStrips(accs, xs, w, from, to, rep)
		return
	}
	for j, a := range accs {
		for k := from; k < to; k++ {
			mulAddGeneric(a.lo, a.hi, xs[j][k], w[k], rep)
		}
	}
}

// dotStrips adds the products of the terms first <= k < end to every accumulator by
// kernels, two at a time; every w[k] repeats its values rep times.
func dotStrips(accs []*Acc, xs [][][]uint64, w [][]uint64, first, end, rep int) {
	shift, n := uint64(bits.TrailingZeros(uint(rep))), accs[0].r.n
	for from := 0; from < n; from += dotStrip {
		to := min(from+dotStrip, n)
		for k := first; k < end; k += dotTerms {
			terms, j := min(dotTerms, end-k), 0
			for ; j+1 < len(accs); j += 2 {
				pairStrip(accs[j], accs[j+1], &xs[j][k], &xs[j+1][k], &w[k], terms, from, to, shift)
			}
			if j < len(accs) {
				accs[j].strip(&xs[j][k], &w[k], terms, from, to, shift)
			}
		}
	}
}

func (a *Acc) strip(x, w *[]uint64, terms, from, to int, shift uint64) {
	if a.r.ifma {
		a.ifmaStrip(x, w, terms, from, to, shift)
		return
	}
	a.fmaStrip(x, w, terms, from, to, shift)
}

func pairStrip(a0, a1 *Acc, x0, x1, w *[]uint64, terms, from, to int, shift uint64) {
	if a0.r.ifma {
		ifmaPairStrip(a0, a1, x0, x1, w, terms, from, to, shift)
		return
	}
	fmaPairStrip(a0, a1, x0, x1, w, terms, from, to, shift)
}

// AddProducts adds the sum over k of x[k]*w[k] to dst, reduced: the form for a few
// terms, such as the digits of a key switch. dst must not be among the factors.
func (r *Ring) AddProducts(dst []uint64, x, w [][]uint64) {
	r.check(dst)
	r.check(w...)
	r.checkTerms(x, w)
	for len(w) > 0 {
		k := min(len(w), maxProducts-1)
		switch {
		case r.ifma:
			r.addProductsIFMA(dst, x[:k], w[:k])
		case r.fma != nil:
			r.addProductsFMA(dst, x[:k], w[:k])
		default:
			r.addProductsGeneric(dst, x[:k], w[:k])
		}
		x, w = x[k:], w[k:]
	}
}

func (r *Ring) addProductsGeneric(dst []uint64, x, w [][]uint64) {
	for i, lo := range dst {
		var hi uint64
		for k := range w {
			ph, pl := bits.Mul64(x[k][i], w[k][i])
			var c uint64
			lo, c = bits.Add64(lo, pl, 0)
			hi += ph + c
		}
		dst[i] = r.reduce128(hi, lo)
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
	if r.fma != nil {
		a.reduceFMA(dst)
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
		part := x[k*rep : (k+1)*rep]
		l, h := lo[k*rep:][:len(part)], hi[k*rep:][:len(part)]
		for i, v := range part {
			ph, pl := bits.Mul64(v, f)
			var c uint64
			l[i], c = bits.Add64(l[i], pl, 0)
			h[i] += ph + c
		}
	}
}
