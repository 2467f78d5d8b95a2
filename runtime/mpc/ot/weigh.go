package ot

import (
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/prg"
)

// The sums of the trees' check. Words are of GF(2^64) = GF(2)[x] / (x^64 + x^4 + x^3 + x + 1), and
// every leaf of a group has a factor of its own: x to the number of fours that follow it, times x+1
// to its place among four.

var weighing = kernel.New("ot.weigh", kernel.When(kernel.NEON, kernel.ARM64.NEON), kernel.When(kernel.AVX2, kernel.X86.AVX2), kernel.When(kernel.AVX512, kernel.X86.AVX512))

// double is x*w.
func double(w uint64) uint64 { return w<<1 ^ -(w>>63)&0x1b }

// weigh adds up each group of leaves, times their factors. Groups have a multiple of four.
func weigh(dst *[treeGroups]prg.Block, leaves []prg.Block) {
	n := len(leaves) / treeGroups
	var fours [treeGroups][4]prg.Block
	if v := weighing.Variant(); v != kernel.Portable {
		weighVectors(v, &fours, leaves)
	} else {
		for g := range fours {
			fours[g] = weighGeneric(leaves[g*n : (g+1)*n])
		}
	}
	for g := range fours {
		sum := fours[g][3]
		for i := 2; i >= 0; i-- {
			sum = sum.Xor(prg.Block{double(sum[0]), double(sum[1])}).Xor(fours[g][i])
		}
		dst[g] = sum
	}
}

func weighGeneric(leaves []prg.Block) (sums [4]prg.Block) {
	for ; len(leaves) >= 4; leaves = leaves[4:] {
		for i := range sums {
			sums[i] = prg.Block{double(sums[i][0]) ^ leaves[i][0], double(sums[i][1]) ^ leaves[i][1]}
		}
	}
	return sums
}
