package prg

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// AES without AES instructions, without tables: bit-sliced, so that no address
// and no branch depends on key or data. Sixteen blocks go together: word j of row i
// holds bit j of the bytes of that row, column c of block b at bit 16*c + b. ShiftRows
// then turns words, MixColumns adds words up, and what takes long is the S-box.

// sliced is the state of softWidth blocks, or a round key for them.
type sliced [4][8]uint64

// softWidth is the number of blocks that are encrypted together.
const softWidth = 16

// Soft is AES under one key of 16 or 32 bytes. Immutable, but for Reset.
type Soft struct{ keys []sliced } // of the rounds

// NewSoft expands a key of 16 or 32 bytes.
func NewSoft(key []byte) *Soft {
	s := new(Soft)
	s.Reset(key)
	return s
}

// Reset replaces the key. The constant of the S-box is added to the round keys:
// MixColumns keeps a state of equal bytes.
func (s *Soft) Reset(key []byte) {
	w, n := keyWords(key), len(key)/4+7
	if len(s.keys) != n {
		s.keys = make([]sliced, n)
	}
	for r := range s.keys {
		k := blockOf([4]uint32(w[4*r:]))
		if r > 0 {
			k = k.Xor(Block{sboxOfZero, sboxOfZero})
		}
		s.keys[r].broadcast(k)
	}
}

// sboxOfZero is the S-box's constant in eight bytes.
const sboxOfZero = 0x6363636363636363

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

// subWord applies the S-box to four bytes: their bits j stand at bits 0, 8, 16 and 24 of word
// j, beside others that do not matter.
func subWord(x uint32) (y uint32) {
	w := uint64(x)
	q := [8]uint64{w, w >> 1, w >> 2, w >> 3, w >> 4, w >> 5, w >> 6, w >> 7}
	subBytes(&q)
	for j, s := range q {
		y |= uint32(s) & 0x01010101 << j
	}
	return y ^ sboxOfZero&(1<<32-1)
}

// broadcast slices sixteen times the same block.
func (q *sliced) broadcast(b Block) {
	x, y := exchange32(b[0], b[1]) // columns 0 and 2, 1 and 3
	x, y = exchange(x, y, 16, 0x0000ffff0000ffff)
	for j := range 8 {
		q[0][j], q[1][j] = widen(x>>j), widen(x>>(8+j))
		q[2][j], q[3][j] = widen(y>>j), widen(y>>(8+j))
	}
}

// widen repeats the lowest of every 16 bits.
func widen(x uint64) uint64 {
	x &= 0x0001000100010001
	return x<<16 - x
}

// Encrypt encrypts every block in place.
func (s *Soft) Encrypt(x []Block) {
	var q sliced
	for len(x) >= softWidth {
		b := (*[softWidth]Block)(x)
		q.pack(b)
		s.encrypt(&q)
		q.unpack(b)
		x = x[softWidth:]
	}
	if len(x) > 0 {
		var b [softWidth]Block
		copy(b[:], x)
		s.Encrypt(b[:])
		copy(x, b[:])
	}
}

// Fill writes blocks first, first+1, ... of the stream that begins at iv, whose last eight bytes
// are XORed with the counter, big-endian.
func (s *Soft) Fill(dst []Block, iv Block, first uint64) {
	var q sliced
	var h head
	for left := 0; len(dst) > 0; left -= softWidth {
		var b [softWidth]Block
		out := &b
		if len(dst) >= softWidth {
			out = (*[softWidth]Block)(dst)
		}
		if left <= 0 && len(dst) >= headWorth && first%softWidth == 0 {
			left = h.begin(s, iv, first)
		}
		if left > 0 {
			h.encrypt(s, &q, first)
		} else {
			q.count(iv, first)
			s.encrypt(&q)
		}
		q.unpack(out)
		n := min(len(dst), softWidth)
		copy(dst[:n], out[:n])
		dst, first = dst[n:], first+softWidth
	}
}

// head is what two rounds make of a stream's blocks first to first+255, which differ in their
// last byte alone: after one round that byte has changed a column, after two all of them. What
// those have in common is computed once.
type head struct {
	first  uint64                     // a multiple of headBlocks
	boxed  [headBlocks / 64][8]uint64 // the last bytes behind the S-box, bit-sliced
	column [8]uint64                  // after a round, were that byte zero behind the S-box; row r at bit 16*r
	rest   sliced                     // the other columns behind the S-box of the second round
}

const (
	headBlocks = 256
	headWorth  = 4 * softWidth // from so many blocks on it pays
)

// begin is for the stream's block at and those after it, and says how many.
func (h *head) begin(s *Soft, iv Block, at uint64) (blocks int) {
	h.first = at &^ (headBlocks - 1)
	h.rest.broadcast(Block{iv[0], iv[1] ^ bits.ReverseBytes64(h.first)})
	h.rest.add(&s.keys[0])
	for i := range h.boxed {
		b := &h.boxed[i]
		for j, w := range &h.rest[3] {
			b[j] = -(w >> 63) ^ numbers[j] ^ -uint64(64*i>>j&1)
		}
		subBytes(b)
	}
	h.rest.substitute()
	for j := range &h.rest[3] {
		h.rest[3][j] &= 1<<48 - 1
	}
	h.rest.mix(&s.keys[1])
	for j := range h.column {
		h.column[j] = h.rest[0][j]&0xffff | h.rest[1][j]&0xffff<<16 | h.rest[2][j]&0xffff<<32 | h.rest[3][j]<<48
	}
	h.rest.substitute()
	for i := range h.rest {
		for j := range h.rest[i] {
			h.rest[i][j] &^= 0xffff
		}
	}
	return headBlocks - int(at-h.first)
}

// encrypt writes blocks at to at+15 of the stream, sliced.
func (h *head) encrypt(s *Soft, q *sliced, at uint64) {
	n := uint(at - h.first)
	boxed, shift := &h.boxed[n/64], n%64
	high := boxed[7] >> shift & 0xffff
	// MixColumns of a column whose last byte alone is not zero: once, once, three times, twice.
	z, before := h.column, uint64(0)
	for j := range z {
		v := boxed[j] >> shift & 0xffff
		twice := before ^ high&-uint64(0x1b>>j&1)
		z[j] ^= v | v<<16 | (v^twice)<<32 | twice<<48
		before = v
	}
	subBytes(&z)
	for j, w := range z {
		q[0][j], q[1][j] = h.rest[0][j]|w&0xffff, h.rest[1][j]|w>>16&0xffff
		q[2][j], q[3][j] = h.rest[2][j]|w>>32&0xffff, h.rest[3][j]|w>>48
	}
	q.mix(&s.keys[2])
	s.rounds(q, 3)
}

// numbers are those from 0 to 63, bit-sliced.
var numbers = [8]uint64{
	0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0, 0xff00ff00ff00ff00, 0xffff0000ffff0000, 0xffffffff00000000,
}

// count slices iv XORed with first, first+1, ...: if first is a multiple of their number, the
// blocks differ in the lowest bits of the last byte only.
func (q *sliced) count(iv Block, first uint64) {
	if first%softWidth != 0 {
		var b [softWidth]Block
		for i := range b {
			b[i] = Block{iv[0], iv[1] ^ bits.ReverseBytes64(first+uint64(i))}
		}
		q.pack(&b)
		return
	}
	q.broadcast(Block{iv[0], iv[1] ^ bits.ReverseBytes64(first)})
	for j, places := range [...]uint64{0xaaaa, 0xcccc, 0xf0f0, 0xff00} { // numbers with bit j
		q[3][j] ^= places << 48
	}
}

// softFold is Fold: streams are added up as they are, sliced.
func softFold(seeds []Cipher, cols, sum []Block, first uint64) {
	var counter, q sliced
	var b [softWidth]Block
	var heads [16]head
	left := 0
	for at := 0; at < len(sum); at, left = at+softWidth, left-softWidth {
		n := min(softWidth, len(sum)-at)
		count := first + uint64(at)
		if left <= 0 && len(sum)-at >= headWorth && count%softWidth == 0 {
			for x := range seeds {
				left = heads[x].begin(seeds[x].soft, Block{}, count)
			}
		}
		counter.count(Block{}, count)
		var total sliced
		var parts [4]sliced
		for x := range seeds {
			if left > 0 {
				heads[x].encrypt(seeds[x].soft, &q, count)
			} else {
				q = counter
				seeds[x].soft.encrypt(&q)
			}
			total.add(&q)
			for j := range parts {
				if x>>j&1 == 1 {
					parts[j].add(&q)
				}
			}
		}
		total.unpack(&b)
		copy(sum[at:], b[:n])
		for j := 0; 1<<j < len(seeds); j++ {
			parts[j].unpack(&b)
			copy(cols[j*len(sum)+at:][:n], b[:n])
		}
	}
}

// encrypt runs all rounds on a sliced state.
func (s *Soft) encrypt(q *sliced) {
	q.add(&s.keys[0])
	s.rounds(q, 1)
}

// inner runs the rounds from, from+1, ... before to.
func (s *Soft) inner(q *sliced, from, to int) {
	if from < to && q.byVectors(s.keys[from:], to-from, 0) {
		return
	}
	for r := from; r < to; r++ {
		q.substitute()
		q.mix(&s.keys[r])
	}
}

// rounds runs round from and all after it.
func (s *Soft) rounds(q *sliced, from int) {
	last := len(s.keys) - 1
	if q.byVectors(s.keys[from:], last-from, 1) {
		return
	}
	s.inner(q, from, last)
	q.substitute()
	k := &s.keys[last]
	for j := range 8 {
		a0, a1, a2, a3 := q.moved(j)
		q[0][j], q[1][j], q[2][j], q[3][j] = a0^k[0][j], a1^k[1][j], a2^k[2][j], a3^k[3][j]
	}
}

func (q *sliced) add(k *sliced) {
	for i := range q {
		a, b := &q[i], &k[i]
		a[0], a[1], a[2], a[3] = a[0]^b[0], a[1]^b[1], a[2]^b[2], a[3]^b[3]
		a[4], a[5], a[6], a[7] = a[4]^b[4], a[5]^b[5], a[6]^b[6], a[7]^b[7]
	}
}

func (q *sliced) substitute() {
	for i := range q {
		subBytes(&q[i])
	}
}

// mix is ShiftRows, MixColumns and the key: with a the rows, moved, and t = a ^ the next row, a
// row becomes 2t ^ the next a ^ the next t but one.
func (q *sliced) mix(k *sliced) {
	a0, a1, a2, a3 := q.moved(7)
	h0, h1, h2, h3 := a0^a1, a1^a2, a2^a3, a3^a0 // what doubling moves out of a byte
	t0, t1, t2, t3 := h0, h1, h2, h3
	var b0, b1, b2, b3 uint64 // t of the bit before

	a0, a1, a2, a3 = q.moved(0)
	b0, b1, b2, b3, t0, t1, t2, t3 = t0, t1, t2, t3, a0^a1, a1^a2, a2^a3, a3^a0
	q[0][0], q[1][0] = t2^a1^b0^k[0][0], t3^a2^b1^k[1][0]
	q[2][0], q[3][0] = t0^a3^b2^k[2][0], t1^a0^b3^k[3][0]

	a0, a1, a2, a3 = q.moved(1)
	b0, b1, b2, b3, t0, t1, t2, t3 = t0, t1, t2, t3, a0^a1, a1^a2, a2^a3, a3^a0
	q[0][1], q[1][1] = t2^a1^b0^h0^k[0][1], t3^a2^b1^h1^k[1][1]
	q[2][1], q[3][1] = t0^a3^b2^h2^k[2][1], t1^a0^b3^h3^k[3][1]

	a0, a1, a2, a3 = q.moved(2)
	b0, b1, b2, b3, t0, t1, t2, t3 = t0, t1, t2, t3, a0^a1, a1^a2, a2^a3, a3^a0
	q[0][2], q[1][2] = t2^a1^b0^k[0][2], t3^a2^b1^k[1][2]
	q[2][2], q[3][2] = t0^a3^b2^k[2][2], t1^a0^b3^k[3][2]

	a0, a1, a2, a3 = q.moved(3)
	b0, b1, b2, b3, t0, t1, t2, t3 = t0, t1, t2, t3, a0^a1, a1^a2, a2^a3, a3^a0
	q[0][3], q[1][3] = t2^a1^b0^h0^k[0][3], t3^a2^b1^h1^k[1][3]
	q[2][3], q[3][3] = t0^a3^b2^h2^k[2][3], t1^a0^b3^h3^k[3][3]

	a0, a1, a2, a3 = q.moved(4)
	b0, b1, b2, b3, t0, t1, t2, t3 = t0, t1, t2, t3, a0^a1, a1^a2, a2^a3, a3^a0
	q[0][4], q[1][4] = t2^a1^b0^h0^k[0][4], t3^a2^b1^h1^k[1][4]
	q[2][4], q[3][4] = t0^a3^b2^h2^k[2][4], t1^a0^b3^h3^k[3][4]

	a0, a1, a2, a3 = q.moved(5)
	b0, b1, b2, b3, t0, t1, t2, t3 = t0, t1, t2, t3, a0^a1, a1^a2, a2^a3, a3^a0
	q[0][5], q[1][5] = t2^a1^b0^k[0][5], t3^a2^b1^k[1][5]
	q[2][5], q[3][5] = t0^a3^b2^k[2][5], t1^a0^b3^k[3][5]

	a0, a1, a2, a3 = q.moved(6)
	b0, b1, b2, b3, t0, t1, t2, t3 = t0, t1, t2, t3, a0^a1, a1^a2, a2^a3, a3^a0
	q[0][6], q[1][6] = t2^a1^b0^k[0][6], t3^a2^b1^k[1][6]
	q[2][6], q[3][6] = t0^a3^b2^k[2][6], t1^a0^b3^k[3][6]

	a0, a1, a2, a3 = q.moved(7)
	b0, b1, b2, b3, t0, t1, t2, t3 = t0, t1, t2, t3, a0^a1, a1^a2, a2^a3, a3^a0
	q[0][7], q[1][7] = t2^a1^b0^k[0][7], t3^a2^b1^k[1][7]
	q[2][7], q[3][7] = t0^a3^b2^k[2][7], t1^a0^b3^k[3][7]
}

// moved is bit j of the rows after ShiftRows.
func (q *sliced) moved(j int) (a0, a1, a2, a3 uint64) {
	return q[0][j], bits.RotateLeft64(q[1][j], -16), bits.RotateLeft64(q[2][j], 32), bits.RotateLeft64(q[3][j], 16)
}

// subBytes is the S-box without its additive constant, as the circuit of Boyar and
// Peralta (SEA 2010): a linear layer, an inversion in GF(2^4)^2, a linear layer. In
// their numbering x0 is the highest bit. The order of the gates is one, found by search, in which
// Go's compiler for amd64 moves little to and from the stack.
// vectors.wasm is made of these statements: go generate.
func subBytes(q *[8]uint64) {
	x3, x5 := q[4], q[2]
	y14, x1, x2 := x3^x5, q[6], q[5]
	t0, x0, x6 := x1^x2, q[7], q[1]
	y13 := x0 ^ x6
	y12, x7 := y13^y14, q[0]
	y1, x4 := t0^x7, q[3]
	t1, y9 := x4^y12, x0^x3
	y20, y15, y8, y5 := t1^x1, t1^x5, x0^x5, y1^x6
	y3, t2, y6 := y5^y8, y12&y15, y15^x7
	t3, y4, y11 := y3&y6, y1^x3, y20^y9
	t5, y7 := y4&x7, x7^y11
	t6, y10 := t5^t2, y15^t0
	y17, t4, t12, y16 := y10^y11, t3^t2, y9&y11, t0^y11
	t13 := y14 & y17
	t14, t15 := t13^t12, y8&y10
	t17, t16, y19, t8 := t4^t14, t15^t12, y10^y8, y5&y1
	t18 := t6 ^ t16
	t22, t21, t7 := t18^y19, t17^y20, y13&y16
	t9, y21 := t8^t7, y13^y16
	t19 := t9 ^ t14
	t23, y18, y2 := t19^y21, x0^y16, y1^x0
	t10 := y2 & y7
	t11 := t10 ^ t7
	t20 := t11 ^ t16
	t24, t26 := t20^y18, t21&t23
	t27, t31, t30 := t24^t26, t22^t26, t23^t24
	t32, t25 := t31&t30, t21^t22
	t28 := t25 & t27
	t29, t33 := t28^t22, t32^t24
	t35 := t27 ^ t33
	t36, t34 := t24&t35, t23^t33
	t38 := t27 ^ t36
	t39 := t29 & t38
	t40 := t25 ^ t39
	z13, t37, z14, t43, z5, z4 := t40&y5, t36^t34, t29&y2, t29^t40, t29&y7, t40&y1
	z1, t41, z10, z11, t42, t48 := t37&y6, t40^t37, t37&y3, t33&y4, t29^t33, z5^z13
	t44, z3, z12, z2 := t33^t37, t43&y16, t43&y13, t33&x7
	z9 := t44 & y12
	t49, z6, t47, z0, z15, t51 := z9^z10, t42&y11, z10^z11, t44&y15, t42&y9, z2^z5
	t50, t45 := z2^z12, t42^t41
	z7 := t45 & y17
	t54 := z6 ^ z7
	t59, t53, z8 := z3^t54, z0^z3, t41&y10
	t52, t57 := z7^z8, t50^t53
	t61, z16 := z14^t57, t45&y14
	t46, z17 := z15^z16, t41&y8
	t55, t56, t60 := z16^z17, z12^t48, t46^t57
	s7 := t48 ^ t60
	q[0] = s7
	t58 := z4 ^ t46
	t63, t62 := t49^t58, t52^t58
	t65, t66 := t61^t62, z1^t63
	s4 := t51 ^ t66
	q[3] = s4
	t64, s5 := z4^t59, t47^t65
	q[2] = s5
	s6 := t56 ^ t62
	q[1] = s6
	s3 := t53 ^ t66
	q[4] = s3
	t67 := t64 ^ t65
	s2 := t55 ^ t67
	q[5] = s2
	s0 := t59 ^ t63
	q[7] = s0
	s1 := t64 ^ s3
	q[6] = s1
}

// exchange swaps the bits of a whose number has bit log2(s) set with those of b
// that have it clear.
func exchange(a, b uint64, s int, mask uint64) (uint64, uint64) {
	t := (a>>s ^ b) & mask
	return a ^ t<<s, b ^ t
}

// The exchanges of pack trade the number of a word (half h of block b) for the number of a
// bit: h and the column in h with the row, the upper bit of b with the row, the others with
// the number of a bit in its byte.

func (q *sliced) pack(b *[softWidth]Block) {
	for i := range 8 {
		w0, w1, w2, w3 := b[i][0], b[i][1], b[8+i][0], b[8+i][1]
		w0, w1 = exchange32(w0, w1)
		w2, w3 = exchange32(w2, w3)
		w0, w1 = exchange(w0, w1, 16, 0x0000ffff0000ffff)
		w2, w3 = exchange(w2, w3, 16, 0x0000ffff0000ffff)
		q[0][i], q[1][i] = exchange(w0, w2, 8, 0x00ff00ff00ff00ff)
		q[2][i], q[3][i] = exchange(w1, w3, 8, 0x00ff00ff00ff00ff)
	}
	for i := range q {
		exchangeBits(&q[i])
	}
}

func (q *sliced) unpack(b *[softWidth]Block) {
	for i := range q {
		exchangeBits(&q[i])
	}
	for i := range 8 {
		w0, w2 := exchange(q[0][i], q[1][i], 8, 0x00ff00ff00ff00ff)
		w1, w3 := exchange(q[2][i], q[3][i], 8, 0x00ff00ff00ff00ff)
		w0, w1 = exchange(w0, w1, 16, 0x0000ffff0000ffff)
		w2, w3 = exchange(w2, w3, 16, 0x0000ffff0000ffff)
		b[i][0], b[i][1] = exchange32(w0, w1)
		b[8+i][0], b[8+i][1] = exchange32(w2, w3)
	}
}

// exchangeBits swaps the number of a word with the number of a bit in its byte.
func exchangeBits(w *[8]uint64) {
	w0, w1, w2, w3, w4, w5, w6, w7 := w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
	w0, w4 = exchange(w0, w4, 4, 0x0f0f0f0f0f0f0f0f)
	w1, w5 = exchange(w1, w5, 4, 0x0f0f0f0f0f0f0f0f)
	w2, w6 = exchange(w2, w6, 4, 0x0f0f0f0f0f0f0f0f)
	w3, w7 = exchange(w3, w7, 4, 0x0f0f0f0f0f0f0f0f)
	w0, w2 = exchange(w0, w2, 2, 0x3333333333333333)
	w1, w3 = exchange(w1, w3, 2, 0x3333333333333333)
	w4, w6 = exchange(w4, w6, 2, 0x3333333333333333)
	w5, w7 = exchange(w5, w7, 2, 0x3333333333333333)
	w[0], w[1] = exchange(w0, w1, 1, 0x5555555555555555)
	w[2], w[3] = exchange(w2, w3, 1, 0x5555555555555555)
	w[4], w[5] = exchange(w4, w5, 1, 0x5555555555555555)
	w[6], w[7] = exchange(w6, w7, 1, 0x5555555555555555)
}

// exchange32 is exchange of halves of words.
func exchange32(a, b uint64) (uint64, uint64) {
	return a&0xffffffff | b<<32, a>>32 | b&^0xffffffff
}
