package prg

//go:generate sh -c "cd _asm && go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg prg"

// The kernels below hand slices to the assembly. Callers have checked that
// accelerated holds and that no slice is empty.

func expandKey(key *Block, rounds *[11]Block) { expandKeyAsm(&key[0], &rounds[0][0]) }

func ctr(rounds *[11]Block, dst []Block, first uint64) {
	ctrAsm(&rounds[0][0], &dst[0][0], len(dst), first)
}

func hashWords(rounds *[11]Block, dst []uint64, x []Block, off *Block, index uint64) {
	hashWordsAsm(&rounds[0][0], &dst[0], &x[0][0], len(x), &off[0], index)
}

func expand(rounds *[11]Block, nodes []Block, n int, fix *Block, at, m uint64) (sum Block) {
	expandAsm(&rounds[0][0], &nodes[0][0], n, &fix[0], at, m, &sum[0])
	return sum
}

func finish(nodes []Block, fix *Block, at, m, leaf, mark uint64) {
	finishAsm(&nodes[0][0], len(nodes), &fix[0], at, m, leaf, mark)
}
