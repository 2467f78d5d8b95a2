package nonlinear

import (
	"context"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// node is the pair (generate, propagate) of a run of bits. A node without gen
// is a single bit that waits for its carry; bit is this party's.
type node struct{ gen, prop, bit []uint64 }

// carries gives the carries out of several sums of two private numbers, as
// circuit c describes.
//
// Functionality: s_i at the server, c_i at the client, of m bits: the planes of
// own[i] (the bits that are common to all sums are read of own[0]) -> <s_i + c_i >= 2^m>.
// Millionaires' comparison as a parallel-prefix adder: leaves, then nodes
// (g, p) o (g', p') = (g ^ p g', p p') whose two products share p (CrypTFlow2, section 3.1),
// 6 bits and one OT each way; 4 bits where nobody asks for the second. A single bit is
// joined to a carry g' by (s ^ g')(c ^ g') ^ g' (4 bits, no leaf). Three nodes are joined
// in one flight by a chain: 14 bits and two OTs each way, 20 with propagation.
// Flights: 2 for leaves (1 for leaves of one bit), then one a level. Exact; leaks nothing.
// Where the client's numbers are known ahead leaves are one flight (tables.go). With the first flight
// travels what stands beside; nil is nothing.
func (p *Party) carries(ctx context.Context, n int, own [][][]uint64, c *wire.Carries, with beside) ([][]uint64, error) {
	nodes, leaves := p.plant(n, own, c)
	if with == nil {
		with = several(nil)
	}
	if err := p.fill(ctx, n, leaves, c.Tree, with); err != nil {
		return nil, err
	}
	for _, joins := range c.Levels {
		if err := p.level(ctx, n, nodes, joins, p.Tape != nil && c.Tree.Prepared); err != nil {
			return nil, err
		}
	}
	gens := make([][]uint64, len(c.Out))
	for i, id := range c.Out {
		gens[i] = nodes[id].gen
	}
	return gens, nil
}

// level evaluates the joins of one level, in one flight. early: corrections were sent before.
func (p *Party) level(ctx context.Context, n int, nodes []node, joins []wire.Join, early bool) error {
	var gates []gate
	var chains []chain
	filled := make([]node, len(joins))
	for i, j := range joins {
		low, high := nodes[j.In[0]], nodes[j.In[len(j.In)-1]]
		if len(j.In) == 2 {
			var g gate
			g, filled[i] = p.join(n, low, high)
			gates = append(gates, g)
			continue
		}
		middle := nodes[j.In[1]]
		g, up := p.join(n, low, node{gen: high.gen, prop: middle.prop})
		chains = append(chains, chain{gate: g, top: high.prop, add: middle.gen, early: early})
		filled[i] = up
	}
	if err := p.joins(ctx, n, gates, chains); err != nil {
		return err
	}
	for i, j := range joins {
		nodes[j.Out] = filled[i]
	}
	return nil
}

// carry is the carry out of one sum.
func (p *Party) carry(ctx context.Context, n int, own [][]uint64, t wire.Tree) ([]uint64, error) {
	gens, err := p.carries(ctx, n, [][][]uint64{own}, wire.NewCarries(len(own), 0, 1, t), nil)
	if err != nil {
		return nil, err
	}
	return gens[0], nil
}

// fill computes the leaves.
func (p *Party) fill(ctx context.Context, n int, leaves []leaf, t wire.Tree, with beside) error {
	switch {
	case t.Tabled():
		return p.tabled(ctx, n, leaves, with)
	case t.Crossing():
		return p.crossLeaves(ctx, n, leaves, with)
	case t.ChoosesAtClient():
		return p.leaves(ctx, n, leaves, transport.Client, with)
	}
	return p.leaves(ctx, n, leaves, transport.Server, with)
}

// plant makes the nodes of a circuit, as far as they are there before any
// join, and the leaves that fill them.
func (p *Party) plant(n int, own [][][]uint64, c *wire.Carries) ([]node, []leaf) {
	nodes := make([]node, len(c.Nodes))
	for i, at := range c.Nodes {
		if at.Lone {
			nodes[i].bit = own[at.Sum][at.Bit]
		}
	}
	leaves := make([]leaf, len(c.Leaves))
	for i := range leaves {
		l := &leaves[i]
		l.Leaf = &c.Leaves[i]
		for _, s := range l.Sums {
			sum := leafSum{own: own[s.Sum][l.First : l.First+l.Size]}
			for _, id := range append(s.Inner[:len(s.Inner):len(s.Inner)], s.Node) {
				out := p.Memory.Planes(2, n)
				nodes[id].gen = out[0]
				if l.Asked {
					nodes[id].prop = out[1]
				}
				sum.lower = append(sum.lower, nodes[id])
			}
			last := len(sum.lower) - 1
			sum.gen, sum.prop, sum.lower = sum.lower[last].gen, sum.lower[last].prop, sum.lower[:last]
			l.sums = append(l.sums, sum)
		}
		l.own = l.sums[0].own
	}
	return nodes, leaves
}

// join makes the gate of two neighbours and the node it fills.
func (p *Party) join(n int, low, high node) (gate, node) {
	if high.gen == nil {
		return p.majority(n, low.gen, high.bit)
	}
	g := gate{x: high.prop, y: [][]uint64{low.gen}, z: [][]uint64{high.gen}}
	u := node{gen: high.gen}
	if low.prop != nil {
		u.prop = p.Memory.Words(ring.Words(n))
		g.y, g.z = append(g.y, low.prop), append(g.z, u.prop)
	}
	return g, u
}

// majority is the carry out of s + c + g: (s ^ g)(c ^ g) ^ g. The server's share
// of s ^ g holds s, the client's share of c ^ g holds c.
func (p *Party) majority(n int, g, bit []uint64) (gate, node) {
	out := p.Memory.Planes(2, n)
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
