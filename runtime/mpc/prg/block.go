// Package prg turns AES into what the protocols need of it: pseudorandom
// streams, the correlation-robust hash that turns correlated OTs into
// random ones, and the levels of the correlated GGM tree of silent OT.
//
// It knows blocks and keys. It knows nothing of parties, messages or of what
// the bits are used for. Every kernel exists in several variants that give the
// same bits (see internal/kernel): bit-sliced Go, whose rounds WebAssembly can run in
// vectors of 128 bits, NEON with its AES instructions, and AES-NI on 128, 256 and 512 bits.
package prg

import "encoding/binary"

// BlockSize is the size of a Block in bytes.
const BlockSize = 16

// Block is 128 bits; word 0 holds bits 0..63. As bytes, words are little-endian.
type Block [2]uint64

// Xor is a ^ b.
func (a Block) Xor(b Block) Block { return Block{a[0] ^ b[0], a[1] ^ b[1]} }

// And is a & mask, the mask widened to both words; mask is 0 or all ones.
func (a Block) And(mask uint64) Block { return Block{a[0] & mask, a[1] & mask} }

// Bytes is the wire form.
func (a Block) Bytes() (p [BlockSize]byte) {
	a.Put(p[:])
	return p
}

// Put writes the wire form to the first 16 bytes of p.
func (a Block) Put(p []byte) {
	_ = p[15]
	binary.LittleEndian.PutUint64(p, a[0])
	binary.LittleEndian.PutUint64(p[8:], a[1])
}

// Load reads the wire form from the first 16 bytes of p.
func Load(p []byte) Block {
	_ = p[15]
	return Block{binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])}
}

// Sigma is the linear orthomorphism of Guo-Katz-Wang-Yu (S&P 2020): the high
// word becomes high ^ low, the low word becomes high. Both it and x -> x ^ Sigma(x)
// are permutations, which is what circular correlation robustness needs.
func (a Block) Sigma() Block { return Block{a[1], a[0] ^ a[1]} }
