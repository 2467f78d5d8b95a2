package poly

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
	r.inverseGeneric(p)
}

// forward runs the levels from the one with m blocks on. len(p) may be any
// n/S: the tables of the smaller transform are prefixes of the ring's.
func (r *Ring) forward(p []uint64, m int) {
	if r.ifma && len(p) >= ifmaMinForward && m <= len(p)/ifmaMinForward {
		r.forwardIFMA(p, m)
		return
	}
	r.forwardGeneric(p, m)
}

// forwardGeneric is the Cooley-Tukey transform with Harvey's lazy butterflies.
// Range: values enter a level below 4q; the upper one is reduced below 2q, the
// product with the factor is below 2q for any word, so sum and difference
// (+2q) stay below 4q.
func (r *Ring) forwardGeneric(p []uint64, m int) {
	n, q := len(p), r.q
	for t := n / (2 * m); m < n && t > 1; m, t = m*2, t/2 {
		for i := range m {
			w, ws := r.fwd.w[m+i], r.fwd.s64[m+i]
			x := p[2*i*t : (2*i+1)*t]
			y := p[(2*i+1)*t : (2*i+2)*t]
			butterflies(x, y[:len(x)], w, ws, q)
		}
	}
	if m < n {
		r.lastLevelGeneric(p, m)
		return
	}
	for i := range p {
		p[i] = reduceOnce(reduceOnce(p[i], 2*q), q)
	}
}

// butterflies maps (x,y) to (x+wy, x-wy).
func butterflies(x, y []uint64, w, ws, q uint64) {
	q2 := 2 * q
	for j := range x {
		a := reduceOnce(x[j], q2)
		b := mulShoup(y[j], w, ws, q)
		x[j], y[j] = a+b, a+q2-b
	}
}

// lastLevelGeneric is the level of neighbours, with the final reduction.
func (r *Ring) lastLevelGeneric(p []uint64, m int) {
	q, q2 := r.q, 2*r.q
	w, ws := r.fwd.w[m:2*m], r.fwd.s64[m:2*m]
	ws = ws[:len(w)]
	p = p[:2*len(w)]
	for i := range w {
		a := reduceOnce(p[2*i], q2)
		b := mulShoup(p[2*i+1], w[i], ws[i], q)
		p[2*i] = reduceOnce(reduceOnce(a+b, q2), q)
		p[2*i+1] = reduceOnce(reduceOnce(a+q2-b, q2), q)
	}
}

// inverseGeneric is the Gentleman-Sande transform. Range: values stay below
// 2q between levels; n^-1 is folded into the last one.
func (r *Ring) inverseGeneric(p []uint64) {
	n, q := r.n, r.q
	r.firstInverseGeneric(p)
	for m, t := n/4, 2; m > 1; m, t = m/2, t*2 {
		for i := range m {
			x := p[2*i*t : (2*i+1)*t]
			y := p[(2*i+1)*t : (2*i+2)*t]
			inverseButterflies(x, y[:len(x)], r.inv.w[m+i], r.inv.s64[m+i], q)
		}
	}
	q2, a, b := 2*q, r.nInv, r.nInvLast
	x, y := p[:n/2], p[n/2:n]
	y = y[:len(x)]
	for j := range x {
		u, v := x[j], y[j]
		x[j] = reduceOnce(mulShoup(u+v, a.w, a.s64, q), q)
		y[j] = reduceOnce(mulShoup(u+q2-v, b.w, b.s64, q), q)
	}
}

func (r *Ring) firstInverseGeneric(p []uint64) {
	q, q2, m := r.q, 2*r.q, r.n/2
	w, ws := r.inv.w[m:2*m], r.inv.s64[m:2*m]
	ws = ws[:len(w)]
	p = p[:2*len(w)]
	for i := range w {
		u, v := p[2*i], p[2*i+1]
		p[2*i] = reduceOnce(u+v, q2)
		p[2*i+1] = mulShoup(u+q2-v, w[i], ws[i], q)
	}
}

// inverseButterflies maps (x,y) to (x+y, (x-y)w).
func inverseButterflies(x, y []uint64, w, ws, q uint64) {
	q2 := 2 * q
	for j := range x {
		u, v := x[j], y[j]
		x[j] = reduceOnce(u+v, q2)
		y[j] = mulShoup(u+q2-v, w, ws, q)
	}
}
