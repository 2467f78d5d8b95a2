package poly

import (
	"fmt"
	"math/bits"
	"unsafe"
)

// MaxModulusBits bounds q: lazy values below 4q must fit the 52 bits that an
// IFMA multiplier reads.
const MaxModulusBits = 50

// MaxDegree is the largest degree a Ring accepts.
const MaxDegree = 1 << 16

// Ring is Z_q[X]/(X^n+1) with its tables. It is immutable and safe for
// concurrent use.
type Ring struct {
	n, logN int
	q       uint64
	psi     uint64 // primitive 2n-th root of unity
	variant Variant
	ifma    bool
	fma     *fmaTables    // of the variant FMA
	halves  *halvesTables // of the variant Halves,
	brought ringKernels   // which does this
	lanes   int           // of elementwise kernels; 0 if there are none

	fwd, inv twiddles
	nInv     operand // n^-1
	nInvLast operand // n^-1 times the factor of the last inverse level
	r52      operand // 2^52
	r64      operand // 2^64
	r104     operand // 2^104
	one      operand // 1: reduction of an arbitrary word
}

// operand is a constant factor w < q with its Shoup quotients for 64-bit and
// 52-bit arithmetic.
type operand struct{ w, s64, s52 uint64 }

// twiddles holds, for every level with m blocks, the factors at [m,2m).
type twiddles struct {
	w, s64, s52 []uint64
	// The two innermost levels work on transposed blocks of 8 vectors: there
	// lane j of a register belongs to vector j, so the factors are regrouped.
	w2, s2 []uint64 // deinterleaved by 2 within groups of 16
	w4, s4 []uint64 // deinterleaved by 4 within groups of 32
}

// Option adjusts a Ring.
type Option func(*Ring)

// WithVariant forces the kernels; NewRing fails if they cannot run here.
func WithVariant(v Variant) Option { return func(r *Ring) { r.variant = v } }

// NewRing returns the ring of degree n (a power of two, at least 16) modulo the
// prime q = 1 mod 2n, q < 2^50.
func NewRing(n int, q uint64, opts ...Option) (*Ring, error) {
	if n < 16 || n > MaxDegree || n&(n-1) != 0 {
		return nil, fmt.Errorf("poly: degree %d is not a power of two in [16,%d]", n, MaxDegree)
	}
	if bits.Len64(q) > MaxModulusBits || q < 3 || (q-1)%uint64(2*n) != 0 || !isPrime(q) {
		return nil, fmt.Errorf("poly: modulus %d is not a prime below 2^%d that is 1 mod %d", q, MaxModulusBits, 2*n)
	}
	r := &Ring{n: n, logN: bits.Len(uint(n)) - 1, q: q}
	for _, o := range opts {
		o(r)
	}
	if !r.variant.Available() {
		return nil, fmt.Errorf("poly: variant %v cannot run on this processor or build", r.variant)
	}
	r.variant = r.variant.resolve()
	r.fill()
	switch r.variant {
	case Halves:
		r.brought = bringHalves(r)
	case IFMA:
		r.ifma, r.lanes = true, ifmaLanes
	case FMA:
		r.fma, r.lanes = r.newFMATables(), fmaLanes
	}
	return r, nil
}

// fill computes every table.
func (r *Ring) fill() {
	n, q := r.n, r.q
	r.psi = powMod(primitiveRoot(q), (q-1)/uint64(2*n), q)
	r.fwd = r.newTwiddles(r.psi)
	r.inv = r.newTwiddles(powMod(r.psi, q-2, q))
	nInv := powMod(uint64(n), q-2, q)
	r.nInv = r.operand(nInv)
	r.nInvLast = r.operand(mulMod(nInv, r.inv.w[1], q))
	r.r52 = r.operand(powMod(2, 52, q))
	r.r64 = r.operand(powMod(2, 64, q))
	r.r104 = r.operand(powMod(2, 104, q))
	r.one = r.operand(1)
}

func (r *Ring) operand(w uint64) operand {
	return operand{w: w, s64: shoup64(w, r.q), s52: shoup52(w, r.q)}
}

// newTwiddles tabulates root^brv(i). Bit reversal over log n bits makes the
// table of degree n/S with root^S a prefix of this one, which is what lets
// polynomials in X^S use the same tables.
func (r *Ring) newTwiddles(root uint64) twiddles {
	n := r.n
	t := twiddles{w: make([]uint64, n), s64: make([]uint64, n), s52: make([]uint64, n)}
	p := uint64(1)
	for i := range n {
		j := r.reverse(i)
		t.w[j], t.s64[j], t.s52[j] = p, shoup64(p, r.q), shoup52(p, r.q)
		p = mulMod(p, root, r.q)
	}
	t.w2, t.s2 = regroup(t.w, 2, 8), regroup(t.s52, 2, 8)
	t.w4, t.s4 = regroup(t.w, 4, 8), regroup(t.s52, 4, 8)
	return t
}

// regroup deinterleaves every group of lanes*k values by k: [h][j] = src[k*j+h].
func regroup[T uint64 | float64](src []T, k, lanes int) []T {
	dst := make([]T, len(src))
	for g := 0; g+lanes*k <= len(src); g += lanes * k {
		for o := range lanes * k {
			dst[g+o%k*lanes+o/k] = src[g+o]
		}
	}
	return dst
}

// reverse returns the log n bits of i in reverse order.
func (r *Ring) reverse(i int) int {
	return int(bits.Reverse64(uint64(i)) >> (64 - r.logN))
}

// N returns the degree.
func (r *Ring) N() int { return r.n }

// LogN returns the logarithm of the degree.
func (r *Ring) LogN() int { return r.logN }

// Q returns the modulus.
func (r *Ring) Q() uint64 { return r.q }

// Bits returns the number of bits of the modulus.
func (r *Ring) Bits() int { return bits.Len64(r.q) }

// Variant returns the kernels in use.
func (r *Ring) Variant() Variant { return r.variant }

// whole rounds n down to what fills the elementwise kernels' vectors.
func (r *Ring) whole(n int) int { return n &^ (r.lanes - 1) }

// ifmaLanes is how many lanes the elementwise kernels of the variant IFMA have.
const ifmaLanes = 8

// NewPoly returns a zero polynomial. Prefer it to make: it spreads polynomials
// over the sets of the first-level cache.
func (r *Ring) NewPoly() []uint64 { return newVector(r.n) }

// cachePeriod is the distance in words at which addresses share a cache set.
const cachePeriod = 512

// newVector allocates n words. Large allocations begin on pages, so that equal
// positions of many polynomials, which sums of products read together, would
// share one cache set; an offset derived from the address avoids that.
func newVector(n int) []uint64 {
	if n < 4*cachePeriod {
		return make([]uint64, n)
	}
	p := make([]uint64, n+cachePeriod)
	page := uintptr(unsafe.Pointer(&p[0])) >> 12
	skip := int(page*5%(cachePeriod/8)) * 8
	return p[skip : skip+n : skip+n]
}

// check panics unless every polynomial has the ring's length.
func (r *Ring) check(ps ...[]uint64) {
	for _, p := range ps {
		if len(p) != r.n {
			panic(fmt.Sprintf("BUG: poly: polynomial of %d values in a ring of degree %d", len(p), r.n))
		}
	}
}
