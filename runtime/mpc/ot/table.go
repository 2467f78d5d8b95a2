package ot

import "secc.example/secc/runtime/mpc/prg"

// 1-of-2^m OT from m correlated OTs: with the blocks of an instance combined as
// Q = sum_j X^j*q_j in GF(2^128), the receiver has T = Q ^ r*Delta for r = sum_j
// r_j*X^j, and H(Q ^ x*Delta) is a pad that it knows for x = r only, since x ^ r is
// otherwise a nonzero factor of Delta. One hash a pad, none for each bit as with Naor-Pinkas.

// MaxTable is the largest m.
const MaxTable = 4

// timesX multiplies by X^j, j <= MaxTable, modulo X^128 + X^7 + X^2 + X + 1.
func timesX(a prg.Block, j int) prg.Block {
	top := a[1] >> (64 - j)
	return prg.Block{a[0]<<j ^ top ^ top<<1 ^ top<<2 ^ top<<7, a[1]<<j | a[0]>>(64-j)}
}

// multiple is x*Delta for a polynomial x of degree below MaxTable.
func multiple(delta prg.Block, x int) (p prg.Block) {
	for j := range MaxTable {
		p = p.Xor(timesX(delta, j).And(-uint64(x >> j & 1)))
	}
	return p
}

// combine turns the batch into one block an instance.
func (b *batch) combine(m int) []prg.Block {
	if m < 1 || m > MaxTable || b.n%m != 0 {
		panic("BUG: ot: batch does not divide into tables")
	}
	out := make([]prg.Block, b.n/m)
	at := 0
	for _, p := range b.parts {
		for _, x := range p.blocks {
			out[at/m] = out[at/m].Xor(timesX(x, at%m))
			at++
		}
	}
	return out
}

// TablePads uses the batch as Len/m random 1-of-2^m OTs: pads[x] are the pads
// for choice x, laid out as by Pads.
func (b *SendBatch) TablePads(m, bits int) (pads [][]uint64) {
	checkBits(bits)
	b.consume()
	q := b.combine(m)
	for x := 0; x < 1<<m; x += 2 {
		w0, w1 := make([]uint64, Words(len(q), bits)), make([]uint64, Words(len(q), bits))
		b.alone(q).pairs(bits, w0, w1, multiple(b.delta, x), multiple(b.delta, x+1))
		pads = append(pads, w0, w1)
	}
	b.release()
	return pads
}

// TablePads uses the batch as Len/m random 1-of-2^m OTs: bit j of the choices,
// bit-packed, for each j, and the chosen pads.
func (b *RecvBatch) TablePads(m, bits int) (choice [][]uint64, p []uint64) {
	checkBits(bits)
	b.consume()
	t := b.combine(m)
	choice = make([][]uint64, m)
	for j := range choice {
		choice[j] = make([]uint64, Words(len(t), 1))
	}
	at := 0
	for _, part := range b.parts {
		for _, x := range part.blocks {
			i := at / m
			choice[at%m][i/64] |= x[0] & 1 << (i % 64)
			at++
		}
	}
	p = make([]uint64, Words(len(t), bits))
	b.alone(t).pads(bits, p, prg.Block{})
	b.release()
	return choice, p
}

// alone is a batch of the combined blocks, under the same indices: they are
// fewer than the OTs they came from, so no other batch uses them.
func (b *batch) alone(x []prg.Block) *batch {
	return &batch{parts: []part{{blocks: x}}, n: len(x), index: b.index, hash: b.hash}
}
