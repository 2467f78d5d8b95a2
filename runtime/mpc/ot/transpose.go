package ot

import (
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/prg"
)

var transposing = kernel.New("ot.transpose", kernel.When(kernel.AVX2, kernel.X86.AVX2), kernel.When(kernel.AVX512, kernel.X86.GFNI512))

// transpose makes rows of 128 bits, from row number first on, of 128 columns of len(cols) bits (column
// c at cols[c*w:], w = len(cols)/128 blocks). How many rows, and the first, are multiples of 512.
func transpose(rows, cols []prg.Block, first int) {
	w := len(cols) / 128
	cols = cols[first/128 : len(cols)-w+(first+len(rows))/128] // all that is read
	if v := transposing.Variant(); v != kernel.Portable {
		transposeVectors(v, rows, cols, w*prg.BlockSize)
		return
	}
	transposeGeneric(rows, cols, w)
}

func transposeGeneric(rows, cols []prg.Block, w int) {
	for b := range len(rows) / 128 {
		for half := range 2 { // rows 128b + 64half ...
			var lo, hi [64]uint64
			for c := range 64 {
				lo[c] = cols[c*w+b][half]
				hi[c] = cols[(64+c)*w+b][half]
			}
			transpose64(&lo)
			transpose64(&hi)
			out := rows[128*b+64*half:][:64]
			for i := range out {
				out[i] = prg.Block{lo[i], hi[i]}
			}
		}
	}
}

// transpose64 swaps rows and columns: bit j of word i becomes bit i of word j.
func transpose64(a *[64]uint64) {
	mask := uint64(0x00000000ffffffff)
	for d := 32; d > 0; d >>= 1 {
		for i := 0; i < 64; i = (i + d + 1) &^ d {
			t := (a[i]>>d ^ a[i+d]) & mask
			a[i+d] ^= t
			a[i] ^= t << d
		}
		mask ^= mask << (d >> 1)
	}
}
