package he

import (
	"fmt"
	"math/bits"

	"github.com/tuneinsight/lattigo/v5/core/rlwe"
	"github.com/tuneinsight/lattigo/v5/ring"

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

// errorDeviation is that of poly's centred binomial noise.
const errorDeviation = 3.2403703492039302 // sqrt(poly.NoiseEta/2)

// newParameters makes the parameter set of degree n, after checking it against
// the table. Its prime serves every degree up to 4096.
func newParameters(n int) (rlwe.Parameters, error) {
	limit, ok := maxModulusBits[n]
	if !ok {
		return rlwe.Parameters{}, fmt.Errorf("he: no security estimate for degree %d", n)
	}
	primes := ring.NewNTTFriendlyPrimesGenerator(modulusBits, 8192)
	q, err := primes.NextDownstreamPrime()
	if err != nil {
		return rlwe.Parameters{}, fmt.Errorf("he: %w", err)
	}
	if got := bits.Len64(q); got > limit {
		return rlwe.Parameters{}, fmt.Errorf("he: modulus of %d bits at degree %d, at most %d give %d-bit security", got, n, limit, SecurityBits)
	}
	p, err := rlwe.NewParametersFromLiteral(rlwe.ParametersLiteral{
		LogN: bits.Len(uint(n)) - 1, Q: []uint64{q}, NTTFlag: true,
		Xs: ring.Ternary{P: 2.0 / 3}, Xe: ring.DiscreteGaussian{Sigma: errorDeviation, Bound: poly.NoiseEta},
	})
	if err != nil {
		return rlwe.Parameters{}, fmt.Errorf("he: %w", err)
	}
	return p, nil
}

// newRing makes the kernels for a parameter set.
func newRing(n int, opts ...poly.Option) (*poly.Ring, error) {
	p, err := newParameters(n)
	if err != nil {
		return nil, err
	}
	return poly.NewRing(p.N(), p.Q()[0], opts...)
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
