package backend

import "math"

// What CrypTFlow2 (Rathee et al., CCS 2020) pays for one element, in bits of
// both directions, by the closed forms of its paper and of SIRNN (Rathee et al.,
// S&P 2021), whose code base is the same. The forms are upper bounds: what is
// measured on its non-linear operators lies some 15 % lower, which is 2 % of a
// network whose products run over OT.

const (
	lambda     = 128 // bits of a correlated OT by IKNP
	silentBits = 0.8 // bits of a silent one: Ferret as Cheetah runs it
)

// oblivious is a way to make OTs: what one costs before its messages.
type oblivious struct{ cot float64 }

func (o oblivious) silent() bool { return o.cot < 1 }

// millionaires compares two private numbers of b bits: below (lambda+14) b with
// leaves of 4 bits (CrypTFlow2, section 3 and table 1); below 11 b over silent
// OT, its OTs included (Cheetah, Huang et al., USENIX Security 2022, table 2).
func (o oblivious) millionaires(b int) float64 {
	if o.silent() {
		return 11 * float64(b)
	}
	return (o.cot + 14) * float64(b)
}

// multiplex keeps or clears a number of l bits: two OTs of two messages each
// (CrypTFlow2, section 4.1); of one message each where they are correlated.
func (o oblivious) multiplex(l int) float64 {
	if o.silent() {
		return 2 * (o.cot + float64(l))
	}
	return 2 * (o.cot + 2*float64(l))
}

func (o oblivious) and() float64 { return o.cot + 20 }

// asNumber turns a shared bit into shares mod 2^l.
func (o oblivious) asNumber(l int) float64 { return o.cot + float64(l) }

// relu is a comparison of all but the sign bit and a multiplexer: below
// (lambda+18) l + 2 lambda.
func (o oblivious) relu(l int) float64 { return o.millionaires(l-1) + o.multiplex(l) }

// truncate divides by 2^shift and stays in the ring, exactly: a carry of the low
// bits, a wrap of the high ones, one AND, two conversions. Over IKNP
// lambda (l+3) + 15 l + shift + 20 (SIRNN, table 1).
func (o oblivious) truncate(l, shift int) float64 {
	if shift <= 0 {
		return 0
	}
	return o.millionaires(shift) + o.millionaires(l-shift) + o.and() + o.asNumber(shift) + o.asNumber(l)
}

// narrow divides by 2^shift and drops as many bits of the ring: only the carry
// is left, lambda (shift+1) + l + 13 shift (SIRNN, table 1).
func (o oblivious) narrow(l, shift int) float64 {
	if shift <= 0 {
		return 0
	}
	return o.millionaires(shift) + o.asNumber(l-shift)
}

// widen takes k bits to l: lambda (k+1) + 13 k + l (SIRNN, table 1).
func (o oblivious) widen(k, l int) float64 {
	if l <= k {
		return 0
	}
	return o.millionaires(k) + o.asNumber(l-k)
}

// divide is an average pool's division of a sum of d: below
// (3 lambda/2 + 34)(l + 2 ceil(log2 6d)) (CrypTFlow2, section 4.2). Where the
// products are rounded anyway the factor joins their weights.
func (o oblivious) divide(l, d int) float64 {
	if d < 2 {
		return 0
	}
	bits := float64(l) + 2*math.Ceil(math.Log2(6*float64(d)))
	if o.silent() {
		return 2 * 11 * bits
	}
	return (1.5*o.cot + 34) * bits
}

// matmul is one cross term of a d1 x d2 matrix of m-bit numbers times a d2 x d3
// matrix of k-bit ones, mod 2^l. The bits of one side are OT choices, used for
// a whole row or column of the other at a time; the message of bit i is l-i bits
// long. The cheaper side chooses, as in the public code. With m = k = l every
// multiplication takes l(l+1)/2 bits beside the OTs.
func (o oblivious) matmul(d1, d2, d3, m, k, l int) float64 {
	side := func(choosers, others, bits int) float64 {
		b := float64(min(bits, l))
		return float64(choosers) * (b*o.cot + float64(others)*(b*float64(l)-b*(b-1)/2))
	}
	return min(side(d1*d2, d3, m), side(d2*d3, d1, k))
}
