package prg

import "secc.example/secc/internal/kernel"

// Fold runs the AES-CTR streams of 4 or 16 seeds side by side, from block
// first, and adds them up: sum becomes the xor of all, and column j of cols
// (len(sum) blocks each) the xor of those whose seed's number has bit j. The
// streams themselves never go to memory. len(sum) is a multiple of 4.
func Fold(seeds []Cipher, cols, sum []Block, first uint64) {
	k := foldBits(len(seeds))
	if len(cols) != k*len(sum) || len(sum)%4 != 0 || len(sum) == 0 {
		panic("BUG: prg: columns and sum do not fit")
	}
	v := seeds[0].variant
	for i := range seeds {
		if seeds[i].variant != v {
			panic("BUG: prg: seeds of different variants")
		}
	}
	switch {
	case whole(v):
		fold(v, seeds, cols, sum, first)
	case v == kernel.Portable:
		softFold(seeds, cols, sum, first)
	default:
		composedFold(seeds, cols, sum, first)
	}
}

func foldBits(seeds int) int {
	switch seeds {
	case 4:
		return 2
	case 16:
		return 4
	}
	panic("BUG: prg: Fold takes 4 or 16 seeds")
}
