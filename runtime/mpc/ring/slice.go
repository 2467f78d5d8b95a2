package ring

import "secc.example/secc/internal/kernel"

//go:generate sh -c "cd _asm && go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg ring"

var slicing = kernel.New("ring.slice", kernel.When(kernel.AVX2, kernel.X86.AVX2), kernel.When(kernel.AVX512, kernel.X86.AVX512))

// Slice transposes: bit i of planes[j] becomes bit lo+j of x[i]. Bits past the
// last element are zero.
func Slice(planes [][]uint64, x []uint64, lo int) {
	if len(planes) == 0 || len(x) == 0 {
		return
	}
	for _, p := range planes {
		_ = p[Words(len(x))-1] // the assembly trusts lengths
	}
	full := len(x) / 64
	switch {
	case full == 0:
	case slicing.Variant() == kernel.Portable:
		slicePortable(planes, x[:full*64], lo)
	case slicing.Variant() == kernel.AVX2:
		sliceBytes(&planes[0], len(planes), &x[0], full, uint64(lo))
	default:
		sliceAsm(&planes[0], len(planes), &x[0], full, uint64(lo))
	}
	if rest := x[full*64:]; len(rest) > 0 {
		for j, p := range planes {
			p[full] = gatherBit(rest, lo+j)
		}
	}
}

// gatherBit collects one bit of up to 64 elements.
func gatherBit(x []uint64, bit int) (w uint64) {
	for i, v := range x {
		w |= v >> bit & 1 << i
	}
	return w
}

// manyPlanes is from where a whole transposition is faster than one pass a bit.
const manyPlanes = 6

// slicePortable slices whole blocks of 64 elements.
func slicePortable(planes [][]uint64, x []uint64, lo int) {
	var m [64]uint64
	for b := 0; b*64 < len(x); b++ {
		block := x[b*64 : b*64+64]
		if len(planes) < manyPlanes {
			for j, p := range planes {
				p[b] = gatherBit(block, lo+j)
			}
			continue
		}
		copy(m[:], block)
		transpose(&m)
		for j, p := range planes {
			p[b] = m[lo+j]
		}
	}
}

// transpose mirrors a 64x64 bit matrix: bit j of m[i] becomes bit i of m[j]
// (Warren, Hacker's Delight, section 7-3).
func transpose(m *[64]uint64) {
	mask := uint64(0x00000000ffffffff)
	for d := 32; d > 0; d >>= 1 {
		for i := 0; i < 64; i = (i + d + 1) &^ d {
			t := (m[i]>>d ^ m[i+d]) & mask
			m[i] ^= t << d
			m[i+d] ^= t
		}
		mask ^= mask << (d / 2)
	}
}
