// Package wire holds what both parties and the cost model must know of a
// protocol's messages: shapes, sizes, parameters. Arithmetic only; it imports
// nothing but the standard library.
//
// A protocol fact stands here once. backend/plan adds the facts up to bytes,
// rounds and OTs; runtime/mpc carries them out. Changing one changes both, so
// that what a plan predicts and what its parties do cannot drift apart.
package wire

// PackedLen is the number of bytes of n elements of some bits, packed without gaps.
func PackedLen(n, bits int) int64 { return (int64(n)*int64(bits) + 7) / 8 }
