package ot

import "secc/runtime/mpc/prg"

// gather computes dst[i] = leaves[i] ^ the xor of ten entries of x. Their
// numbers come from index, four 32-bit words a block, ten words a row: word>>4
// modulo len(x), a power of two. The indices are public.
func gather(dst, leaves, x, index []prg.Block) {
	gatherGeneric(dst, leaves, x, index)
}

func gatherGeneric(dst, leaves, x, index []prg.Block) {
	mask := uint32(len(x) - 1)
	at := 0
	for i := range dst {
		sum := leaves[i]
		for range lpnWeight {
			word := uint32(index[at/4][at/2%2] >> (at % 2 * 32))
			sum = sum.Xor(x[word>>4&mask])
			at++
		}
		dst[i] = sum
	}
}
