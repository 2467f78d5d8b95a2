package ring

import (
	"encoding/binary"
	"errors"

	"secc.example/secc/internal/kernel"
)

// ErrPadding: bits past the last element of a packed vector were not zero.
var ErrPadding = errors.New("padding bits are not zero")

// PackedLen is the number of bytes of n elements of some bits.
func PackedLen(n, bits int) int { return (n*bits + 7) / 8 }

// Pack writes the elements into dst, which is PackedLen bytes long: bits each,
// least significant first, no gaps. Higher bits of the elements are ignored.
func Pack(dst []byte, x []uint64, bits int) {
	dst = dst[:PackedLen(len(x), bits)]
	if n := wholeEights(len(x), len(dst), bits); n > 0 && bits >= leastAlternate && packing.Variant() == kernel.IFMA {
		packIFMA(&dst[0], &x[0], uint64(n/8), uint64(bits), &packLayouts[bits].alternate[0])
		x, dst = x[n:], dst[n/8*bits:]
	}
	var acc uint64
	m, b, n := Mask(bits), uint(bits), uint(0) // n < 64 bits are pending in acc
	for _, v := range x {
		v &= m
		acc |= v << (n & 63)
		if n += b; n < 64 {
			continue
		}
		binary.LittleEndian.PutUint64(dst, acc)
		dst, n = dst[8:], n-64
		acc = v >> (b - n)
	}
	for i := range dst[:(n+7)/8] {
		dst[i] = byte(acc)
		acc >>= 8
	}
}

// Unpack is the reverse of Pack. It refuses padding bits that are not zero, so
// that every vector has one encoding.
func Unpack(x []uint64, src []byte, bits int) error {
	src = src[:PackedLen(len(x), bits)]
	if n := wholeEights(len(x), len(src), bits); n > 0 {
		switch packing.Variant() {
		case kernel.IFMA:
			unpackIFMA(&x[0], &src[0], uint64(n/8), uint64(bits), &packLayouts[bits].words[0])
		case kernel.AVX2:
			unpackAVX2(&x[0], &src[0], uint64(n/8), uint64(bits), &packLayouts[bits].lanes[0])
		default:
			unpackEights(x[:n], src, bits)
		}
		x, src = x[n:], src[n/8*bits:]
	}
	var acc uint64
	m, b, n := Mask(bits), uint(bits), uint(0) // n < 64 bits of acc are not used yet
	for i := range x {
		if n >= b {
			x[i] = acc & m
			acc >>= b & 63
			n -= b
			continue
		}
		next, got := uint64(0), uint(64)
		if len(src) >= 8 {
			next = binary.LittleEndian.Uint64(src)
			src = src[8:]
		} else {
			next, got = last(src)
			src = nil
		}
		x[i] = (acc | next<<(n&63)) & m
		acc = next >> (b - n)
		n += got - b
	}
	if acc != 0 {
		return ErrPadding
	}
	return nil
}

// last reads fewer than 8 bytes, and says how many bits they are.
func last(src []byte) (w uint64, n uint) {
	for i, c := range src {
		w |= uint64(c) << (8 * i)
	}
	return w, uint(8 * len(src))
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
	w, _ := last(src[8*full:])
	if w&^Mask(rest) != 0 {
		return ErrPadding
	}
	b[full] = w
	return nil
}
