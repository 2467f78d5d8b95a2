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

// slicePortable slices whole blocks of 64 elements. Of few bits of an element several elements share
// a word, and then fewer words are transposed: 8, 16 or 32 for as many planes at most.
func slicePortable(planes [][]uint64, x []uint64, lo int) {
	size := 8
	for size < len(planes) {
		size *= 2
	}
	var m [64]uint64
	for b := 0; b*64 < len(x); b++ {
		block := (*[64]uint64)(x[b*64:])
		for i := range size {
			w := block[i] >> lo
			if size < 64 {
				w &= 1<<size - 1
			}
			for at := size; at < 64; at += size {
				w |= block[i+at] >> lo & (1<<size - 1) << at
			}
			m[i] = w
		}
		transpose(m[:size])
		for j, p := range planes {
			p[b] = m[j]
		}
	}
}

// transpose mirrors square matrices of len(m) times as many bits, which lie side by side: of each
// bit j of m[i] becomes bit i of m[j] (Warren, Hacker's Delight, section 7-3).
func transpose(m []uint64) {
	for d := len(m) / 2; d > 0; d >>= 1 {
		mask := ^uint64(0) / (1<<d + 1) // the lower d of every 2d bits
		for from := 0; from < len(m); from += 2 * d {
			a, b := m[from:from+d], m[from+d:from+2*d]
			for i, w := range a {
				t := (w>>d ^ b[i]) & mask
				a[i], b[i] = w^t<<d, b[i]^t
			}
		}
	}
}
