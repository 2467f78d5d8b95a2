package he

import (
	"fmt"
	"math/bits"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/poly"
)

// SecurityBits is the classical security level of every parameter set.
const SecurityBits = 128

// maxModulusBits gives the largest log2 of the product of all moduli with
// 128-bit security for a uniform ternary secret and error deviation of about
// 3.2: Bossuat et al., "Security Guidelines for Implementing Homomorphic
// Encryption" (2024), table 5.2, classical.
var maxModulusBits = map[int]int{1024: 26, 2048: 53, 4096: 106, 8192: 214}

// newRing makes the kernels of degree n modulo q, after checking both against the
// table. That q is a prime that fits the degree is for poly to say.
func newRing(n int, q uint64, opts ...poly.Option) (*poly.Ring, error) {
	limit, ok := maxModulusBits[n]
	if !ok {
		return nil, fmt.Errorf("he: no security estimate for degree %d", n)
	}
	if got := bits.Len64(q); got > limit || got != wire.QBits {
		return nil, fmt.Errorf("he: modulus of %d bits at degree %d, at most %d give %d-bit security and the kernels take %d", got, n, limit, SecurityBits, wire.QBits)
	}
	return poly.NewRing(n, q, opts...)
}

func validateKeys(k wire.LinearKeys) error {
	if k.N != 2048 && k.N != 4096 || k.Secrets < 1 || k.Secrets > wire.MaxSecrets {
		return fmt.Errorf("he: keys of degree %d for %d secrets", k.N, k.Secrets)
	}
	for d, levels := range k.Levels {
		for i, j := range levels {
			if d == 0 || j < 1 || 1<<j > k.N || i > 0 && j <= levels[i-1] {
				return fmt.Errorf("he: switching keys at levels %v with %d digits", levels, d)
			}
		}
	}
	return nil
}
