package wire

// NewPrefixes lays out the carries of one sum of two private numbers into each of
// its bits from bit low on, up to the one above the last: the bits of the sum
// are these carries xor both parties' bits. low bits are in leaves as t wants them,
// the named bits above are leaves of one bit, and runs are joined as in Sklansky's
// adder (with t.Arity 3, in thirds). Out holds the carries in order; that into bit
// 0, which is none, is left out.
func NewPrefixes(low, named int, t Tree) *Carries {
	b := prefixBuilder{carryBuilder: carryBuilder{Carries{Tree: t}}, runs: map[[2]int]run{}}
	var groups []int
	if low > 0 {
		groups = t.lowGroups(low)
	}
	first := max(len(groups), 1)
	for range named {
		groups = append(groups, 1)
	}
	b.nodes = b.plant(0, 0, groups, true)
	for end := first; end <= len(groups); end++ {
		b.Out = append(b.Out, b.run(0, end).node)
	}
	return &b.Carries
}

// prefixBuilder keeps the runs of neighbouring nodes that were joined.
type prefixBuilder struct {
	carryBuilder
	nodes []int
	runs  map[[2]int]run
}

// run is a node and the level of joins after which it is there.
type run struct{ node, level int }

// run joins nodes lo..hi-1; lo is a multiple of every block that it is cut into.
func (b *prefixBuilder) run(lo, hi int) run {
	if hi-lo == 1 {
		return run{b.nodes[lo], 0}
	}
	if r, ok := b.runs[[2]int{lo, hi}]; ok {
		return r
	}
	block, arity := 1, b.Tree.arity()
	for block*arity < hi-lo {
		block *= arity
	}
	if b.Tree.Ripple {
		block = hi - lo - 1
	}
	var in []int
	level := 0
	for from := lo; from < hi; from += block {
		part := b.run(from, min(from+block, hi))
		in, level = append(in, part.node), max(level, part.level)
	}
	r := run{b.join(level, in), level + 1}
	b.runs[[2]int{lo, hi}] = r
	return r
}
