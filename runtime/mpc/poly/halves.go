package poly

import (
	"math"
	"math/bits"
)

// WebAssembly multiplies 64 by 64 bits to 64: the upper half of a product takes four products and
// a dozen additions and shifts. Here the value is cut at bit 26 instead, and each half has a factor
// and a quotient of its own: five products, exact modulo 2^64, and values may be negative, so that
// butterflies add and subtract without a reduction. Everything here is of the ring, public.

// halvesTables is what the variant Halves reads.
type halvesTables struct {
	fwd, inv        []halves // as twiddles.w
	scale, lastLast halves   // 1/n; and times the factor of the last inverse level
	shift           uint     // reduce drops so many bits,
	over            uint64   // and multiplies by 2^(shift+halvesQuotient)/q
	lift            uint64   // a multiple of q that no lazy value is below the negative of
	round           uint64   // q * (the bits of halvesRound)
	inverse         float64  // 1/q
}

// halved is a ring's kernels of the variant Halves.
type halved struct{ *Ring }

func newHalved(r *Ring) ringKernels {
	r.halves = r.newHalvesTables()
	return halved{r}
}

func (h halved) forward(p []uint64, m int) { h.forwardHalves(p, m) }
func (h halved) inverse(p []uint64)        { h.inverseHalves(p) }
func (h halved) mul(dst, a, b []uint64)    { h.mulHalves(dst, a, b) }

// halves is a factor w with 2^26 w mod q, and of both floor(2^32 times it / q).
type halves struct{ high, low, highOver, lowOver uint64 }

const (
	halvesCut      = 26
	halvesQuotient = 56
	// halvesLift times q is more than what a transform of 2^16 values lets a lazy value be: q, and
	// 1.27q at each of 16 levels.
	halvesLift = 22
	// halvesRound added to a float64 of magnitude at most 2^51 makes its lowest bits an integer.
	halvesRound = 3 << 51
)

func (r *Ring) newHalvesTables() *halvesTables {
	t := &halvesTables{fwd: r.halvesTwiddles(r.fwd.w), inv: r.halvesTwiddles(r.inv.w)}
	t.scale, t.lastLast = r.halvesOf(r.nInv.w), r.halvesOf(r.nInvLast.w)
	t.shift = uint(max(0, r.Bits()-halvesCut))
	t.over, _ = bits.Div64(1<<(t.shift+halvesQuotient-64), 1<<(t.shift+halvesQuotient), r.q)
	t.lift, t.round, t.inverse = halvesLift*r.q, r.q*math.Float64bits(halvesRound), 1/float64(r.q)
	return t
}

func (r *Ring) halvesOf(w uint64) halves {
	high := mulMod(w, 1<<halvesCut, r.q)
	return halves{high, w, shoup64(high, r.q) >> 32, shoup64(w, r.q) >> 32}
}

func (r *Ring) halvesTwiddles(w []uint64) []halves {
	t := make([]halves, len(w))
	for i, x := range w {
		t[i] = r.halvesOf(x)
	}
	return t
}

// times returns w*x modulo q in (-q/4, 1.27q), for |x| < 2^56 as a signed number. With x = 2^26 h + l
// the quotient is floor((h*highOver + l*lowOver)/2^32), which falls short of the true one by less
// than 1 + (h+l)/2^32 and exceeds it, where h is negative, by less than -h/2^32 <= 1/4.
func (w *halves) times(x, q uint64) uint64 {
	h, l := uint64(int64(x)>>halvesCut), x&(1<<halvesCut-1)
	over := uint64(int64(h*w.highOver+l*w.lowOver) >> 32)
	return h*w.high + l*w.low - over*q
}

// reduce returns x in [0,q), for |x| <= 21.4q. Lifted, it is below 43.4q < 2^(shift+31.5), the
// product below 2^63, and the quotient short by less than 1 + 2^-24.
func (t *halvesTables) reduce(x, q uint64) uint64 {
	x += t.lift
	return reduceOnce(x-x>>t.shift*t.over>>halvesQuotient*q, q)
}

// forwardHalves is forwardGeneric; values stay below 1.27q times the number of levels, and q.
func (r *Ring) forwardHalves(p []uint64, m int) {
	n := len(p)
	if (bits.Len(uint(n/m))-1)&1 == 1 {
		t := n / (2 * m)
		for i := range m {
			r.halves.butterflies(p[2*i*t:(2*i+1)*t], p[(2*i+1)*t:(2*i+2)*t], &r.halves.fwd[m+i], r.q)
		}
		m *= 2
	}
	for ; 4*m < n; m *= 4 {
		r.halves.forwardLevels(p, m, r.q)
	}
	if m < n {
		r.halves.forwardLast(p, r.q)
		return
	}
	for i, x := range p {
		p[i] = r.halves.reduce(x, r.q)
	}
}

func (*halvesTables) butterflies(x, y []uint64, w *halves, q uint64) {
	y = y[:len(x)]
	f := *w
	for j, u := range x {
		v := f.times(y[j], q)
		x[j], y[j] = u+v, u-v
	}
}

// forwardLevels makes the levels of m and of 2m blocks.
func (t *halvesTables) forwardLevels(p []uint64, m int, q uint64) {
	n := len(p) / (4 * m)
	w, pairs := t.fwd[m:2*m], t.fwd[2*m:4*m]
	for i := range w {
		b := p[4*i*n : (4*i+4)*n]
		c0, c1, c2, c3 := b[:n], b[n:2*n], b[2*n:3*n], b[3*n:4*n]
		w1, w2, w3 := w[i], pairs[2*i], pairs[2*i+1]
		for j, x0 := range c0 {
			x1, x2, x3 := c1[j], w1.times(c2[j], q), w1.times(c3[j], q)
			x0, x2 = x0+x2, x0-x2
			x1, x3 = w2.times(x1+x3, q), w3.times(x1-x3, q)
			c0[j], c1[j], c2[j], c3[j] = x0+x1, x0-x1, x2+x3, x2-x3
		}
	}
}

// forwardLast makes the last two levels, of blocks of four values, and reduces.
func (t *halvesTables) forwardLast(p []uint64, q uint64) {
	m := len(p) / 4
	w, pairs := t.fwd[m:2*m], t.fwd[2*m:4*m]
	for i := range w {
		b, w1, w2, w3 := p[4*i:4*i+4:4*i+4], &w[i], &pairs[2*i], &pairs[2*i+1]
		x0, x1, x2, x3 := b[0], b[1], w1.times(b[2], q), w1.times(b[3], q)
		x0, x2 = x0+x2, x0-x2
		x1, x3 = w2.times(x1+x3, q), w3.times(x1-x3, q)
		b[0], b[1], b[2], b[3] = t.reduce(x0+x1, q), t.reduce(x0-x1, q), t.reduce(x2+x3, q), t.reduce(x2-x3, q)
	}
}

// inverseHalves is inverseGeneric. Between two levels' passes values are below 2.54q: sums of two
// products, products, and sums of four that are reduced.
func (r *Ring) inverseHalves(p []uint64) {
	n, m, t := r.n, r.n/16, r.halves
	t.inverseFirst(p, r.q)
	for ; m > 1; m /= 4 {
		t.inverseLevels(p, m, r.q)
	}
	if m == 1 { // two levels left: one, and the last
		for i := range 2 {
			x, y := p[i*n/2:i*n/2+n/4], p[i*n/2+n/4:(i+1)*n/2]
			w := t.inv[2+i]
			for j, u := range x {
				v := y[j]
				x[j], y[j] = u+v, w.times(u-v, r.q)
			}
		}
	}
	x, y := p[:n/2], p[n/2:]
	for j, u := range x {
		v := y[j]
		x[j], y[j] = positive(t.scale.times(u+v, r.q), r.q), positive(t.lastLast.times(u-v, r.q), r.q)
	}
}

// positive maps (-q,2q) to [0,q).
func positive(x, q uint64) uint64 { return reduceOnce(x+q&uint64(int64(x)>>63), q) }

// inverseFirst makes the first two levels, of blocks of four values.
func (t *halvesTables) inverseFirst(p []uint64, q uint64) {
	m := len(p) / 4
	w, pairs := t.inv[m:2*m], t.inv[2*m:4*m]
	for i := range w {
		b, w1, w2, w3 := p[4*i:4*i+4:4*i+4], &w[i], &pairs[2*i], &pairs[2*i+1]
		x0, x1 := b[0]+b[1], w2.times(b[0]-b[1], q)
		x2, x3 := b[2]+b[3], w3.times(b[2]-b[3], q)
		b[0], b[1], b[2], b[3] = t.reduce(x0+x2, q), x1+x3, w1.times(x0-x2, q), w1.times(x1-x3, q)
	}
}

func (t *halvesTables) inverseLevels(p []uint64, m int, q uint64) {
	n := len(p) / (4 * m)
	w, pairs := t.inv[m:2*m], t.inv[2*m:4*m]
	for i := range w {
		b := p[4*i*n : (4*i+4)*n]
		c0, c1, c2, c3 := b[:n], b[n:2*n], b[2*n:3*n], b[3*n:4*n]
		w1, w2, w3 := w[i], pairs[2*i], pairs[2*i+1]
		for j, x0 := range c0 {
			x1, x2, x3 := c1[j], c2[j], c3[j]
			x0, x1 = x0+x1, w2.times(x0-x1, q)
			x2, x3 = x2+x3, w3.times(x2-x3, q)
			c0[j], c1[j], c2[j], c3[j] = t.reduce(x0+x2, q), x1+x3, w1.times(x0-x2, q), w1.times(x1-x3, q)
		}
	}
}

// mulHalves rounds the quotient in double precision: off by less than 7/8 for q < 2^50, three
// roundings of 2^-53 of it each, and one to an integer.
func (r *Ring) mulHalves(dst, a, b []uint64) {
	q, round, inverse := r.q, r.halves.round, r.halves.inverse
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		x, y := a[i], b[i]
		over := math.Float64bits(float64(int64(x))*inverse*float64(int64(y)) + halvesRound)
		d := x*y - over*q + round
		dst[i] = d + q&uint64(int64(d)>>63)
	}
}
