package passes

import (
	"slices"

	"secc.example/secc/ir"
)

// Sums in formats of their own. A sum over a row of a softmax reaches far beyond its terms,
// and in one format with them it would take a bit from each for every doubling, of numbers
// that are small. Where a product reads the terms, they are extended for it anyway: there
// the sum has room, and dropping its lowest bits on the way back is local.

// ownSumGain is how much larger than its terms a sum with a format of its own is, at least.
const ownSumGain = 4

// findSums marks them.
func (f *formats) findSums(g *ir.Graph) {
	read := readers(g)
	for _, v := range g.Values {
		if v.Op != ir.OpSum || !f.secret[v] || f.held[v] || f.asked || f.bound(v) <= ownSumGain*f.bound(v.Args[0]) {
			continue
		}
		f.summed[v] = slices.ContainsFunc(read[v.Args[0]], func(y *ir.Value) bool { return y != nil && f.secret[y] && secretProduct(y) })
	}
}

// settleSum keeps a sum from having more fraction bits than its terms. It reports whether
// anything changed.
func (f *formats) settleSum(v *ir.Value) bool {
	if !f.summed[v] || f.late[v] || f.fracOf(v) <= f.fracOf(v.Args[0]) {
		return false
	}
	f.frac[f.root(v)] = f.fracOf(v.Args[0])
	return true
}

// ownSum adds in a ring that holds the sum in its terms' ulp, and drops the bits that its
// own format does not have.
func (b *fixer) ownSum(v *ir.Value) (*ir.Value, error) {
	drop := b.fracOf(v.Args[0]) - b.fracOf(v)
	x, err := b.inRing(v.Args[0], b.k+drop, v.Name)
	if err != nil {
		return nil, err
	}
	y, err := b.out.New(v.Op, v.Name, v.Attrs, x)
	if err != nil || drop == 0 {
		return y, err
	}
	b.ranges[y], b.nonneg[y] = b.spans[v], b.nonneg[x]
	return b.out.New(ir.OpTruncate, v.Name, &ir.TruncateAttrs{Shift: drop, Bits: b.k}, y)
}
