package poly

import (
	"fmt"
	"math/bits"
)

// Support is the public structure of a family of weight polynomials: where
// their coefficients may be non-zero. It finds by itself what makes the
// transform cheap:
//
//   - all positions multiples of S (a power of two): f = g(X^S), whose transform
//     is that of g with every value repeated S times;
//   - all positions (divided by S) below a power of two B: the first
//     log(n/(S*B)) levels only copy.
//
// Position p in [n,2n) stands for -X^(p-n), as X^n = -1.
type Support struct {
	n, stride, block int
	pos              []int32
	sign             []int64 // 0, or -1 where the coefficient is negated
}

// NewSupport analyses positions, which must be distinct modulo n and in [0,2n).
func (r *Ring) NewSupport(positions []int) (*Support, error) {
	s := &Support{n: r.n, pos: make([]int32, len(positions)), sign: make([]int64, len(positions))}
	seen := make([]bool, r.n)
	or := r.n // no position: the stride is n
	for i, p := range positions {
		if p < 0 || p >= 2*r.n || seen[p&(r.n-1)] {
			return nil, fmt.Errorf("poly: support position %d (at %d) is outside [0,%d) or repeated", p, i, 2*r.n)
		}
		s.sign[i] = -int64(p >> r.logN)
		p &= r.n - 1
		seen[p] = true
		or |= p
		s.pos[i] = int32(p)
	}
	s.stride = or & -or
	last := 0
	for i := range s.pos {
		s.pos[i] /= int32(s.stride)
		last = max(last, int(s.pos[i]))
	}
	s.block = 1 << bits.Len(uint(last))
	return s, nil
}

// Len returns the number of coefficients.
func (s *Support) Len() int { return len(s.pos) }

// Stride returns S: the polynomials are polynomials in X^S.
func (s *Support) Stride() int { return s.stride }

// Block returns B: in terms of X^S, the coefficients lie below degree B.
func (s *Support) Block() int { return s.block }

// CompactLen returns n/S, the number of distinct values of a transform.
func (s *Support) CompactLen() int { return s.n / s.stride }

// NTTWeights writes the transform of the polynomial with small signed
// coefficients w at the positions of s, |w| < q. dst has length n, or n/S for
// the compact form, in which every value stands for S equal neighbours;
// MulAdd and its relatives take either.
func (r *Ring) NTTWeights(dst []uint64, w []int32, s *Support) {
	k := s.CompactLen()
	if s.n != r.n || len(w) != len(s.pos) || (len(dst) != k && len(dst) != r.n) {
		panic(fmt.Sprintf("BUG: poly: %d weights for a support of %d, destination of %d for %d of %d", len(w), len(s.pos), len(dst), k, r.n))
	}
	c := dst[:k]
	block := r.firstBlock(s.block, k)
	clear(c[:block])
	for i, p := range s.pos {
		v := (int64(w[i]) ^ s.sign[i]) - s.sign[i]
		c[p] = r.fromSigned(v)
	}
	for b := block; b < k; b *= 2 {
		copy(c[b:2*b], c[:b])
	}
	r.forward(c, k/block)
	if len(dst) == r.n && s.stride > 1 {
		r.spread(dst, k)
	}
}

// firstBlock widens a block to what the kernels can start from.
func (r *Ring) firstBlock(block, k int) int {
	if r.ifma && k >= ifmaMinForward {
		return max(block, ifmaMinForward)
	}
	if r.fma != nil && k >= fmaMin {
		return max(block, fmaMin)
	}
	return block
}

// fromSigned maps v in (-q,q) to [0,q).
func (r *Ring) fromSigned(v int64) uint64 { return uint64(v) + (r.q & uint64(v>>63)) }

// spread repeats each of the first k values of p n/k times, in place.
func (r *Ring) spread(p []uint64, k int) {
	s := r.n / k
	if r.ifma {
		spreadIFMA(p, s)
		return
	}
	for i := k - 1; i >= 0; i-- {
		v := p[i]
		out := p[i*s : (i+1)*s]
		for j := range out {
			out[j] = v
		}
	}
}
