package poly

import (
	"fmt"
	"math/big"
	"math/bits"
)

// Scalar arithmetic modulo q. Everything here runs on public values when a ring
// is built, or is one of the constant-time building blocks of the portable
// kernels.

// mulMod returns a*b mod q. Only for public values: the division is not
// constant-time on every processor.
func mulMod(a, b, q uint64) uint64 {
	hi, lo := bits.Mul64(a%q, b%q)
	_, r := bits.Div64(hi, lo, q)
	return r
}

// powMod returns a^e mod q for public values.
func powMod(a, e, q uint64) uint64 {
	r := uint64(1)
	for a %= q; e > 0; e >>= 1 {
		if e&1 == 1 {
			r = mulMod(r, a, q)
		}
		a = mulMod(a, a, q)
	}
	return r
}

// shoup64 returns floor(w*2^64/q) for w < q.
func shoup64(w, q uint64) uint64 {
	quo, _ := bits.Div64(w, 0, q)
	return quo
}

// shoup52 returns floor(w*2^52/q) for w < q < 2^52.
func shoup52(w, q uint64) uint64 {
	quo, _ := bits.Div64(w>>12, w<<52, q)
	return quo
}

// mulShoup returns x*w mod q in [0,2q), for any x and ws = shoup64(w, q).
func mulShoup(x, w, ws, q uint64) uint64 {
	h, _ := bits.Mul64(x, ws)
	return x*w - h*q
}

// reduceOnce maps [0,2m) to [0,m) without a branch, for m < 2^63.
func reduceOnce(x, m uint64) uint64 {
	d := x - m
	return d + (m & uint64(int64(d)>>63))
}

// isPrime reports whether q is prime.
func isPrime(q uint64) bool { return new(big.Int).SetUint64(q).ProbablyPrime(20) }

// primeFactors returns the distinct prime factors of m by trial division.
func primeFactors(m uint64) []uint64 {
	var fs []uint64
	take := func(p uint64) {
		if m%p != 0 {
			return
		}
		fs = append(fs, p)
		for m%p == 0 {
			m /= p
		}
	}
	take(2)
	for p := uint64(3); p*p <= m; p += 2 {
		take(p)
	}
	if m > 1 {
		fs = append(fs, m)
	}
	return fs
}

// primitiveRoot returns the smallest generator of the units modulo the prime q.
func primitiveRoot(q uint64) uint64 {
	fs := primeFactors(q - 1)
	for g := uint64(2); ; g++ {
		generates := true
		for _, f := range fs {
			if powMod(g, (q-1)/f, q) == 1 {
				generates = false
				break
			}
		}
		if generates {
			return g
		}
	}
}

// Primes returns the count largest primes below 2^bits that are 1 mod 2n,
// largest first.
func Primes(bitLen, n, count int) ([]uint64, error) {
	if bitLen < 3 || bitLen > MaxModulusBits || n < 1 || n&(n-1) != 0 {
		return nil, fmt.Errorf("poly: no primes of %d bits for degree %d", bitLen, n)
	}
	step := 2 * uint64(n)
	var ps []uint64
	for c := uint64(1)<<bitLen - step + 1; c > step && c < 1<<bitLen && len(ps) < count; c -= step {
		if isPrime(c) {
			ps = append(ps, c)
		}
	}
	if len(ps) < count {
		return nil, fmt.Errorf("poly: fewer than %d primes below 2^%d for degree %d", count, bitLen, n)
	}
	return ps, nil
}
