package prg

import (
	"math/bits"
	"unsafe"
)

// Levels of a tree stay sliced, sixteen nodes in the room of sixteen blocks, from slicedLevel nodes
// on: children are as many groups of sixteen as their parents, and nothing moves within a group.
const slicedLevel = 4 * softWidth

func groupsOf(nodes []Block) []sliced {
	return unsafe.Slice((*sliced)(unsafe.Pointer(&nodes[0])), len(nodes)/softWidth)
}

// packAll slices nodes where they are.
func packAll(nodes []Block) {
	for ; len(nodes) > 0; nodes = nodes[softWidth:] {
		b := *(*[softWidth]Block)(nodes)
		groupsOf(nodes[:softWidth])[0].pack(&b)
	}
}

// unpackAll undoes packAll.
func unpackAll(nodes []Block) {
	for ; len(nodes) > 0; nodes = nodes[softWidth:] {
		q := groupsOf(nodes[:softWidth])[0]
		q.unpack((*[softWidth]Block)(nodes))
	}
}

// expand is Tree.Expand for the sliced nodes of a level, n >= 2*softWidth of them.
func (s *Soft) expand(nodes []Block, n int, fix Block, at, m uint64) Block {
	low, high := groupsOf(nodes[:n]), groupsOf(nodes[n:2*n])
	var fixes, sum, h, plain sliced
	fixes.broadcast(fix)
	lane := uint64(0x0001000100010001) << (at % softWidth)
	for g := range low {
		x := &low[g]
		plain.sigma(x, &fixes, lane&equalMask(uint64(g*softWidth)&m, at&^(softWidth-1)))
		h = plain
		s.encrypt(&h)
		for i := range h {
			children(&x[i], &high[g][i], &sum[i], &h[i], &plain[i])
		}
	}
	return sum.fold()
}

// sigma adds to x the lanes of fix that the mask has, and is Block.Sigma of that: columns 0 and 1
// are the low word.
func (q *sliced) sigma(x, fix *sliced, mask uint64) {
	for i := range q {
		a, k, to := &x[i], &fix[i], &q[i]
		for j := range a {
			w := a[j] ^ k[j]&mask
			a[j], to[j] = w, bits.RotateLeft64(w, 32)^w&^0xffffffff
		}
	}
}

// children writes h ^ plain to x and to its sibling with what x was, and adds it to sum.
func children(x, sibling, sum, h, plain *[8]uint64) {
	for j, w := range h {
		w ^= plain[j]
		sum[j] ^= w
		sibling[j] = w ^ x[j]
		x[j] = w
	}
}

// fold adds the blocks up.
func (q *sliced) fold() Block {
	for i := range q {
		for j, w := range &q[i] {
			w ^= w >> 8
			w ^= w >> 4
			w ^= w >> 2
			q[i][j] = (w ^ w>>1) & 0x0001000100010001
		}
	}
	var b [softWidth]Block
	q.unpack(&b)
	return b[0]
}
