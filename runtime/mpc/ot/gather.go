package ot

import "secc.example/secc/runtime/mpc/prg"

// gather computes dst[i] = leaves[i] ^ the xor of ten entries of x. Their
// numbers come from index, four 32-bit words a block, ten words a row: word>>4
// modulo len(x), a power of two. The indices are public.
func gather(dst, leaves, x, index []prg.Block) {
	leaves, even := leaves[:len(dst)], 0
	if accelerated() && len(dst) > 1 {
		even = len(dst) &^ 1
		_ = index[even*lpnWeight/4-1]
		gatherAsm(&dst[0][0], &leaves[0][0], &x[0][0], uint32(len(x)-1)<<4, &index[0][0], even)
	}
	gatherGeneric(dst[even:], leaves[even:], x, index[even*lpnWeight/4:])
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
