package ring

import (
	"encoding/binary"
	"errors"
)

// ErrPadding: bits past the last element of a packed vector were not zero.
var ErrPadding = errors.New("padding bits are not zero")

// PackedLen is the number of bytes of n elements of some bits.
func PackedLen(n, bits int) int { return (n*bits + 7) / 8 }

// Pack writes the elements into dst, which is PackedLen bytes long: bits each,
// least significant first, no gaps. Higher bits of the elements are ignored.
func Pack(dst []byte, x []uint64, bits int) {
	if bits == 16 {
		for i, v := range x {
			binary.LittleEndian.PutUint16(dst[2*i:], uint16(v))
		}
		return
	}
	var acc uint64
	n, at, m := 0, 0, Mask(bits)
	for _, v := range x {
		v &= m
		acc |= v << n
		if n += bits; n < 64 {
			continue
		}
		binary.LittleEndian.PutUint64(dst[at:], acc)
		at, n = at+8, n-64
		acc = v >> (bits - n)
	}
	for ; n > 0; n -= 8 {
		dst[at] = byte(acc)
		acc, at = acc>>8, at+1
	}
}

// Unpack is the reverse of Pack. It refuses padding bits that are not zero, so
// that every vector has one encoding.
func Unpack(x []uint64, src []byte, bits int) error {
	if bits == 16 {
		for i := range x {
			x[i] = uint64(binary.LittleEndian.Uint16(src[2*i:]))
		}
		return nil
	}
	m := Mask(bits)
	bit := 0
	for i := range x {
		x[i] = load(src, bit>>3, bit&7, bits) & m
		bit += bits
	}
	if bit&7 != 0 && src[len(src)-1]>>(bit&7) != 0 {
		return ErrPadding
	}
	return nil
}

// load reads at least bits bits that begin at bit shift of byte at.
func load(src []byte, at, shift, bits int) uint64 {
	if at+9 <= len(src) {
		v := binary.LittleEndian.Uint64(src[at:]) >> shift
		return v | uint64(src[at+8])<<(64-shift) // shift 0: shifted out
	}
	var v uint64
	for i := 0; 8*i < shift+bits; i++ {
		b := uint64(src[at+i])
		if i == 0 {
			v = b >> shift
		} else {
			v |= b << (8*i - shift)
		}
	}
	return v
}

// PackBits writes n bits of b into dst, which is PackedLen(n, 1) bytes long.
func PackBits(dst []byte, b []uint64, n int) {
	full := n / 64
	for i, w := range b[:full] {
		binary.LittleEndian.PutUint64(dst[8*i:], w)
	}
	if rest := n % 64; rest > 0 {
		w := b[full] & Mask(rest)
		for i := 8 * full; i < len(dst); i++ {
			dst[i] = byte(w)
			w >>= 8
		}
	}
}

// UnpackBits is the reverse of PackBits.
func UnpackBits(b []uint64, src []byte, n int) error {
	full := n / 64
	for i := range b[:full] {
		b[i] = binary.LittleEndian.Uint64(src[8*i:])
	}
	rest := n % 64
	if rest == 0 {
		return nil
	}
	var w uint64
	for i, c := range src[8*full:] {
		w |= uint64(c) << (8 * i)
	}
	if w&^Mask(rest) != 0 {
		return ErrPadding
	}
	b[full] = w
	return nil
}
