package ot

import (
	"runtime"
	"unsafe"

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
		gatherPortable(dst[:groups*lineSize], leaves, x, index)
	default:
		gatherVectors(v, dst, leaves, x, index, groups)
	}
	if at := groups * lineSize; at < len(dst) {
		var sum, rest [lineSize]prg.Block
		copy(rest[:], leaves[at:])
		var p picks
		p.read(index, groups)
		p.gather(&sum, &rest, linesOf(x))
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

type line = [lineSize]prg.Block

func linesOf(x []prg.Block) []line {
	return unsafe.Slice((*line)(unsafe.Pointer(&x[0])), len(x)/lineSize)
}

// picks are the words of index of a group.
type picks [wire.LPNWeight]uint32

// read takes the words of a group: pairs of them are halves of blocks.
func (p *picks) read(index []prg.Block, group int) {
	for i := range uint(len(p) / 2) {
		at := uint(group*len(p)/2) + i
		pair := index[at/2][at%2]
		p[2*i], p[2*i+1] = uint32(pair), uint32(pair>>32)
	}
}

// gatherPortable makes whole groups. All lines are touched first: a loop so short that the
// processor has many of them under way at once, which it has not while it adds up.
func gatherPortable(dst, leaves, x, index []prg.Block) {
	const most = rowsAtOnce / lineSize
	var all [most]picks
	lines := linesOf(x)
	for first := 0; len(dst) > 0; first += most {
		n := min(len(dst)/lineSize, most)
		for g := range all[:n] {
			all[g].read(index, first+g)
		}
		runtime.KeepAlive(touch(lines, all[:n]))
		for g := range all[:n] {
			all[g].gather((*line)(dst[g*lineSize:]), (*line)(leaves[g*lineSize:]), lines)
		}
		dst, leaves = dst[n*lineSize:], leaves[n*lineSize:]
	}
}

func touch(lines []line, all []picks) (read uint64) {
	mask := uint32(len(lines) - 1)
	for g := range all {
		for _, w := range all[g] {
			read ^= lines[w>>6&mask][0][0]
		}
	}
	return read
}

// gather adds up for four rows, two at a time: more sums than registers would go by way of memory.
func (p *picks) gather(dst, leaves *line, lines []line) {
	mask := uint32(len(lines) - 1)
	for half := uint32(0); half < lineSize; half += 2 {
		a, b, c, d := leaves[half][0], leaves[half][1], leaves[half+1][0], leaves[half+1][1]
		for _, w := range p {
			from, turn := &lines[w>>6&mask], w>>30+half
			r, s := &from[turn%lineSize], &from[(turn+1)%lineSize]
			a, b, c, d = a^r[0], b^r[1], c^s[0], d^s[1]
		}
		dst[half], dst[half+1] = prg.Block{a, b}, prg.Block{c, d}
	}
}
