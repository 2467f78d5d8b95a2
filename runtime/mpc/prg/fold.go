package prg

import "unsafe"

// Fold runs the AES-CTR streams of 4 or 16 seeds side by side, from block
// first, and adds them up: sum becomes the xor of all, and column j of cols
// (len(sum) blocks each) the xor of those whose seed's number has bit j. The
// streams themselves never go to memory. len(sum) is a multiple of 4.
func Fold(seeds []Cipher, cols, sum []Block, first uint64) {
	k := foldBits(len(seeds))
	if len(cols) != k*len(sum) || len(sum)%4 != 0 || len(sum) == 0 {
		panic("BUG: prg: columns and sum do not fit")
	}
	if accelerated() {
		foldStreams(seeds, cols, sum, first)
		return
	}
	foldGeneric(seeds, cols, sum, first)
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

func foldGeneric(seeds []Cipher, cols, sum []Block, first uint64) {
	clear(sum)
	clear(cols)
	stream := make([]Block, len(sum))
	for x := range seeds {
		fillGeneric(seeds[x].portable(), stream, first)
		addTo(sum, stream)
		for j := 0; 1<<j < len(seeds); j++ {
			if x>>j&1 == 1 {
				addTo(cols[j*len(sum):], stream)
			}
		}
	}
}

func addTo(dst, src []Block) {
	for i := range src {
		dst[i] = dst[i].Xor(src[i])
	}
}

func foldStreams(seeds []Cipher, cols, sum []Block, first uint64) {
	run := fold4Asm
	if len(seeds) == 16 {
		run = fold16Asm
	}
	const stride = int(unsafe.Sizeof(Cipher{}))
	run(&seeds[0].rounds[0][0], stride, &cols[0][0], len(sum)*BlockSize, &sum[0][0], len(sum), first)
}
