// Package ring holds what all protocols do with vectors: words of Z_2^k, bit
// vectors packed 64 to a word, the transposition between the two (bit slicing),
// and the packing of both to bytes without a spare bit.
//
// It knows no party, no protocol and no secret: every function is a fixed
// sequence of word operations whose length depends on sizes only.
package ring

// Mask is the largest element of Z_2^bits, 1 <= bits <= 64.
func Mask(bits int) uint64 { return ^uint64(0) >> (64 - bits) }

// Signed reads an element of Z_2^bits as a signed number.
func Signed(x uint64, bits int) int64 { return int64(x<<(64-bits)) >> (64 - bits) }

// Words is the number of words of a bit vector of n bits.
func Words(n int) int { return (n + 63) / 64 }

// Reduce masks every element to Z_2^bits.
func Reduce(x []uint64, bits int) {
	m := Mask(bits)
	for i := range x {
		x[i] &= m
	}
}

// Bit is element i of a bit vector.
func Bit(b []uint64, i int) uint64 { return b[i>>6] >> (i & 63) & 1 }

// Planes allocates count zero bit vectors of n bits, next to each other.
func Planes(count, n int) [][]uint64 {
	w := Words(n)
	all := make([]uint64, count*w)
	p := make([][]uint64, count)
	for j := range p {
		p[j] = all[j*w : (j+1)*w : (j+1)*w]
	}
	return p
}
