package he

import (
	"fmt"
	"math/bits"

	"secc.example/secc/runtime/mpc/poly"
)

// SecurityBits is the classical security level of every parameter set.
const SecurityBits = 128

// maxModulusBits gives the largest log2 of the product of all moduli with
// 128-bit security for a uniform ternary secret and error deviation of about
// 3.2: Bossuat et al., "Security Guidelines for Implementing Homomorphic
// Encryption" (2024), table 5.2, classical.
var maxModulusBits = map[int]int{1024: 26, 2048: 53, 4096: 106, 8192: 214}

// modulusBits is the size of Q: what the kernels' 52-bit multipliers take. At
// N = 2048 it also meets the table's quantum column.
const modulusBits = 50

// newRing makes the kernels of degree n modulo q, after checking both against the
// table. That q is a prime that fits the degree is for poly to say.
func newRing(n int, q uint64, opts ...poly.Option) (*poly.Ring, error) {
	limit, ok := maxModulusBits[n]
	if !ok {
		return nil, fmt.Errorf("he: no security estimate for degree %d", n)
	}
	if got := bits.Len64(q); got > limit || got != modulusBits {
		return nil, fmt.Errorf("he: modulus of %d bits at degree %d, at most %d give %d-bit security and the kernels take %d", got, n, limit, SecurityBits, modulusBits)
	}
	return poly.NewRing(n, q, opts...)
}

// MaxDigits bounds the digits of a key switch.
const MaxDigits = 4

// gadget says how a key switch with so many digits cuts a coefficient: digits of
// base bits each, above drop bits that are rounded away. base*digits+drop is the
// size of Q.
func gadget(digits int) (base, drop int) {
	switch digits {
	case 1:
		return 26, 24
	case 2:
		return 16, 18
	case 3:
		return 13, 11
	default:
		return 11, 6
	}
}

// KeySpec is what a session sets up. Both parties derive it from public data.
type KeySpec struct {
	N       int
	Modulus uint64 // Q: the compiler chose it and wrote it into the plan
	Secrets int
	Levels  [MaxDigits + 1][]int // by number of digits: the folding levels that need switching keys
}

func (k KeySpec) validate() error {
	if k.N != 2048 && k.N != 4096 || k.Secrets < 1 || k.Secrets > 64 {
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

// SetupBytes is what the two parties send in NewServer and NewClient.
func (k KeySpec) SetupBytes() (toClient, toServer int64) {
	polys := k.Secrets
	for d, levels := range k.Levels {
		polys += k.Secrets * d * len(levels)
	}
	return seedBytes, seedBytes + int64(polys)*int64(poly.PackedLen(k.N, modulusBits))
}
