package ot

import "secc.example/secc/runtime/mpc/prg"

// lineSize is the number of blocks of a line, 64 bytes: what a code entry of
// lineSize rows together takes. Row j of a group takes block j + turn (modulo lineSize) of
// the line, so a line comes from memory once for four rows, and one index serves them.
const lineSize = 4

// indexBlocks is the number of blocks of indices that n rows take.
func indexBlocks(n int) int {
	groups := (n + lineSize - 1) / lineSize
	return (groups*lpnWeight + 3) / 4
}

// gather computes dst[i] = leaves[i] ^ the xor of ten entries of x. A group of
// four rows takes ten words of index, four 32-bit words a block: bits 6 and up, modulo
// the number of lines (a power of two), name the line, bits 30 and 31 the turn. The
// indices are public.
func gather(dst, leaves, x, index []prg.Block) {
	leaves = leaves[:len(dst)]
	groups := 0
	if accelerated() && len(dst) >= lineSize {
		groups = len(dst) / lineSize
		_ = index[(groups*lpnWeight+3)/4-1]
		gatherAsm(&dst[0][0], &leaves[0][0], &x[0][0], lineMask(x)<<6, &index[0][0], groups)
	}
	gatherGeneric(dst, leaves, x, index, groups)
}

func lineMask(x []prg.Block) uint32 { return uint32(len(x)/lineSize - 1) }

// gatherGeneric works from a group of rows on.
func gatherGeneric(dst, leaves, x, index []prg.Block, group int) {
	mask := lineMask(x)
	for at := group * lineSize; at < len(dst); at += lineSize {
		var sum [lineSize]prg.Block
		n := copy(sum[:], leaves[at:])
		for j := range lpnWeight {
			w := at/lineSize*lpnWeight + j
			word := uint32(index[w/4][w/2%2] >> (w % 2 * 32))
			line := (*[lineSize]prg.Block)(x[word>>6&mask*lineSize:])
			turn := word >> 30
			for i := range sum {
				sum[i] = sum[i].Xor(line[(uint32(i)+turn)%lineSize])
			}
		}
		copy(dst[at:at+n], sum[:])
	}
}
