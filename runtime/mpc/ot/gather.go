package ot

import (
	"math/bits"

	"secc/runtime/mpc/prg"
)

// gather computes dst[i] = leaves[i] ^ the xor of ten entries of x. Their
// numbers come from index, four 32-bit words a block, ten words a row: len(x) is
// 5*2^a, and a word w stands for entry (w>>3)*5 >> (29-a). The indices are public.
// The words are overwritten.
func gather(dst, leaves, x, index []prg.Block) {
	leaves, fast := leaves[:len(dst)], 0
	if accelerated() && len(dst) >= 8 {
		fast = len(dst) &^ 7 // eight rows use five vectors of words
		index, used := index[fast*lpnWeight/4:], index[:fast*lpnWeight/4]
		offsetsAsm(&used[0][0], len(used)/4, uint64(indexShift(len(x))))
		gatherAsm(&dst[0][0], &leaves[0][0], &x[0][0], &used[0][0], fast)
		gatherGeneric(dst[fast:], leaves[fast:], x, index)
		return
	}
	gatherGeneric(dst, leaves, x, index)
}

// indexShift is 29-a for k = 5*2^a.
func indexShift(k int) int { return 29 - bits.TrailingZeros(uint(k)) }

func gatherGeneric(dst, leaves, x, index []prg.Block) {
	shift := indexShift(len(x))
	at := 0
	for i := range dst {
		sum := leaves[i]
		for range lpnWeight {
			word := uint32(index[at/4][at/2%2] >> (at % 2 * 32))
			sum = sum.Xor(x[word>>3*5>>shift])
			at++
		}
		dst[i] = sum
	}
}
