package ring

// What is done to the elements of a vector by the bits of another. Every element takes the same
// time, whatever its bit.

// AddWhere adds x[i] to out[i] where bit i is set.
func AddWhere(out, x, bits []uint64) {
	for len(x) > 0 {
		n, w := min(64, len(x)), bits[0]
		o := out[:n]
		for i, v := range x[:n] {
			o[i] += v & -(w & 1)
			w >>= 1
		}
		out, x, bits = out[n:], x[n:], bits[1:]
	}
}

// XorWhere is AddWhere by XOR.
func XorWhere(out, x, bits []uint64) {
	for len(x) > 0 {
		n, w := min(64, len(x)), bits[0]
		o := out[:n]
		for i, v := range x[:n] {
			o[i] ^= v & -(w & 1)
			w >>= 1
		}
		out, x, bits = out[n:], x[n:], bits[1:]
	}
}

// NegateWhere sets out[i] to -x[i] where bit i is set, and to x[i] elsewhere, and returns out,
// which may be x.
func NegateWhere(out, x, bits []uint64) []uint64 {
	all := out
	for len(x) > 0 {
		n, w := min(64, len(x)), bits[0]
		o := out[:n]
		for i, v := range x[:n] {
			m := -(w & 1)
			o[i] = v ^ m - m
			w >>= 1
		}
		out, x, bits = out[n:], x[n:], bits[1:]
	}
	return all
}
