package wire

// NewPrefixes lays out the carries of one sum of two private numbers into each of
// its bits from bit low on, up to the one above the last: the bits of the sum
// are these carries xor both parties' bits. low bits are in leaves as t wants them,
// the named bits above are leaves of one bit, or, if leaves cross, such leaves too, which
// give the carries between their bits as well. Runs are joined as in Sklansky's
// adder (with t.Arity 3, in thirds). Out holds the carries in order; that into bit
// 0, which is none, is left out.
func NewPrefixes(low, named int, t Tree) *Carries {
	b := prefixBuilder{carryBuilder: carryBuilder{Carries{Tree: t}}, runs: map[span]run{}}
	groups := t.namedGroups(named)
	if low > 0 {
		groups = append(t.lowGroups(low), groups...)
	}
	nodes, at := b.plant(0, 0, groups, true), 0
	for i, size := range groups {
		b.leaves = append(b.leaves, nil)
		if t.Cross && at >= low && size > 1 {
			b.leaves[i] = b.inner(nodes[i], size)
		}
		b.leaves[i] = append(b.leaves[i], nodes[i])
		if at < low {
			if at += size; at == low {
				b.Out = append(b.Out, b.run(span{0, i + 1, len(b.leaves[i])}).node)
			}
			continue
		}
		at += size
		for bits := range b.leaves[i] {
			b.Out = append(b.Out, b.run(span{0, i + 1, bits + 1}).node)
		}
	}
	return &b.Carries
}

// namedGroups splits bits into each of which a carry is wanted.
func (t Tree) namedGroups(n int) []int {
	if t.Cross {
		return t.topGroups(n)
	}
	return Tree{Leaf: 1}.topGroups(n)
}

// inner makes the nodes of the lowest bits of a leaf.
func (b *prefixBuilder) inner(node, size int) (nodes []int) {
	for range size - 1 {
		nodes = append(nodes, len(b.Nodes))
		b.Nodes = append(b.Nodes, Node{Propagates: b.Nodes[node].Propagates})
	}
	for i := range b.Leaves {
		if l := &b.Leaves[i]; l.Sums[0].Node == node {
			l.Sums[0].Inner = nodes
		}
	}
	return nodes
}

// prefixBuilder keeps the runs of neighbouring nodes that were joined.
type prefixBuilder struct {
	carryBuilder
	leaves [][]int // the nodes of each leaf: of its lowest bits, and in the end of all
	runs   map[span]run
}

// span is leaves lo..hi-1, of the last one only so many nodes' bits.
type span struct{ lo, hi, bits int }

// run is a node and the level of joins after which it is there.
type run struct{ node, level int }

// run joins leaves lo..hi-1; lo is a multiple of every block that it is cut into.
func (b *prefixBuilder) run(s span) run {
	if s.hi-s.lo == 1 {
		return run{b.leaves[s.lo][s.bits-1], 0}
	}
	if r, ok := b.runs[s]; ok {
		return r
	}
	block, arity := 1, b.Tree.arity()
	for block*arity < s.hi-s.lo {
		block *= arity
	}
	if b.Tree.Ripple {
		block = s.hi - s.lo - 1
	}
	var in []int
	level := 0
	for from := s.lo; from < s.hi; from += block {
		to := min(from+block, s.hi)
		some := span{from, to, len(b.leaves[to-1])}
		if to == s.hi {
			some.bits = s.bits
		}
		part := b.run(some)
		in, level = append(in, part.node), max(level, part.level)
	}
	r := run{b.join(level, in), level + 1}
	b.runs[s] = r
	return r
}
