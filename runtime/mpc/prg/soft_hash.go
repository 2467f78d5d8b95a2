package prg

import (
	"math/bits"
	"runtime"
)

// hashWords writes words with the lowest width bits of the hashes of x[i] ^ off to dst and, unless
// also is nil, those of x[i] ^ otherOff to also; see Hash. Slicing is linear, so the second ones
// need none.
func (s *Soft) hashWords(dst, also []uint64, x []Block, off, otherOff Block, index uint64, width int) {
	var q, other, between sliced
	var end ending
	end.begin(s, width)
	change := off.Xor(otherOff).Sigma()
	between.broadcast(change)
	runtime.KeepAlive(touch(x))
	for len(x) > 0 {
		var plain [softWidth]Block
		var low, out, outAlso [softWidth]uint64
		n := min(softWidth, len(x))
		for i, y := range x[:n] {
			y0, y1 := y[0]^off[0], y[1]^off[1]
			low[i] = y1 // Sigma
			plain[i][0], plain[i][1] = y1^(index+uint64(i)), y0^y1
		}
		q.pack(&plain)
		if also == nil {
			end.encrypt(s, &q, &out)
		} else {
			other = q
			other.add(&between)
			end.encryptBoth(s, &q, &other, &out, &outAlso)
			for i := range also[:n] {
				also[i] = outAlso[i] ^ low[i] ^ change[0]
			}
			also = also[n:]
		}
		for i := range dst[:n] {
			dst[i] = out[i] ^ low[i]
		}
		dst, x, index = dst[n:], x[n:], index+uint64(n)
	}
}

// touch reads a word of every line: a loop so short that the processor has many lines under way
// at once, which it has not while it encrypts.
func touch(x []Block) (read uint64) {
	for i := 0; i < len(x); i += 64 / BlockSize {
		read ^= x[i][0]
	}
	return read
}

// column is one column of the states of softWidth blocks, bit-sliced: word j holds bit j of its
// bytes, row r of block b at bit 16*r + b.
type column [8]uint64

// ending is the last two rounds where the lowest bits of the encrypted blocks alone are wanted. A
// column behind a round needs four bytes before it, a diagonal; the lowest four bytes, those of
// column 0, need one diagonal of the last round, and the lowest two bytes of that need two of the
// round before, the lowest byte one.
type ending struct {
	width int
	keys  [2]column // columns 0 and 1 of the last round key but one
	last  column    // column 0 of the last
}

func (e *ending) begin(s *Soft, width int) {
	e.width = width
	if width > 32 {
		return
	}
	n := len(s.keys)
	e.last.of(&s.keys[n-1], 0)
	for c := range e.keys {
		e.keys[c].of(&s.keys[n-2], 16*c)
	}
}

// of takes the column from, 16 times its number, of a key.
func (z *column) of(k *sliced, from int) {
	for j := range z {
		z[j] = k[0][j]>>from&0xffff | k[1][j]>>from&0xffff<<16 | k[2][j]>>from&0xffff<<32 | k[3][j]>>from<<48
	}
}

// diagonal takes what ShiftRows moves to the column from, 16 times its number.
func (z *column) diagonal(q *sliced, from int) {
	const row = 0xffff
	for j := range z {
		a0, a1 := bits.RotateLeft64(q[0][j], -from), bits.RotateLeft64(q[1][j], -from)
		a2, a3 := bits.RotateLeft64(q[2][j], -from), bits.RotateLeft64(q[3][j], -from)
		z[j] = a0&row | a1&(row<<16) | a2&(row<<32) | a3&(row<<48)
	}
}

// mix is MixColumns and the key.
func (z *column) mix(k *column) {
	a := z[7]
	high := a ^ bits.RotateLeft64(a, -16) // what doubling moves out of a byte
	before := high
	for j := range z {
		a = z[j]
		t := a ^ bits.RotateLeft64(a, -16)
		z[j] = a ^ t ^ bits.RotateLeft64(t, 32) ^ before ^ k[j]
		before = t
	}
	z[1] ^= high
	z[3] ^= high
	z[4] ^= high
}

// most runs all rounds but the last, as far as they matter: of z the rows 0 and 1, or the whole
// column if more than 16 bits are wanted.
func (e *ending) most(s *Soft, q *sliced, z *column) {
	q.add(&s.keys[0])
	n := len(s.keys)
	if e.width > 16 {
		s.inner(q, 1, n-1)
		z.diagonal(q, 0)
		return
	}
	s.inner(q, 1, n-2)
	z.diagonal(q, 0)
	subBytes((*[8]uint64)(z))
	z.mix(&e.keys[0])
	if e.width <= 8 {
		return
	}
	var second column
	second.diagonal(q, 16)
	subBytes((*[8]uint64)(&second))
	second.mix(&e.keys[1])
	for j := range z {
		z[j] = z[j]&0xffff | second[j]&0xffff0000
	}
}

// encrypt writes words with the lowest bits of the encrypted blocks.
func (e *ending) encrypt(s *Soft, q *sliced, dst *[softWidth]uint64) {
	if e.width > 32 {
		s.encrypt(q)
		q.unpackLow(dst)
		return
	}
	var z column
	e.most(s, q, &z)
	subBytes((*[8]uint64)(&z))
	for j := range z {
		z[j] ^= e.last[j]
	}
	exchangeBits((*[8]uint64)(&z))
	for i, w := range &z {
		dst[i], dst[8+i] = evenBytes(w), evenBytes(w>>8)
	}
}

// encryptBoth is encrypt of two states: two rows of each are one column.
func (e *ending) encryptBoth(s *Soft, q, other *sliced, dst, also *[softWidth]uint64) {
	if e.width > 16 {
		e.encrypt(s, q, dst)
		e.encrypt(s, other, also)
		return
	}
	var z, y column
	e.most(s, q, &z)
	e.most(s, other, &y)
	for j := range z {
		z[j] = z[j]&0xffffffff | y[j]<<32
	}
	subBytes((*[8]uint64)(&z))
	for j := range z {
		rows := e.last[j] & 0xffffffff
		z[j] ^= rows | rows<<32
	}
	exchangeBits((*[8]uint64)(&z))
	for i, w := range &z {
		dst[i], also[i] = evenBytes(w&0xffffffff), evenBytes(w>>32)
		dst[8+i], also[8+i] = evenBytes(w>>8&0xffffff), evenBytes(w>>40)
	}
}

// evenBytes puts the bytes 0, 2, 4 and 6 side by side.
func evenBytes(x uint64) uint64 {
	x &= 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return (x | x>>16) & 0xffffffff
}

// unpackLow is unpack of the low words alone: of every word of q the low half.
func (q *sliced) unpackLow(dst *[softWidth]uint64) {
	var a, b [8]uint64
	for i := range a {
		a[i], b[i] = q[0][i]&0xffffffff|q[2][i]<<32, q[1][i]&0xffffffff|q[3][i]<<32
	}
	exchangeBits(&a)
	exchangeBits(&b)
	for i := range a {
		x, y := exchange(a[i], b[i], 8, 0x00ff00ff00ff00ff)
		dst[i], dst[8+i] = swapMiddle(x), swapMiddle(y)
	}
}

// swapMiddle swaps the second and the third quarter.
func swapMiddle(x uint64) uint64 {
	t := (x ^ x>>16) & 0x00000000ffff0000
	return x ^ t ^ t<<16
}
