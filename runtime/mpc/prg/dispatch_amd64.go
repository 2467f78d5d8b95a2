//go:build !purego

package prg

import (
	"unsafe"

	"secc.example/secc/internal/kernel"
)

//go:generate sh -c "cd _asm && go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg prg"

// whole says whether a variant has every kernel in assembly. Those below hand
// slices to it: no slice is empty, and lengths have been checked.
func whole(v kernel.Variant) bool { return v >= kernel.AVX2 }

// expandKey makes the schedule that all variants but the portable one read.
func expandKey(key *Block, rounds *[11]Block) { expandKey128(&key[0], &rounds[0][0]) }

func encryptBlocks(rounds *[11]Block, x []Block) { encrypt128(&rounds[0][0], &x[0][0], len(x)) }

// byPairs splits n blocks into what registers of two blocks do, and the rest.
func byPairs(v kernel.Variant, n int) (pairs, rest int) {
	if v == kernel.VAES {
		return n &^ 1, n & 1
	}
	return 0, n
}

func ctr(v kernel.Variant, rounds *[11]Block, dst []Block, first uint64) {
	if v == kernel.AVX512 {
		ctr512(&rounds[0][0], &dst[0][0], len(dst), first)
		return
	}
	pairs, rest := byPairs(v, len(dst))
	if pairs > 0 {
		ctr256(&rounds[0][0], &dst[0][0], pairs, first)
	}
	if rest > 0 {
		ctr128(&rounds[0][0], &dst[pairs][0], rest, first+uint64(pairs))
	}
}

func public(v kernel.Variant, rounds *[11]Block, dst []Block, first uint64) {
	if v == kernel.AVX512 {
		public512(&rounds[0][0], &dst[0][0], len(dst), first)
		return
	}
	pairs, rest := byPairs(v, len(dst))
	if pairs > 0 {
		public256(&rounds[0][0], &dst[0][0], pairs, first)
	}
	if rest > 0 {
		public128(&rounds[0][0], &dst[pairs][0], rest, first+uint64(pairs))
	}
}

func encryptPublic(*[11]Block, []Block) {
	panic("BUG: prg: every variant has a whole kernel for public streams")
}

func hashWords(v kernel.Variant, rounds *[11]Block, dst []uint64, x []Block, off *Block, index uint64) {
	if v == kernel.AVX512 {
		hashWords512(&rounds[0][0], &dst[0], &x[0][0], len(x), &off[0], index)
		return
	}
	pairs, rest := byPairs(v, len(x))
	if pairs > 0 {
		hashWords256(&rounds[0][0], &dst[0], &x[0][0], pairs, &off[0], index)
	}
	if rest > 0 {
		hashWords128(&rounds[0][0], &dst[pairs], &x[pairs][0], rest, &off[0], index+uint64(pairs))
	}
}

func expand(v kernel.Variant, rounds *[11]Block, nodes []Block, n int, fix *Block, at, m uint64) (sum Block) {
	switch {
	case v == kernel.AVX512:
		expand512(&rounds[0][0], &nodes[0][0], n, &fix[0], at, m, &sum[0])
	case v == kernel.VAES && n > 1:
		expand256(&rounds[0][0], &nodes[0][0], n, &fix[0], at, m, &sum[0])
	default:
		expand128(&rounds[0][0], &nodes[0][0], n, &fix[0], at, m, &sum[0])
	}
	return sum
}

func finish(v kernel.Variant, nodes []Block, fix *Block, at, m, leaf, mark uint64) {
	if v == kernel.AVX512 {
		finish512(&nodes[0][0], len(nodes), &fix[0], at, m, leaf, mark)
		return
	}
	finish256(&nodes[0][0], len(nodes), &fix[0], at, m, leaf, mark)
}

// fold runs on the schedules inside the ciphers.
func fold(v kernel.Variant, seeds []Cipher, cols, sum []Block, first uint64) {
	const stride = int(unsafe.Sizeof(Cipher{}))
	rounds, size, n := &seeds[0].rounds[0][0], len(sum)*BlockSize, len(sum)
	switch {
	case v == kernel.AVX512 && len(seeds) == 4:
		fold4by512(rounds, stride, &cols[0][0], size, &sum[0][0], n, first)
	case v == kernel.AVX512:
		fold16by512(rounds, stride, &cols[0][0], size, &sum[0][0], n, first)
	case v == kernel.VAES && len(seeds) == 4:
		fold4by256(rounds, stride, &cols[0][0], size, &sum[0][0], n, first)
	case v == kernel.VAES:
		fold16by256(rounds, stride, &cols[0][0], size, &sum[0][0], n, first)
	case len(seeds) == 4:
		fold4by128(rounds, stride, &cols[0][0], size, &sum[0][0], n, first)
	default:
		fold16by128(rounds, stride, &cols[0][0], size, &sum[0][0], n, first)
	}
}
