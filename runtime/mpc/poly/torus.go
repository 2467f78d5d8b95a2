package poly

import (
	"fmt"
	"math/bits"
)

// MaxTorusBits bounds l in the maps between Z_{2^l} and Z_q.
const MaxTorusBits = 62

// Encode sets dst[i] = round(q*x[i]/2^l) mod q for x[i] in Z_{2^l}; bits of x
// above l are ignored. Halves round up. Any common length.
func (r *Ring) Encode(dst, x []uint64, l int) {
	checkTorus(l, len(dst), len(x))
	if r.lanes > 0 {
		n := r.encodeLanes(dst, x, l, false)
		dst, x = dst[n:], x[n:]
	}
	for i, v := range x {
		dst[i] = r.encode(v, l)
	}
}

// EncodeAdd sets dst[i] += round(q*x[i]/2^l) mod q.
func (r *Ring) EncodeAdd(dst, x []uint64, l int) {
	checkTorus(l, len(dst), len(x))
	if r.lanes > 0 {
		n := r.encodeLanes(dst, x, l, true)
		dst, x = dst[n:], x[n:]
	}
	for i, v := range x {
		dst[i] = reduceOnce(dst[i]+r.encode(v, l), r.q)
	}
}

func (r *Ring) encode(v uint64, l int) uint64 {
	hi, lo := bits.Mul64(v&(1<<l-1), r.q)
	lo, c := bits.Add64(lo, 1<<l>>1, 0)
	hi += c
	return reduceOnce(hi<<(64-l)|lo>>l, r.q) // x near 2^l rounds to q = 0
}

// Round sets dst[i] = round(v[i]*2^b/q) mod 2^b for v[i] in [0,q), exactly (q is
// odd: there are no halves). Any common length.
//
// With inv = floor(2^(63+m)/q), m the bits of q, the estimate
// v*inv >> (63+m-b) is below v*2^b/q by less than 1+2^(b-63) <= 3/2: it is to
// be raised by one or by nothing, as the remainder shows.
func (r *Ring) Round(dst, v []uint64, b int) {
	checkTorus(b, len(dst), len(v))
	if r.lanes > 0 {
		n := r.roundLanes(dst, v, b)
		dst, v = dst[n:], v[n:]
	}
	q := r.q
	m := bits.Len64(q)
	inv, _ := bits.Div64(1<<(m-1), 0, q)
	half := q/2 + 1
	shift, mask := uint(63+m-b), uint64(1)<<b-1
	for i, x := range v {
		hi, lo := bits.Mul64(x, inv)
		// Shifts past the word give zero: this is the 128-bit shift for any distance.
		e := lo>>shift | hi<<(64-shift) | hi>>(shift-64)
		rem := x<<b - e*q
		_, below := bits.Sub64(rem, half, 0)
		dst[i] = (e + 1 - below) & mask
	}
}

// DropLow sets dst[i] = v[i] >> j. Any common length.
func (r *Ring) DropLow(dst, v []uint64, j int) {
	v = v[:len(dst)]
	if r.lanes > 0 {
		n := r.dropLanes(dst, v, j)
		dst, v = dst[n:], v[n:]
	}
	for i, x := range v {
		dst[i] = x >> j
	}
}

// DroppedBound returns the number of values DropLow can give for [0,q): what a
// receiver checks with AllBelow.
func (r *Ring) DroppedBound(j int) uint64 { return (r.q-1)>>j + 1 }

// RestoreLow sets dst[i] to the middle of the values that DropLow maps to v[i]:
// within 2^(j-1) of the original. v[i] must be below DroppedBound(j).
func (r *Ring) RestoreLow(dst, v []uint64, j int) {
	v = v[:len(dst)]
	if r.lanes > 0 {
		n := r.restoreLanes(dst, v, j)
		dst, v = dst[n:], v[n:]
	}
	mid := uint64(1) << j >> 1
	for i, x := range v {
		dst[i] = reduceOnce(x<<j|mid, r.q)
	}
}

func checkTorus(l, n, m int) {
	if l < 1 || l > MaxTorusBits || n != m {
		panic(fmt.Sprintf("BUG: poly: rounding %d values into %d at %d bits", m, n, l))
	}
}
