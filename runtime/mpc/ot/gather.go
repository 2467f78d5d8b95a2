package ot

import (
	"runtime"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/prg"
)

var gathering = kernel.New("ot.gather", kernel.When(kernel.NEON, kernel.ARM64.NEON), kernel.When(kernel.AVX2, kernel.X86.AVX2), kernel.When(kernel.AVX512, kernel.X86.AVX512))

// lineSize is the number of blocks of a line, 64 bytes: what a code entry of
// lineSize rows together takes. Row j of a group takes block j + turn (modulo lineSize) of
// the line, so a line comes from memory once for four rows, and one index serves them.
const lineSize = 4

// indexBlocks is the number of blocks of indices that n rows take.
func indexBlocks(n int) int {
	groups := (n + lineSize - 1) / lineSize
	return (groups*wire.LPNWeight + 3) / 4
}

// gather computes dst[i] = leaves[i] ^ the xor of ten entries of x. A group of
// four rows takes ten words of index, four 32-bit words a block: bits 6 and up, modulo
// the number of lines (a power of two), name the line, bits 30 and 31 the turn. The
// indices are public.
func gather(dst, leaves, x, index []prg.Block) {
	leaves = leaves[:len(dst)]
	groups, v := len(dst)/lineSize, gathering.Variant()
	switch {
	case groups == 0:
	case v == kernel.Portable:
		runtime.KeepAlive(touch(x, index[:groups*wire.LPNWeight/4]))
		for g := range groups {
			gatherGroup((*[lineSize]prg.Block)(dst[g*lineSize:]), leaves[g*lineSize:], x, index, g*wire.LPNWeight)
		}
	default:
		gatherVectors(v, dst, leaves, x, index, groups)
	}
	if at := groups * lineSize; at < len(dst) {
		var sum [lineSize]prg.Block
		rest := sum
		copy(rest[:], leaves[at:])
		gatherGroup(&sum, rest[:], x, index, groups*wire.LPNWeight)
		copy(dst[at:], sum[:])
	}
}

// ahead is how many groups ahead the kernels ask for lines (_asm knows it too).
const ahead = 16

// gatherVectors asks for lines ahead as long as there are indices ahead.
func gatherVectors(v kernel.Variant, dst, leaves, x, index []prg.Block, groups int) {
	_ = index[(groups*wire.LPNWeight+3)/4-1]
	mask := lineMask(x) << 6
	from := max(0, groups-ahead) &^ 1 // even: whole blocks of indices
	if from > 0 {
		gatherAhead(v, &dst[0][0], &leaves[0][0], &x[0][0], mask, &index[0][0], from)
	}
	at := from * lineSize
	gatherNear(v, &dst[at][0], &leaves[at][0], &x[0][0], mask, &index[from*wire.LPNWeight/4][0], groups-from)
}

func lineMask(x []prg.Block) uint32 { return uint32(len(x)/lineSize - 1) }

// touch reads a word of every line that is to be added up: a loop so short that
// the processor has many lines under way at once, which it has not in gatherGroup.
func touch(x, index []prg.Block) (read uint64) {
	mask := uint64(lineMask(x))
	for i := range index {
		w0, w1 := index[i][0], index[i][1]
		read ^= x[w0>>6&mask*lineSize][0] ^ x[w0>>38&mask*lineSize][0] ^ x[w1>>6&mask*lineSize][0] ^ x[w1>>38&mask*lineSize][0]
	}
	return read
}

// gatherGroup makes four rows from the words of index from number word on. The sums
// are single words: the compiler keeps arrays in memory.
func gatherGroup(dst *[lineSize]prg.Block, leaves, x, index []prg.Block, word int) {
	mask := lineMask(x)
	l := (*[lineSize]prg.Block)(leaves)
	a, b, c, d, e, f, g, h := l[0][0], l[0][1], l[1][0], l[1][1], l[2][0], l[2][1], l[3][0], l[3][1]
	for w := word; w < word+wire.LPNWeight; w++ {
		pick := uint32(index[w/4][w/2%2] >> (w % 2 * 32))
		line := (*[lineSize]prg.Block)(x[pick>>6&mask*lineSize:])
		turn := pick >> 30
		r := &line[turn]
		a, b = a^r[0], b^r[1]
		r = &line[(turn+1)%lineSize]
		c, d = c^r[0], d^r[1]
		r = &line[(turn+2)%lineSize]
		e, f = e^r[0], f^r[1]
		r = &line[(turn+3)%lineSize]
		g, h = g^r[0], h^r[1]
	}
	*dst = [lineSize]prg.Block{{a, b}, {c, d}, {e, f}, {g, h}}
}
