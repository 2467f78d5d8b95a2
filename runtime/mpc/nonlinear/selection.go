package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
)

// grid holds one value a node and copy, copies apart by the stride of their
// block: the inputs, and the nodes of each level, are a block each.
type grid struct {
	copies int
	starts []int32 // first node of each block
	blocks [][]uint64
}

// gather collects nodes, copy after copy.
func (g *grid) gather(nodes []int32) []uint64 {
	out := make([]uint64, 0, g.copies*len(nodes))
	for c := range g.copies {
		for _, id := range nodes {
			b := len(g.starts) - 1
			for g.starts[b] > id {
				b--
			}
			stride := len(g.blocks[b]) / g.copies
			out = append(out, g.blocks[b][c*stride+int(id-g.starts[b])])
		}
	}
	return out
}

func (g *grid) add(block []uint64) {
	last := len(g.starts) - 1
	g.starts = append(g.starts, g.starts[last]+int32(len(g.blocks[last])/g.copies))
	g.blocks = append(g.blocks, block)
}

// Select runs a network on copies vectors at once.
//
// Functionality: shares of copies x Inputs numbers in Z_2^Bits with |x| < 2^(Bits-2) ->
// shares of the network's outputs, where a gate gives max(a, b) = b + (a-b)*[a-b >= 0] and
// min(a, b) = a + b - max. With indexBits > 0 also shares, in Z_2^indexBits, of the input
// number that each output came from; of equal numbers the first operand wins.
// A level takes the flights of DReLU and one, of which neighbours may share one
// (wire.Tree.Next). Error: up to 2^Lo - 1 too little a level.
// Leaks nothing: which comparisons are made does not depend on any of them.
func (p *Party) Select(ctx context.Context, x []uint64, copies int, net wire.Network, s Sign, indexBits int) (values, indices []uint64, err error) {
	val := grid{copies, []int32{0}, [][]uint64{x}}
	idx := grid{copies, []int32{0}, [][]uint64{nil}}
	if indexBits > 0 {
		idx.blocks[0] = p.ownIndices(copies, net.Inputs)
	}
	for i, level := range net.Levels {
		if err := p.selectLevel(ctx, level, net.Both, s, indexBits, &val, &idx); err != nil {
			return nil, nil, fmt.Errorf("selection level %d: %w", i, err)
		}
		s.Tree = s.Tree.Next(s.Hi - s.Lo - 1)
	}
	values = val.gather(net.Outputs)
	if indexBits > 0 {
		indices = idx.gather(net.Outputs)
	}
	return values, indices, nil
}

// ownIndices shares the numbers of the inputs: they are the server's share.
func (p *Party) ownIndices(copies, n int) []uint64 {
	out := make([]uint64, copies*n)
	for i := range out {
		if p.isServer() {
			out[i] = uint64(i % n)
		}
	}
	return out
}

func (p *Party) selectLevel(ctx context.Context, level [][2]int32, both bool, s Sign, indexBits int, val, idx *grid) error {
	first, second := make([]int32, len(level)), make([]int32, len(level))
	for i, g := range level {
		first[i], second[i] = g[0], g[1]
	}
	b, d := val.gather(second), subtract(val.gather(first), val.gather(second), s.Bits)
	won, err := p.DReLU(ctx, d, s)
	if err != nil {
		return err
	}
	up := make([]uint64, len(d))
	terms := p.mux(won, d, up, s.Bits)
	var ib, id, iup []uint64
	if indexBits > 0 {
		ib, id, iup = idx.gather(second), subtract(idx.gather(first), idx.gather(second), indexBits), make([]uint64, len(d))
		terms = append(terms, p.mux(won, id, iup, indexBits)...)
	}
	if err := p.products(ctx, len(d), terms); err != nil {
		return err
	}
	val.add(winners(b, d, up, both, s.Bits))
	if indexBits > 0 {
		idx.add(winners(ib, id, iup, both, indexBits))
	}
	return nil
}

func subtract(a, b []uint64, bits int) []uint64 {
	m := ring.Mask(bits)
	for i := range a {
		a[i] = (a[i] - b[i]) & m
	}
	return a
}

// winners is b + up for every gate and, with both, a + b - that = b + d - up.
func winners(b, d, up []uint64, both bool, bits int) []uint64 {
	m := ring.Mask(bits)
	if !both {
		for i := range b {
			b[i] = (b[i] + up[i]) & m
		}
		return b
	}
	out := make([]uint64, 2*len(b))
	for i := range b {
		out[2*i] = (b[i] + up[i]) & m
		out[2*i+1] = (b[i] + d[i] - up[i]) & m
	}
	return out
}
