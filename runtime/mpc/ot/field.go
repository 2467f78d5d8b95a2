package ot

import (
	"math/bits"

	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/prg"
)

// GF(2^128) = GF(2)[x] / (x^128 + x^7 + x^2 + x + 1): the coefficient of x^i is bit i of a block.
// Nothing here depends on values in time.

// products are sums of products of halves, of which products of blocks are made: low by low, low
// by high and high by low, high by high.
type products [3]prg.Block

var multiplying = kernel.New("ot.columns", kernel.When(kernel.NEON, kernel.ARM64.CLMUL),
	kernel.When(kernel.AVX2, kernel.X86.CLMUL), kernel.When(kernel.AVX512, kernel.X86.CLMUL512))

// inner is sum_i a_i * b_i; both have a multiple of 4 blocks.
func inner(a, b []prg.Block) prg.Block {
	var p products
	b = b[:len(a)]
	if v := multiplying.Variant(); v == kernel.Portable {
		p.add(a, b)
	} else {
		multiply(v, &p[0][0], &a[0][0], &b[0][0], len(a))
	}
	return p.reduce()
}

// add is what the kernels do, by Karatsuba's three products.
func (p *products) add(a, b []prg.Block) {
	for i, x := range a {
		y := b[i]
		h0, l0 := clmul(x[0], y[0])
		h2, l2 := clmul(x[1], y[1])
		h1, l1 := clmul(x[0]^x[1], y[0]^y[1])
		p[0] = p[0].Xor(prg.Block{l0, h0})
		p[1] = p[1].Xor(prg.Block{l1 ^ l0 ^ l2, h1 ^ h0 ^ h2})
		p[2] = p[2].Xor(prg.Block{l2, h2})
	}
}

// reduce puts the products together.
func (p *products) reduce() prg.Block {
	c0, c1, c2, c3 := p[0][0], p[0][1]^p[1][0], p[2][0]^p[1][1], p[2][1]
	c1, c2 = c1^c3^c3<<1^c3<<2^c3<<7, c2^c3>>63^c3>>62^c3>>57
	return prg.Block{c0 ^ c2 ^ c2<<1 ^ c2<<2 ^ c2<<7, c1 ^ c2>>63 ^ c2>>62 ^ c2>>57}
}

// clmul is the product of two polynomials over GF(2).
func clmul(a, b uint64) (hi, lo uint64) {
	return bits.Reverse64(clmulLow(bits.Reverse64(a), bits.Reverse64(b))) >> 1, clmulLow(a, b)
}

// clmulLow is its lower half. Integers with three zeros beside every bit are multiplied, so that
// sums of up to fifteen bits do not reach the next place; those of sixteen leave at the top.
func clmulLow(a, b uint64) (z uint64) {
	const every = 0x1111111111111111
	var x, y [4]uint64
	for i := range 4 {
		x[i], y[i] = a&(every<<i), b&(every<<i)
	}
	for i := range 4 {
		z |= (x[0]*y[i] ^ x[1]*y[(i+3)&3] ^ x[2]*y[(i+2)&3] ^ x[3]*y[(i+1)&3]) & (every << i)
	}
	return z
}
