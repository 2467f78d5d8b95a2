package wire

import "fmt"

// Parameters of the linear operators under encryption.
const (
	// QBits is the size of the modulus Q, a prime just below 2^QBits: what the
	// kernels' 52-bit multipliers take. At N = 2048 it meets the classical and the quantum
	// column of the security table (package he).
	QBits = 50

	// NoiseEta is the parameter of fresh errors, centred binomial: the difference of
	// two sums of NoiseEta bits, of variance NoiseEta/2.
	NoiseEta = 21

	// SeedBytes is what each party contributes to public randomness.
	SeedBytes = 32

	// MaxSecrets bounds the secret keys of a session.
	MaxSecrets = 64

	// MaxDigits bounds the digits of a key switch.
	MaxDigits = 4
)

// CheckFolding checks an operator that is folded by merge levels, of low that there are,
// with key switches of so many digits.
func CheckFolding(low, merge, digits int) error {
	if merge < 0 || merge > low || digits < 0 || digits > MaxDigits || (merge > 0) != (digits > 0) {
		return fmt.Errorf("%d levels of folding over 2^%d fast channels with %d digits", merge, low, digits)
	}
	return nil
}

// LeastUpload is the least bits that a coefficient of an upload is sent with.
const LeastUpload = 8

// CheckCoefficients checks with how many bits coefficients are sent: of uploads and, for
// results in Z_2^result, of the two halves of responses.
func CheckCoefficients(upload, c0, c1, result int) error {
	if upload < LeastUpload || upload > QBits || c0 < result || c0 > QBits || c1 < c0 || c1 > QBits {
		return fmt.Errorf("%d, %d and %d bits a coefficient", upload, c0, c1)
	}
	return nil
}

// Gadget says how a key switch with so many digits cuts a coefficient: balanced
// digits of base bits each, above drop bits that are rounded away. base*digits+drop is
// QBits.
func Gadget(digits int) (base, drop int) {
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

// LinearKeys is what a session sets up for its linear operators. Both parties derive
// it from public data.
type LinearKeys struct {
	N       int                  // degree; 0 without linear operators under encryption
	Modulus uint64               // Q: the compiler chose it and wrote it into the plan
	Secrets int                  // secret keys
	Levels  [MaxDigits + 1][]int // by number of digits: the folding levels that need switching keys, ascending
}

// SwitchKeys is the number of polynomials of all switching keys.
func (k LinearKeys) SwitchKeys() int {
	n := 0
	for d, levels := range k.Levels {
		n += d * len(levels)
	}
	return k.Secrets * n
}

// Bytes is what the two parties send: the server its seed, then the client its own
// with public keys and switching keys.
func (k LinearKeys) Bytes() (toClient, toServer int64) {
	polys := k.Secrets + k.SwitchKeys()
	return SeedBytes, SeedBytes + int64(polys)*PackedLen(k.N, QBits)
}
