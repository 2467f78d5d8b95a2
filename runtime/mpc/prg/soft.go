package prg

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// AES without AES instructions, without tables: bit-sliced, so that no address
// and no branch depends on key or data. Four blocks go together: word j holds bit
// j of all 64 bytes, byte (row, column) of block b at bit 16*row + 4*column + b.
//
// Fix-sliced (Adomnicai-Peyrin, TCHES 2021): ShiftRows is left out, so that after
// r rounds the state stands r row shifts away from where it should be. MixColumns comes
// in four forms, one for each distance modulo four; round keys are shifted to match.

// Soft is AES under one key of 16 or 32 bytes. Immutable.
type Soft struct {
	rounds int
	keys   [15][8]uint64
}

// softWidth is the number of blocks that are encrypted together.
const softWidth = 4

// NewSoft expands a key of 16 or 32 bytes.
func NewSoft(key []byte) *Soft {
	s := new(Soft)
	s.Reset(key)
	return s
}

// Reset replaces the key.
func (s *Soft) Reset(key []byte) {
	w := keyWords(key)
	s.rounds = len(key)/4 + 6
	for r := range s.rounds + 1 {
		s.keys[r] = softKey([4]uint32(w[4*r:]), r)
	}
}

// keyWords is the key schedule (FIPS 197, 5.2), its words little-endian.
func keyWords(key []byte) (w [60]uint32) {
	n := len(key) / 4
	if n != 4 && n != 8 || len(key)%4 != 0 {
		panic(fmt.Sprintf("BUG: prg: AES key of %d bytes", len(key)))
	}
	for i := range w[:n] {
		w[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	rcon := uint32(1)
	for i := n; i < 4*(n+7); i++ {
		t := w[i-1]
		switch {
		case i%n == 0:
			t = subWord(bits.RotateLeft32(t, -8)) ^ rcon
			rcon = rcon<<1 ^ rcon>>7*0x11b
		case n == 8 && i%n == 4:
			t = subWord(t)
		}
		w[i] = w[i-n] ^ t
	}
	return w
}

func blockOf(w [4]uint32) Block {
	return Block{uint64(w[0]) | uint64(w[1])<<32, uint64(w[2]) | uint64(w[3])<<32}
}

// softKey slices a round key (its columns), its rows moved as the state's are
// after r rounds. The constant of the S-box is added here: MixColumns keeps a state of
// equal bytes.
func softKey(columns [4]uint32, r int) (k [8]uint64) {
	var moved [4]uint32
	for c, w := range columns {
		for row := range 4 {
			moved[(c+r*row)%4] |= w & (0xff << (8 * row))
		}
	}
	b := blockOf(moved)
	if r > 0 {
		b = b.Xor(Block{0x6363636363636363, 0x6363636363636363})
	}
	pack(&k, &[softWidth]Block{b, b, b, b})
	return k
}

// subWord applies the S-box to four bytes.
func subWord(x uint32) uint32 {
	var q [8]uint64
	b := [softWidth]Block{{uint64(x)}}
	pack(&q, &b)
	q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7] = subBytes(q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7])
	unpack(&b, &q)
	return uint32(b[0][0]) ^ 0x63636363
}

// Encrypt encrypts every block in place.
func (s *Soft) Encrypt(x []Block) {
	var q [8]uint64
	for len(x) >= softWidth {
		b := (*[softWidth]Block)(x)
		pack(&q, b)
		s.encrypt(&q)
		unpack(b, &q)
		x = x[softWidth:]
	}
	if len(x) > 0 {
		var b [softWidth]Block
		copy(b[:], x)
		s.Encrypt(b[:])
		copy(x, b[:])
	}
}

// encrypt runs all rounds on a sliced state.
func (s *Soft) encrypt(q *[8]uint64) {
	q0, q1, q2, q3, q4, q5, q6, q7 := q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7]
	k := &s.keys[0]
	q0, q1, q2, q3, q4, q5, q6, q7 = q0^k[0], q1^k[1], q2^k[2], q3^k[3], q4^k[4], q5^k[5], q6^k[6], q7^k[7]
	for r := 1; ; r++ {
		q0, q1, q2, q3, q4, q5, q6, q7 = subBytes(q0, q1, q2, q3, q4, q5, q6, q7)
		k = &s.keys[r]
		if r == s.rounds {
			break
		}
		switch r % 4 {
		case 0:
			q0, q1, q2, q3, q4, q5, q6, q7 = mixColumns0(q0, q1, q2, q3, q4, q5, q6, q7)
		case 1:
			q0, q1, q2, q3, q4, q5, q6, q7 = mixColumns1(q0, q1, q2, q3, q4, q5, q6, q7)
		case 2:
			q0, q1, q2, q3, q4, q5, q6, q7 = mixColumns2(q0, q1, q2, q3, q4, q5, q6, q7)
		case 3:
			q0, q1, q2, q3, q4, q5, q6, q7 = mixColumns3(q0, q1, q2, q3, q4, q5, q6, q7)
		}
		q0, q1, q2, q3, q4, q5, q6, q7 = q0^k[0], q1^k[1], q2^k[2], q3^k[3], q4^k[4], q5^k[5], q6^k[6], q7^k[7]
	}
	// 10 and 14 rounds both leave two row shifts: rows 1 and 3 move by two columns.
	q[0], q[1], q[2], q[3] = shiftTwice(q0^k[0]), shiftTwice(q1^k[1]), shiftTwice(q2^k[2]), shiftTwice(q3^k[3])
	q[4], q[5], q[6], q[7] = shiftTwice(q4^k[4]), shiftTwice(q5^k[5]), shiftTwice(q6^k[6]), shiftTwice(q7^k[7])
}

func shiftTwice(x uint64) uint64 {
	t := (x ^ x>>8) & 0x00ff000000ff0000
	return x ^ t ^ t<<8
}

// rotateN moves every row to the one before, and by N columns; far moves two rows,
// and by two columns; rotate2 in mixColumns is its own: two rows are four columns, none.
func rotate0(x uint64) uint64 { return bits.RotateLeft64(x, -16) }
func rotate1(x uint64) uint64 { return columns(x, 20, 4, 0x0fff0fff0fff0fff) }
func rotate2(x uint64) uint64 { return columns(x, 24, 8, 0x00ff00ff00ff00ff) }
func rotate3(x uint64) uint64 { return columns(x, 28, 12, 0x000f000f000f000f) }
func far(x uint64) uint64     { return columns(x, 40, 24, 0x00ff00ff00ff00ff) }
func half(x uint64) uint64    { return bits.RotateLeft64(x, 32) }

// columns rotates by a where mask is set, and by b elsewhere.
func columns(x uint64, a, b int, mask uint64) uint64 {
	return bits.RotateLeft64(x, -a)&mask | bits.RotateLeft64(x, -b)&^mask
}

// The four forms of MixColumns: with y the state moved by one row, t = x ^ y, the
// result is 2t ^ y ^ (t moved by two rows).

func mixColumns0(q0, q1, q2, q3, q4, q5, q6, q7 uint64) (_, _, _, _, _, _, _, _ uint64) {
	y0, y1, y2, y3, y4, y5, y6, y7 := rotate0(q0), rotate0(q1), rotate0(q2), rotate0(q3), rotate0(q4), rotate0(q5), rotate0(q6), rotate0(q7)
	t0, t1, t2, t3, t4, t5, t6, t7 := q0^y0, q1^y1, q2^y2, q3^y3, q4^y4, q5^y5, q6^y6, q7^y7
	return t7 ^ y0 ^ half(t0), t0 ^ t7 ^ y1 ^ half(t1), t1 ^ y2 ^ half(t2), t2 ^ t7 ^ y3 ^ half(t3),
		t3 ^ t7 ^ y4 ^ half(t4), t4 ^ y5 ^ half(t5), t5 ^ y6 ^ half(t6), t6 ^ y7 ^ half(t7)
}

func mixColumns1(q0, q1, q2, q3, q4, q5, q6, q7 uint64) (_, _, _, _, _, _, _, _ uint64) {
	y0, y1, y2, y3, y4, y5, y6, y7 := rotate1(q0), rotate1(q1), rotate1(q2), rotate1(q3), rotate1(q4), rotate1(q5), rotate1(q6), rotate1(q7)
	t0, t1, t2, t3, t4, t5, t6, t7 := q0^y0, q1^y1, q2^y2, q3^y3, q4^y4, q5^y5, q6^y6, q7^y7
	return t7 ^ y0 ^ far(t0), t0 ^ t7 ^ y1 ^ far(t1), t1 ^ y2 ^ far(t2), t2 ^ t7 ^ y3 ^ far(t3),
		t3 ^ t7 ^ y4 ^ far(t4), t4 ^ y5 ^ far(t5), t5 ^ y6 ^ far(t6), t6 ^ y7 ^ far(t7)
}

func mixColumns2(q0, q1, q2, q3, q4, q5, q6, q7 uint64) (_, _, _, _, _, _, _, _ uint64) {
	y0, y1, y2, y3, y4, y5, y6, y7 := rotate2(q0), rotate2(q1), rotate2(q2), rotate2(q3), rotate2(q4), rotate2(q5), rotate2(q6), rotate2(q7)
	t0, t1, t2, t3, t4, t5, t6, t7 := q0^y0, q1^y1, q2^y2, q3^y3, q4^y4, q5^y5, q6^y6, q7^y7
	return t7 ^ y0 ^ half(t0), t0 ^ t7 ^ y1 ^ half(t1), t1 ^ y2 ^ half(t2), t2 ^ t7 ^ y3 ^ half(t3),
		t3 ^ t7 ^ y4 ^ half(t4), t4 ^ y5 ^ half(t5), t5 ^ y6 ^ half(t6), t6 ^ y7 ^ half(t7)
}

func mixColumns3(q0, q1, q2, q3, q4, q5, q6, q7 uint64) (_, _, _, _, _, _, _, _ uint64) {
	y0, y1, y2, y3, y4, y5, y6, y7 := rotate3(q0), rotate3(q1), rotate3(q2), rotate3(q3), rotate3(q4), rotate3(q5), rotate3(q6), rotate3(q7)
	t0, t1, t2, t3, t4, t5, t6, t7 := q0^y0, q1^y1, q2^y2, q3^y3, q4^y4, q5^y5, q6^y6, q7^y7
	return t7 ^ y0 ^ far(t0), t0 ^ t7 ^ y1 ^ far(t1), t1 ^ y2 ^ far(t2), t2 ^ t7 ^ y3 ^ far(t3),
		t3 ^ t7 ^ y4 ^ far(t4), t4 ^ y5 ^ far(t5), t5 ^ y6 ^ far(t6), t6 ^ y7 ^ far(t7)
}

// subBytes is the S-box without its additive constant, as the circuit of Boyar and
// Peralta (SEA 2010): a linear layer, an inversion in GF(2^4)^2, a linear layer. In
// their numbering x0 is the highest bit.
func subBytes(x7, x6, x5, x4, x3, x2, x1, x0 uint64) (s7, s6, s5, s4, s3, s2, s1, s0 uint64) {
	y14, y13, y9, y8 := x3^x5, x0^x6, x0^x3, x0^x5
	t0 := x1 ^ x2
	y1 := t0 ^ x7
	y4, y2, y5, y12 := y1^x3, y1^x0, y1^x6, y13^y14
	y3 := y5 ^ y8
	t1 := x4 ^ y12
	y15, y20 := t1^x5, t1^x1
	y6, y10, y11 := y15^x7, y15^t0, y20^y9
	y7, y17, y19, y16 := x7^y11, y10^y11, y10^y8, t0^y11
	y21, y18 := y13^y16, x0^y16

	t2, t7, t12 := y12&y15, y13&y16, y9&y11
	t4, t6 := y3&y6^t2, y4&x7^t2
	t9, t11 := y5&y1^t7, y2&y7^t7
	t14, t16 := y14&y17^t12, y8&y10^t12
	t21, t22, t23, t24 := t4^t14^y20, t6^t16^y19, t9^t14^y21, t11^t16^y18
	t25, t26 := t21^t22, t21&t23
	t27, t31 := t24^t26, t22^t26
	t29, t33 := t25&t27^t22, t31&(t23^t24)^t24
	t36 := t24 & (t27 ^ t33)
	t37, t38 := t36^t23^t33, t27^t36
	t40 := t25 ^ t29&t38
	t41, t42, t43, t44 := t40^t37, t29^t33, t29^t40, t33^t37
	t45 := t42 ^ t41

	z0, z1, z2, z3, z4, z5 := t44&y15, t37&y6, t33&x7, t43&y16, t40&y1, t29&y7
	z6, z7, z8, z9, z10, z11 := t42&y11, t45&y17, t41&y10, t44&y12, t37&y3, t33&y4
	z12, z13, z14, z15, z16, z17 := t43&y13, t40&y5, t29&y2, t42&y9, t45&y14, t41&y8

	t46, t48, t53 := z15^z16, z5^z13, z0^z3
	t57, t58, t59 := z2^z12^t53, z4^t46, z3^z6^z7
	t62, t63, t64 := z7^z8^t58, z9^z10^t58, z4^t59
	t65, t66 := z14^t57^t62, z1^t63
	s0 = t59 ^ t63
	s6 = z12 ^ t48 ^ t62
	s7 = t48 ^ t46 ^ t57
	s3 = t53 ^ t66
	s4 = z2 ^ z5 ^ t66
	s5 = z10 ^ z11 ^ t65
	s1 = t64 ^ s3
	s2 = z16 ^ z17 ^ t64 ^ t65
	return s7, s6, s5, s4, s3, s2, s1, s0
}

// exchange swaps the bits of a whose number has bit log2(s) set with those of b
// that have it clear.
func exchange(a, b uint64, s int, mask uint64) (uint64, uint64) {
	t := (a>>s ^ b) & mask
	return a ^ t<<s, b ^ t
}

// The exchanges of pack trade the number of a word (half h of block b at 4h + b)
// for the number of a bit in its byte, and bring row, column and block into their places.

func pack(q *[8]uint64, b *[softWidth]Block) {
	w0, w1, w2, w3, w4, w5, w6, w7 := b[0][0], b[1][0], b[2][0], b[3][0], b[0][1], b[1][1], b[2][1], b[3][1]
	w0, w4 = halves(w0, w4)
	w1, w5 = halves(w1, w5)
	w2, w6 = halves(w2, w6)
	w3, w7 = halves(w3, w7)
	w0, w2 = exchange(w0, w2, 2, 0x3333333333333333)
	w1, w3 = exchange(w1, w3, 2, 0x3333333333333333)
	w4, w6 = exchange(w4, w6, 2, 0x3333333333333333)
	w5, w7 = exchange(w5, w7, 2, 0x3333333333333333)
	q[0], q[1] = exchange(w0, w1, 1, 0x5555555555555555)
	q[2], q[3] = exchange(w2, w3, 1, 0x5555555555555555)
	q[4], q[5] = exchange(w4, w5, 1, 0x5555555555555555)
	q[6], q[7] = exchange(w6, w7, 1, 0x5555555555555555)
}

func unpack(b *[softWidth]Block, q *[8]uint64) {
	w0, w1 := exchange(q[0], q[1], 1, 0x5555555555555555)
	w2, w3 := exchange(q[2], q[3], 1, 0x5555555555555555)
	w4, w5 := exchange(q[4], q[5], 1, 0x5555555555555555)
	w6, w7 := exchange(q[6], q[7], 1, 0x5555555555555555)
	w0, w2 = exchange(w0, w2, 2, 0x3333333333333333)
	w1, w3 = exchange(w1, w3, 2, 0x3333333333333333)
	w4, w6 = exchange(w4, w6, 2, 0x3333333333333333)
	w5, w7 = exchange(w5, w7, 2, 0x3333333333333333)
	b[0][0], b[0][1] = unhalves(w0, w4)
	b[1][0], b[1][1] = unhalves(w1, w5)
	b[2][0], b[2][1] = unhalves(w2, w6)
	b[3][0], b[3][1] = unhalves(w3, w7)
}

// halves makes words of the low and of the high nibbles of a block, by row, half, column.
func halves(a, b uint64) (uint64, uint64) {
	a, b = exchange(a, b, 8, 0x00ff00ff00ff00ff)
	a, b = exchange(a, b, 16, 0x0000ffff0000ffff)
	a, b = a&0xffffffff|b<<32, a>>32|b&^0xffffffff
	return exchange(a, b, 4, 0x0f0f0f0f0f0f0f0f)
}

func unhalves(a, b uint64) (uint64, uint64) {
	a, b = exchange(a, b, 4, 0x0f0f0f0f0f0f0f0f)
	a, b = a&0xffffffff|b<<32, a>>32|b&^0xffffffff
	a, b = exchange(a, b, 16, 0x0000ffff0000ffff)
	return exchange(a, b, 8, 0x00ff00ff00ff00ff)
}
