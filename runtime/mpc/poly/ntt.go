package poly

import "math/bits"

// NTT transforms p in place: canonical coefficients in, canonical values out.
func (r *Ring) NTT(p []uint64) {
	r.check(p)
	r.forward(p, 1)
}

// InvNTT is the inverse of NTT.
func (r *Ring) InvNTT(p []uint64) {
	r.check(p)
	if r.ifma && r.n >= ifmaMinInverse {
		r.inverseIFMA(p)
		return
	}
	if r.fma != nil && r.n >= fmaMin {
		r.inverseFMA(p)
		return
	}
	if r.brought != nil {
		r.brought.inverse(p)
		return
	}
	r.inverseGeneric(p)
}

// forward runs the levels from the one with m blocks on. len(p) may be any
// n/S: the tables of the smaller transform are prefixes of the ring's.
func (r *Ring) forward(p []uint64, m int) {
	if r.ifma && len(p) >= ifmaMinForward && m <= len(p)/ifmaMinForward {
		r.forwardIFMA(p, m)
		return
	}
	if r.fma != nil && m <= len(p)/fmaMin {
		r.forwardFMA(p, m)
		return
	}
	if r.brought != nil {
		r.brought.forward(p, m)
		return
	}
	r.forwardGeneric(p, m)
}

// forwardGeneric is the Cooley-Tukey transform with Harvey's lazy butterflies,
// two levels at a time. Range: values enter a level below 4q; the upper one is
// reduced below 2q, the product with the factor is below 2q for any word, so sum
// and difference (+2q) stay below 4q.
func (r *Ring) forwardGeneric(p []uint64, m int) {
	n := len(p)
	levels := bits.Len(uint(n/m)) - 1
	if levels&1 == 1 {
		t := n / (2 * m)
		for i := range m {
			butterflies(p[2*i*t:(2*i+1)*t], p[(2*i+1)*t:(2*i+2)*t], r.fwd.w[m+i], r.fwd.s64[m+i], r.q)
		}
		m *= 2
	}
	for ; m < n; m *= 4 {
		t := n / (4 * m) // distance of the four columns
		for i := range m {
			b := p[4*i*t : (4*i+4)*t]
			if t == 1 {
				r.lastForward(b, m+i)
				continue
			}
			r.forwardColumns(b[:t], b[t:2*t], b[2*t:3*t], b[3*t:], m+i)
		}
	}
	if levels == 1 { // no last four to reduce
		r.reduce4q(p)
	}
}

func (r *Ring) reduce4q(p []uint64) {
	for i := range p {
		p[i] = reduceOnce(reduceOnce(p[i], 2*r.q), r.q)
	}
}

// butterfly returns (x+wy, x-wy).
func butterfly(x, y, w, ws, q uint64) (uint64, uint64) {
	a, b := reduceOnce(x, 2*q), mulShoup(y, w, ws, q)
	return a + b, a + 2*q - b
}

func butterflies(x, y []uint64, w, ws, q uint64) {
	y = y[:len(x)]
	for j := range x {
		x[j], y[j] = butterfly(x[j], y[j], w, ws, q)
	}
}

// forwardColumns makes two levels on a block of four columns; k is the index of
// its factor in the upper one.
func (r *Ring) forwardColumns(c0, c1, c2, c3 []uint64, k int) {
	q, w, s := r.q, r.fwd.w, r.fwd.s64
	w1, s1, w2, s2, w3, s3 := w[k], s[k], w[2*k], s[2*k], w[2*k+1], s[2*k+1]
	c1, c2, c3 = c1[:len(c0)], c2[:len(c0)], c3[:len(c0)]
	for j := range c0 {
		x0, x2 := butterfly(c0[j], c2[j], w1, s1, q)
		x1, x3 := butterfly(c1[j], c3[j], w1, s1, q)
		c0[j], c1[j] = butterfly(x0, x1, w2, s2, q)
		c2[j], c3[j] = butterfly(x2, x3, w3, s3, q)
	}
}

// lastForward makes the last two levels on four values, and reduces.
func (r *Ring) lastForward(b []uint64, k int) {
	q, w, s := r.q, r.fwd.w, r.fwd.s64
	_ = b[3]
	x0, x2 := butterfly(b[0], b[2], w[k], s[k], q)
	x1, x3 := butterfly(b[1], b[3], w[k], s[k], q)
	x0, x1 = butterfly(x0, x1, w[2*k], s[2*k], q)
	x2, x3 = butterfly(x2, x3, w[2*k+1], s[2*k+1], q)
	b[0], b[1] = reduceOnce(reduceOnce(x0, 2*q), q), reduceOnce(reduceOnce(x1, 2*q), q)
	b[2], b[3] = reduceOnce(reduceOnce(x2, 2*q), q), reduceOnce(reduceOnce(x3, 2*q), q)
}

// inverseGeneric is the Gentleman-Sande transform, two levels at a time. Range:
// values stay below 2q between levels; n^-1 is folded into the last one.
func (r *Ring) inverseGeneric(p []uint64) {
	n, m := r.n, r.n/4 // m: blocks of the upper of two levels
	for ; m > 1; m /= 4 {
		t := n / (4 * m)
		for i := range m {
			b := p[4*i*t : (4*i+4)*t]
			r.inverseColumns(b[:t], b[t:2*t], b[2*t:3*t], b[3*t:], m+i)
		}
	}
	if m == 1 { // two levels left: one, and the last
		for i := range 2 {
			b := p[i*n/2 : (i+1)*n/2]
			inverseButterflies(b[:n/4], b[n/4:], r.inv.w[2+i], r.inv.s64[2+i], r.q)
		}
	}
	r.lastInverse(p[:n/2], p[n/2:])
}

// lastInverse is the level of the two halves, scaled and reduced.
func (r *Ring) lastInverse(x, y []uint64) {
	q, a, b := r.q, r.nInv, r.nInvLast
	y = y[:len(x)]
	for j := range x {
		u, v := x[j], y[j]
		x[j] = reduceOnce(mulShoup(u+v, a.w, a.s64, q), q)
		y[j] = reduceOnce(mulShoup(u+2*q-v, b.w, b.s64, q), q)
	}
}

// inverseButterfly returns (x+y, (x-y)w).
func inverseButterfly(x, y, w, ws, q uint64) (uint64, uint64) {
	return reduceOnce(x+y, 2*q), mulShoup(x+2*q-y, w, ws, q)
}

func inverseButterflies(x, y []uint64, w, ws, q uint64) {
	y = y[:len(x)]
	for j := range x {
		x[j], y[j] = inverseButterfly(x[j], y[j], w, ws, q)
	}
}

// inverseColumns makes two levels on a block of four columns.
func (r *Ring) inverseColumns(c0, c1, c2, c3 []uint64, k int) {
	q, w, s := r.q, r.inv.w, r.inv.s64
	w1, s1, w2, s2, w3, s3 := w[k], s[k], w[2*k], s[2*k], w[2*k+1], s[2*k+1]
	c1, c2, c3 = c1[:len(c0)], c2[:len(c0)], c3[:len(c0)]
	for j := range c0 {
		x0, x1 := inverseButterfly(c0[j], c1[j], w2, s2, q)
		x2, x3 := inverseButterfly(c2[j], c3[j], w3, s3, q)
		c0[j], c2[j] = inverseButterfly(x0, x2, w1, s1, q)
		c1[j], c3[j] = inverseButterfly(x1, x3, w1, s1, q)
	}
}
