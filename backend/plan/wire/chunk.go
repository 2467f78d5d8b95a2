package wire

// Chunk is how many elements of a vector the non-linear protocols work on at a
// time, so that pads stay in cache. It fixes the order of bits in a message.
const Chunk = 1 << 13

// MulSlab is how many products of two shared numbers share a flight: each holds
// its pads until the flight has crossed, so a longer vector goes in several.
const MulSlab = 1 << 17

// StepSlab is how many elements of a function share a flight of products with
// all of its knots; a multiple of Chunk.
func StepSlab(knots int) int { return max(1<<21/knots/Chunk, 1) * Chunk }

// GateSlab is how many elements are multiplied by their gate in a flight.
const GateSlab = 1 << 19

// Slabs visits [0, n) in pieces of at most size elements.
func Slabs(n, size int, f func(lo, n int) error) error {
	for lo := 0; lo < n; lo += size {
		if err := f(lo, min(size, n-lo)); err != nil {
			return err
		}
	}
	return nil
}
