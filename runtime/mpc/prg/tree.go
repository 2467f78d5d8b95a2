package prg

import "secc.example/secc/internal/kernel"

// Tree is a correlated GGM tree (half-tree, Guo et al., Eurocrypt 2023, section
// 4): a node x has the children H(x) and H(x) ^ x with H(x) = P(s(x)) ^ s(x), P a
// keyed AES and s = Block.Sigma. The xor of a level is therefore the same on every level.
//
// Levels may be in a form of the variant's own until Finish makes blocks of the last one.
//
// Children are laid out as left half and right half: node i of a level of n
// nodes has its children at i and n + i. Position bits therefore grow upward:
// the child on side b of position p on a level of n is at p + b*n.
type Tree struct{ perm Cipher }

// Reset selects the permutation; the key is public.
func (t *Tree) Reset(key Block) { t.perm.Reset(key) }

// Expand turns the level nodes[:n] into the next, nodes[:2n], and returns the
// xor of its left half. Before expanding, fix is added to the nodes i with
// i mod m == at, where m = max(1, n/2): the two children of position at on the level before.
// Time and memory access do not depend on fix or at.
func (t *Tree) Expand(nodes []Block, n int, fix Block, at uint64) Block {
	if n < 1 || n&(n-1) != 0 || len(nodes) < 2*n {
		panic("BUG: prg: tree level does not fit")
	}
	m := uint64(max(1, n/2) - 1)
	switch v := t.perm.variant; {
	case whole(v):
		return expand(v, &t.perm.rounds, nodes, n, &fix, at, m)
	case v == kernel.Portable && 2*n >= slicedLevel:
		if n < slicedLevel {
			packAll(nodes[:n])
		}
		return t.perm.soft.expand(nodes, n, fix, at, m)
	}
	return t.perm.composedExpand(nodes, n, fix, at, m)
}

var finishing = kernel.New("prg.leaves", kernel.When(kernel.AVX2, kernel.X86.AVX2), kernel.When(kernel.AVX512, kernel.X86.AVX512))

// Finish turns a last level into the leaves of a single-point correlation: fix
// is added to both children of position at on the level before, as Expand would;
// then every lowest bit is cleared, and that of node leaf set if mark is 1.
// Time and memory access do not depend on fix, at, leaf or mark.
func (t *Tree) Finish(nodes []Block, fix Block, at, leaf, mark uint64) {
	if len(nodes) < 4 || len(nodes)&(len(nodes)-1) != 0 {
		panic("BUG: prg: not a last level")
	}
	if t.perm.variant == kernel.Portable && len(nodes) >= slicedLevel {
		unpackAll(nodes)
	}
	m := uint64(len(nodes)/2 - 1)
	if v := finishing.Variant(); v != kernel.Portable {
		finish(v, nodes, &fix, at, m, leaf, mark)
		return
	}
	finishGeneric(nodes, fix, at, m, leaf, mark)
}

func finishGeneric(nodes []Block, fix Block, at, m, leaf, mark uint64) {
	fix0, fix1 := fix[0], fix[1]
	for i := range nodes {
		hit := equalMask(uint64(i)&m, at)
		nodes[i][0] = (nodes[i][0]^fix0&hit)&^1 | mark&equalMask(uint64(i), leaf)
		nodes[i][1] ^= fix1 & hit
	}
}

// equalMask is all ones when a == b, else zero, without a branch; a, b < 2^63.
func equalMask(a, b uint64) uint64 { return -(((a ^ b) - 1) >> 63) }
