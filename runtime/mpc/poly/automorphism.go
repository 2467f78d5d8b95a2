package poly

import "fmt"

// Automorphism is X -> X^g for an odd public g, ready to apply in either domain.
type Automorphism struct {
	r     *Ring
	g     int
	index []int32 // transformed domain: out[j] = in[index[j]]
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
	return a, nil
}

// Exponent returns g modulo 2n.
func (a *Automorphism) Exponent() int { return a.g }

// NTT applies the automorphism to a transformed polynomial. dst must not be src.
func (a *Automorphism) NTT(dst, src []uint64) {
	a.r.check(dst, src)
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
