//go:build (amd64 || arm64) && !purego

package poly

import "math/bits"

// forwardFMA runs the levels from the one with m blocks on: one or two, then two
// at a time, then four on blocks of 16.
func (r *Ring) forwardFMA(p []uint64, m int) {
	t, c := &r.fma.fwd, &r.fma.c[0]
	w, s := &t.w[0], &t.s[0]
	size := len(p) / m // of a block
	if bits.Len(uint(size))%2 == 0 {
		fmaForward2First(&p[0], w, s, m, 8*size/2, c)
		m, size = 2*m, size/2
	} else {
		fmaForward4First(&p[0], w, s, m, 8*size/4, c)
		m, size = 4*m, size/4
	}
	for ; size > 16; m, size = 4*m, size/4 {
		fmaForward4(&p[0], w, s, m, 8*size/4, c)
	}
	lanes := t.lanes(m)
	fmaForwardTail(&p[0], w, s, &lanes[0], m, c)
}

// inverseFMA is forwardFMA backwards; the last pass also scales by 1/n.
func (r *Ring) inverseFMA(p []uint64) {
	t, c := &r.fma.inv, &r.fma.c[0]
	w, s := &t.w[0], &t.s[0]
	lanes := t.lanes(r.n / 16)
	fmaInverseTail(&p[0], w, s, &lanes[0], r.n/16, c)
	m := r.n / 64
	for ; m > 1; m /= 4 {
		fmaInverse4(&p[0], w, s, m, 8*r.n/(4*m), c)
	}
	if m == 1 {
		fmaInverseLast4(&p[0], w, s, 8*r.n/4, c, &r.fma.scale[0])
		return
	}
	fmaInverseLast2(&p[0], w, s, 8*r.n/2, c, &r.fma.scale[0])
}

// lanes points to the factors of the two innermost levels, which have 4m and 8m
// blocks, where the blocks of 16 are m.
func (t *fmaTwiddles) lanes(m int) [4]*float64 {
	return [4]*float64{&t.w[4*m], &t.s[4*m], &t.even[8*m], &t.over[8*m]}
}

func (r *Ring) mulFMA(dst, a, b []uint64) { fmaMul(&dst[0], &a[0], &b[0], len(dst), &r.fma.c[0]) }

func (r *Ring) addProductsFMA(dst []uint64, x, w [][]uint64) {
	fmaAddProducts(&dst[0], &x[0], &w[0], len(w), len(dst), &r.fma.c[0])
}

func (a *Acc) fmaStrip(x, w *[]uint64, terms, from, to int, shift uint64) {
	lo, hi, c := &a.lo[0], &a.hi[0], &a.r.fma.c[0]
	switch shift {
	case 0:
		fmaDot(lo, hi, x, w, terms, from, to, shift, c)
	case 1:
		fmaDotTwice(lo, hi, x, w, terms, from, to, shift, c)
	default:
		fmaDotBroadcast(lo, hi, x, w, terms, from, to, shift, c)
	}
}

func fmaPairStrip(a0, a1 *Acc, x0, x1, w *[]uint64, terms, from, to int, shift uint64) {
	l0, h0, l1, h1, c := &a0.lo[0], &a0.hi[0], &a1.lo[0], &a1.hi[0], &a0.r.fma.c[0]
	switch shift {
	case 0:
		fmaDotPair(l0, h0, l1, h1, x0, x1, w, terms, from, to, shift, c)
	case 1:
		fmaDotPairTwice(l0, h0, l1, h1, x0, x1, w, terms, from, to, shift, c)
	default:
		fmaDotPairBroadcast(l0, h0, l1, h1, x0, x1, w, terms, from, to, shift, c)
	}
}
