package nonlinear

import (
	"context"
	"fmt"
	"slices"

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
// (wire.Tree.Next). Where the client's shares are known ahead a level takes the flights of a masked
// multiplexer and, but for the last, one that makes them known again; with labels two. Error: up to 2^Lo - 1 too little a level.
// Leaks nothing: which comparisons are made does not depend on any of them.
func (p *Party) Select(ctx context.Context, x []uint64, copies int, net wire.Network, s Sign, indexBits int) (values, indices []uint64, err error) {
	val := grid{copies, []int32{0}, [][]uint64{x}}
	idx := grid{copies, []int32{0}, [][]uint64{nil}}
	if indexBits > 0 {
		idx.blocks[0] = p.ownIndices(copies, net.Inputs)
	}
	for i, level := range net.Levels {
		if err := p.selectLevel(ctx, level, net.Both, i == len(net.Levels)-1, s, indexBits, &val, &idx); err != nil {
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

func (p *Party) selectLevel(ctx context.Context, level [][2]int32, both, last bool, s Sign, indexBits int, val, idx *grid) error {
	first, second := make([]int32, len(level)), make([]int32, len(level))
	for i, g := range level {
		first[i], second[i] = g[0], g[1]
	}
	b, d := val.gather(second), subtract(val.gather(first), val.gather(second), s.Bits)
	var ib, id []uint64
	if indexBits > 0 {
		ib, id = idx.gather(second), subtract(idx.gather(first), idx.gather(second), indexBits)
	}
	up, iup, err := p.rise(ctx, d, id, s, indexBits, last)
	if err != nil {
		return err
	}
	val.add(winners(b, d, up, both, s.Bits))
	if indexBits > 0 {
		idx.add(winners(ib, id, iup, both, indexBits))
	}
	return nil
}

// rise gives d*[d >= 0] and, if there are any, id*[d >= 0].
func (p *Party) rise(ctx context.Context, d, id []uint64, s Sign, indexBits int, last bool) (up, iup []uint64, err error) {
	if s.Tree.Tabled() {
		return p.riseMasked(ctx, d, id, s, indexBits, last)
	}
	won, err := p.DReLU(ctx, d, s)
	if err != nil {
		return nil, nil, err
	}
	up = make([]uint64, len(d))
	all := p.mux(won, d, up, s.Bits)
	if id != nil {
		iup = make([]uint64, len(d))
		all = append(all, p.mux(won, id, iup, indexBits)...)
	}
	return up, iup, p.products(ctx, len(d), all)
}

// riseMasked is rise where the client's shares are known ahead, and makes them known of the results
// too, unless this is the last level.
func (p *Party) riseMasked(ctx context.Context, d, id []uint64, s Sign, indexBits int, last bool) (up, iup []uint64, err error) {
	up = slices.Clone(d)
	m := &masked{operands: []operand{{width: s.Bits, val: up}}}
	if id != nil {
		iup = slices.Clone(id)
		m.operands = append(m.operands, operand{width: indexBits, val: iup})
	}
	if s.Tree.Labelled && !last {
		l := p.newLabelled(*m, nil)
		if err := p.drawNext(l, len(d)); err != nil {
			return nil, nil, err
		}
		return up, iup, p.hand(ctx, d, s, nil, l)
	}
	won, err := p.above(ctx, d, []int64{0}, s, m)
	if err != nil {
		return nil, nil, err
	}
	if err := p.selects(len(d), selection{m, won[0]}); err != nil || last {
		return up, iup, err
	}
	if err := p.fix(up, s.Bits); err != nil {
		return nil, nil, err
	}
	if id != nil {
		if err := p.fix(iup, indexBits); err != nil {
			return nil, nil, err
		}
	}
	return up, iup, p.Conn.Flush()
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
