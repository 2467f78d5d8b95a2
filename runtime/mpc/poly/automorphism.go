package poly

import "fmt"

// Automorphism is X -> X^g for an odd public g, ready to apply in either domain.
type Automorphism struct {
	r     *Ring
	g     int
	index []int32 // transformed domain: out[j] = in[index[j]]

	// The same by vectors of 8: vector v is vector codes[v]>>3 with the lane
	// permutation codes[v]&7. The three lowest bits of a position are the three
	// highest of its exponent's half, which carries of the rest shift alike.
	codes []uint32
	lanes [8][8]uint64
}

// NewAutomorphism prepares X -> X^g; g is taken modulo 2n.
func (r *Ring) NewAutomorphism(g int) (*Automorphism, error) {
	if g&1 == 0 {
		return nil, fmt.Errorf("poly: X -> X^%d is no automorphism", g)
	}
	mask := 2*r.n - 1
	a := &Automorphism{r: r, g: g & mask, index: make([]int32, r.n)}
	// The value at j is f(psi^e), e = 2*brv(j)+1; the image's is f(psi^(g*e)).
	for j := range a.index {
		e := (2*r.reverse(j) + 1) * a.g & mask
		a.index[j] = int32(r.reverse(e >> 1))
	}
	a.byVectors()
	return a, nil
}

// byVectors fills codes and lanes from index.
func (a *Automorphism) byVectors() {
	a.codes = make([]uint32, len(a.index)/8)
	var known int
	for v := range a.codes {
		from := a.index[8*v] >> 3
		var perm [8]uint64
		for l := range perm {
			at := a.index[8*v+l]
			if at>>3 != from {
				panic("BUG: poly: an automorphism that scatters a vector")
			}
			perm[l] = uint64(at & 7)
		}
		k := 0
		for k < known && a.lanes[k] != perm {
			k++
		}
		a.lanes[k] = perm
		known = max(known, k+1)
		a.codes[v] = uint32(from)<<3 | uint32(k)
	}
}

// NTT applies the automorphism to a transformed polynomial. dst must not be src.
func (a *Automorphism) NTT(dst, src []uint64) {
	a.r.check(dst, src)
	if a.r.ifma {
		permuteIFMA(dst, src, a.codes, &a.lanes)
		return
	}
	for j, k := range a.index {
		dst[j] = src[k]
	}
}

// Coefficients applies the automorphism to coefficients. dst must not be src.
func (a *Automorphism) Coefficients(dst, src []uint64) {
	r := a.r
	r.check(dst, src)
	mask := 2*r.n - 1
	for i, e := 0, 0; i < r.n; i, e = i+1, (e+a.g)&mask {
		v := src[i]
		neg := -uint64(e >> r.logN)
		v = reduceOnce((v^neg)-neg+(r.q&neg), r.q)
		dst[e&(r.n-1)] = v
	}
}
