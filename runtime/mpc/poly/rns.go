package poly

// Two moduli: what key switching with one special prime needs.

// Lift writes to dst (this ring) the polynomial whose coefficients are the
// centred representatives, in (-p/2,p/2), of src, given in the ring from of the
// same degree. Coefficient domain.
func (r *Ring) Lift(dst, src []uint64, from *Ring) {
	r.check(dst, src)
	from.check(src)
	p, q := from.q, r.q
	half := p / 2
	pMod := p % q
	negP := reduceOnce(q-pMod, q)
	if r.ifma {
		r.liftIFMA(dst, src, half, negP)
		return
	}
	for i, v := range src {
		over := uint64(int64(half-v) >> 63) // v > p/2
		x := mulShoup(v, 1, r.one.s64, q) + (negP & over)
		dst[i] = reduceOnce(reduceOnce(x, 2*q), q)
	}
}

// Rescaler divides by a special prime: from residues modulo q and p it makes
// round(x/p) modulo q.
type Rescaler struct {
	q, p *Ring
	inv  operand // p^-1 mod q
}

// NewRescaler prepares the division by p's modulus in q's ring.
func NewRescaler(q, p *Ring) *Rescaler {
	if q.n != p.n || q.q == p.q {
		panic("BUG: poly: rescaling needs two moduli of one degree")
	}
	return &Rescaler{q: q, p: p, inv: q.operand(powMod(p.q%q.q, q.q-2, q.q))}
}

// Coefficients sets dst = round(x/p) mod q from x's coefficients modulo q (xq)
// and modulo p (xp): (x - lift(x mod p))/p. dst may be xq.
func (s *Rescaler) Coefficients(dst, xq, xp []uint64) {
	lifted := make([]uint64, s.q.n)
	s.q.Lift(lifted, xp, s.p)
	s.finish(dst, xq, lifted)
}

// NTT is Coefficients with xq and dst transformed and xp in coefficients. tmp
// is scratch space of n values.
func (s *Rescaler) NTT(dst, xq, xp, tmp []uint64) {
	s.q.Lift(tmp, xp, s.p)
	s.q.NTT(tmp)
	s.finish(dst, xq, tmp)
}

// finish sets dst = (xq - y)/p.
func (s *Rescaler) finish(dst, xq, y []uint64) {
	s.q.Sub(dst, xq, y)
	s.q.mulOperand(dst, dst, s.inv)
}
