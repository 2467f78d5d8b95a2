package nonlinear

import (
	"context"

	"secc/runtime/mpc/ring"
)

// Tree says how a carry is computed: leaves of Leaf bits (1, 2 or 4) and then a
// tree of log depth, or one bit after the other (fewest bits, most rounds).
type Tree struct {
	Leaf   int
	Ripple bool
}

// groups splits m bits, lowest first. A single bit at position 1 is no leaf: it
// is added to the carry of group 0 by one AND (majority).
func (t Tree) groups(m int) []int {
	g := []int{min(t.Leaf, m)}
	rest := m - g[0]
	if t.Ripple {
		for range rest {
			g = append(g, 1)
		}
		return g
	}
	if first := rest % t.Leaf; first > 0 {
		g = append(g, first)
		rest -= first
	}
	for ; rest > 0; rest -= t.Leaf {
		g = append(g, t.Leaf)
	}
	return g
}

// node is the pair (generate, propagate) of a run of bits. A node without gen
// is a single bit that waits for its carry; bit is this party's.
type node struct{ gen, prop, bit []uint64 }

// carry gives the carry out of the sum of two private numbers.
//
// Functionality: s at the server, c at the client, bit planes -> <s + c >= 2^m>.
// Millionaires' comparison as a parallel-prefix adder: leaves, then nodes
// (g, p) o (g', p') = (g ^ p g', p p') whose two products share p (CrypTFlow2,
// section 3.1), 6 bits and one OT each way; 4 bits where nobody asks for the second.
// A single bit is joined to a carry g' by (s ^ g')(c ^ g') ^ g' (4 bits, no leaf).
// Flights: 2 for leaves (1 for leaves of one bit), then one a level. Exact; leaks nothing.
func (p *Party) carry(ctx context.Context, n int, own [][]uint64, t Tree) ([]uint64, error) {
	nodes, err := p.base(ctx, n, own, t)
	if err != nil {
		return nil, err
	}
	for len(nodes) > 1 {
		if t.Ripple {
			var low []node
			if low, err = p.level(ctx, n, nodes[:2]); err != nil {
				return nil, err
			}
			nodes = append(low, nodes[2:]...)
			continue
		}
		if nodes, err = p.level(ctx, n, nodes); err != nil {
			return nil, err
		}
	}
	return nodes[0].gen, nil
}

// base computes the leaves.
func (p *Party) base(ctx context.Context, n int, own [][]uint64, t Tree) ([]node, error) {
	var nodes []node
	var leaves []leaf
	at := 0
	for i, size := range t.groups(len(own)) {
		bits := own[at : at+size]
		at += size
		if i > 0 && size == 1 && (i == 1 || t.Ripple) {
			nodes = append(nodes, node{bit: bits[0]})
			continue
		}
		out := ring.Planes(2, n)
		nd, l := node{gen: out[0]}, leaf{own: bits, gen: out[0]}
		if i > 0 {
			nd.prop, l.prop = out[1], out[1]
		}
		nodes, leaves = append(nodes, nd), append(leaves, l)
	}
	if t.Leaf == 1 {
		return nodes, p.bitLeaves(ctx, n, leaves)
	}
	return nodes, p.leaves(ctx, n, leaves)
}

// level joins neighbours, in one flight. An odd node at the top goes up as it is.
func (p *Party) level(ctx context.Context, n int, nodes []node) ([]node, error) {
	var gates []gate
	var up []node
	for i := 0; i+1 < len(nodes); i += 2 {
		g, u := p.join(n, nodes[i], nodes[i+1])
		gates, up = append(gates, g), append(up, u)
	}
	if err := p.and(ctx, n, gates); err != nil {
		return nil, err
	}
	if len(nodes)%2 == 1 {
		up = append(up, nodes[len(nodes)-1])
	}
	return up, nil
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
