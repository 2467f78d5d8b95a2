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

// indexBlocks is the number of blocks of indices that n rows take, with those ahead of them but where
// nothing looks ahead: portable code cannot ask for a line without waiting for it.
func indexBlocks(n int) int {
	groups := (n + lineSize - 1) / lineSize
	if gathering.Variant() != kernel.Portable {
		groups += ahead
	}
	return (groups*wire.LPNWeight + 3) / 4
}

// gather computes dst[i] = leaves[i] ^ the xor of ten entries of x. A group of
// four rows takes ten words of index, four 32-bit words a block: bits 6 and up, modulo
// the number of lines (a power of two), name the line, bits 30 and 31 the turn. The
// indices are public. Behind those of the rows are those of the rows that come next, whose lines are
// asked for.
func gather(dst, leaves, x, index []prg.Block) {
	leaves = leaves[:len(dst)]
	groups, v := len(dst)/lineSize, gathering.Variant()
	switch {
	case groups == 0:
	case v == kernel.Portable:
		gatherPortable(dst[:groups*lineSize], leaves, x, index)
	default:
		_ = index[indexBlocks(len(dst))-1]
		gatherVectors(v, &dst[0][0], &leaves[0][0], &x[0][0], linesOf(x).mask, &index[0][0], groups)
	}
	if at := groups * lineSize; at < len(dst) {
		var sum, rest [lineSize]prg.Block
		copy(rest[:], leaves[at:])
		picksOf(index, groups+1)[groups].gather(&sum, &rest, linesOf(x))
		copy(dst[at:], sum[:])
	}
}

// ahead is how many groups ahead the kernels ask for lines (_asm knows it too): an even number, whole
// blocks of indices. They look beyond what is gathered at once: to begin every call with lines that
// nobody has asked for is a quarter of its time where the table is beyond the second cache.
const ahead = 16

type line = [lineSize]prg.Block

// lines are a table's, and what of an index names one: its place in bytes.
type lines struct {
	base unsafe.Pointer
	mask uint32
}

func linesOf(x []prg.Block) lines {
	return lines{unsafe.Pointer(&x[0]), uint32(len(x)/lineSize-1) << 6}
}

// at is the block of a line that is so many bytes into it.
func (l lines) at(index, into uint32) *prg.Block {
	return (*prg.Block)(unsafe.Add(l.base, index&l.mask+into))
}

// picks are the words of index of a group, two in one.
type picks [wire.LPNWeight / 2]uint64

func picksOf(index []prg.Block, groups int) []picks {
	_ = index[(groups*wire.LPNWeight+3)/4-1]
	return unsafe.Slice((*picks)(unsafe.Pointer(&index[0])), groups)
}

// gatherPortable makes whole groups. All lines are touched first: a loop so short that the
// processor has many of them under way at once, which it has not while it adds up.
func gatherPortable(dst, leaves, x, index []prg.Block) {
	const most = rowsAtOnce / lineSize
	table := linesOf(x)
	for all := picksOf(index, len(dst)/lineSize); len(all) > 0; {
		n := min(len(all), most)
		runtime.KeepAlive(table.touch(all[:n]))
		for g := range all[:n] {
			all[g].gather((*line)(dst[g*lineSize:]), (*line)(leaves[g*lineSize:]), table)
		}
		all, dst, leaves = all[n:], dst[n*lineSize:], leaves[n*lineSize:]
	}
}

// touch has a call of its own, as addTwo has: few enough variables for registers.
//
//go:noinline
func (l lines) touch(all []picks) (read uint64) {
	for g := range all {
		for _, w := range &all[g] {
			read ^= l.at(uint32(w), 0)[0] ^ l.at(uint32(w>>32), 0)[0]
		}
	}
	return read
}

// gather adds up for four rows, two at a time: more sums than registers would go by way of memory.
func (p *picks) gather(dst, leaves *line, table lines) {
	a, b := leaves[0], leaves[1]
	dst[0], dst[1] = p.addTwo(table, 0, a[0], a[1], b[0], b[1])
	a, b = leaves[2], leaves[3]
	dst[2], dst[3] = p.addTwo(table, 2, a[0], a[1], b[0], b[1])
}

// addTwo is for rows first and first+1.
//
//go:noinline
func (p *picks) addTwo(table lines, first uint32, a, b, c, d uint64) (prg.Block, prg.Block) {
	first *= prg.BlockSize
	for _, w := range p {
		turn := uint32(w)>>26 + first
		r, s := table.at(uint32(w), turn&48), table.at(uint32(w), (turn+prg.BlockSize)&48)
		a, b, c, d = a^r[0], b^r[1], c^s[0], d^s[1]
		w >>= 32
		turn = uint32(w)>>26 + first
		r, s = table.at(uint32(w), turn&48), table.at(uint32(w), (turn+prg.BlockSize)&48)
		a, b, c, d = a^r[0], b^r[1], c^s[0], d^s[1]
	}
	return prg.Block{a, b}, prg.Block{c, d}
}
