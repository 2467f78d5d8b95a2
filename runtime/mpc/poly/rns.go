package poly

import (
	"fmt"
	"math/bits"
)

// What key switching needs: two moduli with one special prime, or digits.

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

// Digits writes the balanced digits of src's coefficients, as residues:
//
//	|v - sum_i dst[i]*2^(base*i+drop)| <= 2^(drop-1), dst[i] in [-2^(base-1), 2^(base-1)]
//
// for the centred representative v, whose drop lowest bits are rounded away.
// base*len(dst)+drop must be at least Bits(). Constant-time.
func (r *Ring) Digits(dst [][]uint64, src []uint64, base, drop int) {
	r.check(src)
	r.check(dst...)
	if base < 1 || drop < 0 || base*len(dst)+drop < r.Bits() || base*len(dst)+drop > 62 {
		panic(fmt.Sprintf("BUG: poly: %d digits of %d bits above %d", len(dst), base, drop))
	}
	// With half a digit added at every place (and half of the lowest place, to
	// round) all digits are plain bit fields, half a digit too large.
	offset := uint64(1) << drop >> 1
	for i := range dst {
		offset += 1 << (base*i + base - 1 + drop)
	}
	for i := range dst {
		d := digitOf{offset: offset, shift: uint64(base*i + drop), mask: 1<<base - 1, centre: 1 << base >> 1}
		if i == len(dst)-1 {
			d.mask = ^uint64(0) // the largest value carries out of the top digit
		}
		if r.lanes > 0 {
			r.digitLanes(dst[i], src, d)
			continue
		}
		for j, v := range src {
			_, over := bits.Sub64(r.q/2, v, 0)
			v += d.offset - r.q&-over
			dst[i][j] = r.fromSigned(int64(v>>d.shift&d.mask) - int64(d.centre))
		}
	}
}

// digitOf selects one bit field.
type digitOf struct{ offset, shift, mask, centre uint64 }
