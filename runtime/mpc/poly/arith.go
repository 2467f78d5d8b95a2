package poly

import "math/bits"

// Add sets dst = a + b. dst may be a or b, here and below.
func (r *Ring) Add(dst, a, b []uint64) {
	r.check(dst, a, b)
	if r.lanes > 0 {
		r.addLanes(dst, a, b)
		return
	}
	for i := range dst {
		dst[i] = reduceOnce(a[i]+b[i], r.q)
	}
}

// Sub sets dst = a - b.
func (r *Ring) Sub(dst, a, b []uint64) {
	r.check(dst, a, b)
	if r.lanes > 0 {
		r.subLanes(dst, a, b)
		return
	}
	for i := range dst {
		dst[i] = reduceOnce(a[i]+r.q-b[i], r.q)
	}
}

// Neg sets dst = -a.
func (r *Ring) Neg(dst, a []uint64) {
	r.check(dst, a)
	if r.lanes > 0 {
		r.negLanes(dst, a)
		return
	}
	for i := range dst {
		dst[i] = reduceOnce(r.q-a[i], r.q)
	}
}

// Mul sets dst = a * b position by position: the polynomial product of
// transformed polynomials.
func (r *Ring) Mul(dst, a, b []uint64) {
	r.check(dst, a, b)
	if r.ifma {
		r.mulIFMA(dst, a, b)
		return
	}
	if r.fma != nil {
		r.mulFMA(dst, a, b)
		return
	}
	if r.brought != nil {
		r.brought.mul(dst, a, b)
		return
	}
	for i := range dst {
		hi, lo := bits.Mul64(a[i], b[i])
		dst[i] = r.reduce128(hi, lo)
	}
}

// MulScalar sets dst = c * a for a public c (its quotient takes a division).
func (r *Ring) MulScalar(dst, a []uint64, c uint64) {
	r.check(dst, a)
	r.mulOperand(dst, a, r.operand(c%r.q))
}

// mulOperand sets dst = w * a.
func (r *Ring) mulOperand(dst, a []uint64, w operand) {
	if r.ifma {
		mulOperandIFMA(dst, a, w, r.q)
		return
	}
	for i := range dst {
		dst[i] = reduceOnce(mulShoup(a[i], w.w, w.s64, r.q), r.q)
	}
}

// FromSigned sets dst from coefficients |v| < q.
func (r *Ring) FromSigned(dst []uint64, v []int64) {
	r.check(dst)
	_ = v[r.n-1]
	for i := range dst {
		dst[i] = r.fromSigned(v[i])
	}
}

// ToSigned sets dst to the representatives of p in (-q/2, q/2). Any common
// length.
func (r *Ring) ToSigned(dst []int64, p []uint64) {
	half := r.q / 2
	for i, v := range p[:len(dst)] {
		over := int64(half-v) >> 63
		dst[i] = int64(v) - int64(r.q)&over
	}
}

// AllBelow reports whether every value is below bound, in time that depends on
// the length only. bound must not exceed 2^63; values may be anything.
func AllBelow(v []uint64, bound uint64) bool {
	var bad uint64
	for _, x := range v {
		_, borrow := bits.Sub64(x, bound, 0)
		bad |= borrow ^ 1
	}
	return bad == 0
}

// reduce128 reduces hi*2^64+lo modulo q, for any words: each half is multiplied
// by its constant into [0,2q), the sum is below 4q.
func (r *Ring) reduce128(hi, lo uint64) uint64 {
	q := r.q
	x := mulShoup(hi, r.r64.w, r.r64.s64, q) + mulShoup(lo, 1, r.one.s64, q)
	return reduceOnce(reduceOnce(x, 2*q), q)
}
