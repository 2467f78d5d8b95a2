package nonlinear

import (
	"context"
	"math/bits"
	"slices"

	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// Tree says how a carry is computed: leaves of Leaf bits (1 to 4) and then a
// tree of log depth, or one bit after the other (fewest bits, most rounds).
//
// In leaves of 2 bits and more one party chooses and the other answers: the
// server, whose choices can leave together with a linear operator's response,
// or the client, whose bits are the same for all thresholds of a batch, so that its
// choices and their OTs serve all of them.
type Tree struct {
	Leaf    int
	Ripple  bool
	Chooser transport.Role
}

// lowGroups splits m bits, lowest first, that no carry enters. A single bit at
// position 1 is no leaf: it is added to the carry of group 0 by one AND (majority).
func (t Tree) lowGroups(m int) []int {
	g := []int{min(t.Leaf, m)}
	return append(g, t.topGroups(m-g[0])...)
}

// topGroups splits m bits that a carry enters later.
func (t Tree) topGroups(m int) (g []int) {
	if t.Ripple {
		for range m {
			g = append(g, 1)
		}
		return g
	}
	if first := m % t.Leaf; first > 0 {
		g = append(g, first)
		m -= first
	}
	for ; m > 0; m -= t.Leaf {
		g = append(g, t.Leaf)
	}
	return g
}

// split says how many of the low bits that several m-bit sums share are worth a
// tree of their own: as many as leave the number of rounds what it is.
func (t Tree) split(m, shared int) int {
	shared = min(shared, m-1)
	if t.Ripple {
		if shared < t.Leaf {
			return 0
		}
		return shared
	}
	full := levels(len(t.lowGroups(m)))
	for j := shared; j > 0; j-- {
		if max(levels(len(t.lowGroups(j))), levels(len(t.topGroups(m-j))))+1 <= full {
			return j
		}
	}
	return 0
}

// levels is the depth of a tree over some groups.
func levels(groups int) int { return bits.Len(uint(groups - 1)) }

// node is the pair (generate, propagate) of a run of bits. A node without gen
// is a single bit that waits for its carry; bit is this party's.
type node struct{ gen, prop, bit []uint64 }

// forest is the sums of a batch: one tree for the low bits they share, if any,
// and one for the rest of each.
type forest struct {
	low  []node
	tops [][]node
}

// carries gives the carries out of several sums of two private numbers that have
// their low bits in common.
//
// Functionality: s_i at the server, c_i at the client, of m bits: the planes of low, then
// those of tops[i] -> <s_i + c_i >= 2^m>. Millionaires' comparison as a parallel-prefix
// adder: leaves, then nodes (g, p) o (g', p') = (g ^ p g', p p') whose two products share
// p (CrypTFlow2, section 3.1), 6 bits and one OT each way; 4 bits where nobody asks for
// the second. A single bit is joined to a carry g' by (s ^ g')(c ^ g') ^ g' (4 bits, no leaf).
// Flights: 2 for leaves (1 for leaves of one bit), then one a level. Exact; leaks nothing.
func (p *Party) carries(ctx context.Context, n int, low [][]uint64, tops [][][]uint64, t Tree) ([][]uint64, error) {
	f, err := p.base(ctx, n, low, tops, t)
	if err != nil {
		return nil, err
	}
	for f.low != nil || !f.done() {
		if f.grown(t) {
			for i, top := range f.tops {
				f.tops[i] = append([]node{f.low[0]}, top...)
			}
			f.low = nil
		}
		if err := p.level(ctx, n, f, t); err != nil {
			return nil, err
		}
	}
	gens := make([][]uint64, len(f.tops))
	for i, top := range f.tops {
		gens[i] = top[0].gen
	}
	return gens, nil
}

// carry is carries of one sum.
func (p *Party) carry(ctx context.Context, n int, own [][]uint64, t Tree) ([]uint64, error) {
	gens, err := p.carries(ctx, n, nil, [][][]uint64{own}, t)
	if err != nil {
		return nil, err
	}
	return gens[0], nil
}

// done reports whether every sum has come down to one node.
func (f *forest) done() bool {
	for _, top := range f.tops {
		if len(top) > 1 {
			return false
		}
	}
	return true
}

// grown reports whether the shared carry can enter the tops: all is one node,
// or, in a ripple, the low bits are.
func (f *forest) grown(t Tree) bool {
	return len(f.low) == 1 && (t.Ripple || f.done())
}

// base computes the leaves.
func (p *Party) base(ctx context.Context, n int, low [][]uint64, tops [][][]uint64, t Tree) (*forest, error) {
	f := &forest{}
	var leaves []leaf
	if low != nil {
		f.low, leaves = plant(n, low, t.lowGroups(len(low)), true, t)
	}
	var all [][]leaf
	for _, own := range tops {
		groups := t.topGroups(len(own))
		if low == nil {
			groups = t.lowGroups(len(own))
		}
		nodes, its := plant(n, own, groups, low == nil, t)
		f.tops, all = append(f.tops, nodes), append(all, its)
	}
	if t.Leaf == 1 {
		return f, p.bitLeaves(ctx, n, append(leaves, slices.Concat(all...)...))
	}
	if t.Chooser == transport.Client {
		all = [][]leaf{together(all)}
	}
	return f, p.leaves(ctx, n, append(leaves, slices.Concat(all...)...), t.Chooser)
}

// together joins the leaves that hold the same bits of the chooser's: those at
// the same place of several sums, as many as the pads of one OT have bits for.
func together(all [][]leaf) (joined []leaf) {
	for g := range all[0] {
		most := maxPad / all[0][g].width()
		for lo := 0; lo < len(all); lo += most {
			l := all[lo][g]
			for _, sum := range all[lo+1 : min(lo+most, len(all))] {
				l.sums = append(l.sums, sum[g].sums...)
			}
			joined = append(joined, l)
		}
	}
	return joined
}

// plant makes the nodes of one run of bits and the leaves they need. lowest
// says that no carry enters it.
func plant(n int, own [][]uint64, groups []int, lowest bool, t Tree) (nodes []node, leaves []leaf) {
	for i, size := range groups {
		bits := own[:size]
		own = own[size:]
		if lone(i, groups, lowest, t) {
			nodes = append(nodes, node{bit: bits[0]})
			continue
		}
		out := ring.Planes(2, n)
		nd := node{gen: out[0]}
		if i > 0 || !lowest {
			nd.prop = out[1]
		}
		nodes = append(nodes, nd)
		leaves = append(leaves, leaf{own: bits, sums: []leafSum{{own: bits, gen: nd.gen, prop: nd.prop}}})
	}
	return nodes, leaves
}

// lone reports whether group i is a single bit that waits for the carry below it.
func lone(i int, groups []int, lowest bool, t Tree) bool {
	switch {
	case groups[i] != 1:
		return false
	case lowest:
		return i == 1 || i > 1 && t.Ripple
	}
	return t.Ripple || len(groups) == 1
}

// level joins neighbours in all trees, in one flight. An odd node at the top
// goes up as it is.
func (p *Party) level(ctx context.Context, n int, f *forest, t Tree) error {
	var gates []gate
	f.low, gates = p.joinAll(n, f.low, t, gates)
	for i, top := range f.tops {
		if f.low != nil && t.Ripple {
			break // the tops wait for the shared carry
		}
		f.tops[i], gates = p.joinAll(n, top, t, gates)
	}
	return p.and(ctx, n, gates)
}

func (p *Party) joinAll(n int, nodes []node, t Tree, gates []gate) ([]node, []gate) {
	pairs := len(nodes) / 2
	if t.Ripple {
		pairs = min(pairs, 1)
	}
	up := make([]node, 0, len(nodes)-pairs)
	for i := range pairs {
		g, u := p.join(n, nodes[2*i], nodes[2*i+1])
		gates, up = append(gates, g), append(up, u)
	}
	if nodes == nil {
		return nil, gates
	}
	return append(up, nodes[2*pairs:]...), gates
}

// join makes the gate of two neighbours and the node it fills.
func (p *Party) join(n int, low, high node) (gate, node) {
	if high.gen == nil {
		return p.majority(n, low.gen, high.bit)
	}
	g := gate{x: high.prop, y: [][]uint64{low.gen}, z: [][]uint64{high.gen}}
	u := node{gen: high.gen}
	if low.prop != nil {
		u.prop = make([]uint64, ring.Words(n))
		g.y, g.z = append(g.y, low.prop), append(g.z, u.prop)
	}
	return g, u
}

// majority is the carry out of s + c + g: (s ^ g)(c ^ g) ^ g. The server's share
// of s ^ g holds s, the client's share of c ^ g holds c.
func (p *Party) majority(n int, g, bit []uint64) (gate, node) {
	out := ring.Planes(2, n)
	with, z := out[0], out[1]
	copy(z, g)
	copy(with, g)
	xor(with, bit)
	x, y := with, g
	if !p.isServer() {
		x, y = g, with
	}
	return gate{x: x, y: [][]uint64{y}, z: [][]uint64{z}}, node{gen: z}
}
