package passes

import (
	"fmt"
	"slices"
	"strings"

	"secc.example/secc/ir"
)

// An index into a table is the client's own in embeddings of tokens, and the client makes
// a one-hot row of it for nothing: what is left is a product by weights. A table that the
// owner publishes is looked up by the client, and its rows enter the network. Indices
// that are computed in shares become one-hot by comparisons.

// withoutLookups gives the graph with products by one-hot rows in place of those lookups
// that the client cannot do; the graph itself if there are none.
func withoutLookups(g *ir.Graph, known func(c *ir.Value) bool) (*ir.Graph, error) {
	if !slices.ContainsFunc(g.Values, func(v *ir.Value) bool { return v.Op == ir.OpLookup }) {
		return g, nil
	}
	mine := newSplitter(g, known).movable
	g, to := g.Clone()
	copied := map[*ir.Value]bool{}
	for old, now := range to {
		copied[now] = mine[old]
	}
	err := each(g, func(v *ir.Value) (*ir.Value, error) {
		if v.Op != ir.OpLookup || copied[v] {
			return nil, nil
		}
		return byOneHot(g, v)
	})
	g.RemoveDead()
	return g, err
}

// choices writes what chooses by indices in shares as comparisons and products, while an
// arg-max can still be told.
func choices(g *ir.Graph) error {
	err := each(g, func(v *ir.Value) (*ir.Value, error) {
		if v.Op == ir.OpLookup {
			return byOneHot(g, v)
		}
		return nil, nil
	})
	if err != nil {
		return err
	}
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		if v.Op == ir.OpOneHot {
			return oneHotBySteps(g, v)
		}
		return nil, nil
	})
}

// byOneHot multiplies one-hot rows by the table.
func byOneHot(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	c, x, table := chain{g: g, name: v.Name}, v.Args[0], v.Args[1]
	rows := table.Type.Shape[0]
	bits := c.with(ir.OpOneHot, &ir.OneHotAttrs{Depth: rows, FromEnd: true, Strict: true}, x)
	bits = c.with(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{x.Type.N(), rows}}, bits)
	flat, err := constant(g, table.Name, []int{rows, table.Type.N() / rows}, data(table))
	if err != nil {
		return nil, err
	}
	c.op(ir.OpMatMul, bits, flat)
	c.with(ir.OpReshape, &ir.ReshapeAttrs{Shape: slices.Clone(v.Type.Shape)}, c.last)
	return c.last, c.err
}

// oneHotBySteps compares whole numbers in shares with all that they may be. Each bit is
// the difference of two comparisons half a unit away, which neighbours share: a rounding
// in fixed point does not matter.
func oneHotBySteps(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	a, x := v.Attrs.(*ir.OneHotAttrs), v.Args[0]
	first, n := 0, a.Depth
	fromEnd := a.FromEnd && !counted(x)
	if fromEnd {
		first, n = -a.Depth, 2*a.Depth
	}
	if (n + 1) > maxCompared/max(1, x.Type.N()) {
		return nil, refusal(v, "%d indices that are not the client's own, compared with %d numbers each, are too many", x.Type.N(), n)
	}
	at := make([]float32, n+1)
	for i := range at {
		at[i] = float32(first+i) - 0.5
	}
	c := chain{g: g, name: v.Name}
	bounds, err := g.PublicConst(v.Name+".bounds", ir.NewReal([]int{n + 1}, at))
	if err != nil {
		return nil, err
	}
	x = c.with(ir.OpReshape, &ir.ReshapeAttrs{Shape: append(slices.Clone(x.Type.Shape), 1)}, x)
	from := c.with(ir.OpFunc, &ir.FuncAttrs{Name: "step"}, c.op(ir.OpSub, x, bounds))
	bits := c.op(ir.OpSub, c.last1(from, 0, n), c.last1(from, 1, n))
	if fromEnd {
		c.op(ir.OpAdd, c.last1(bits, 0, a.Depth), c.last1(bits, a.Depth, a.Depth))
	}
	return c.last, c.err
}

// counted reports what comes from an arg-max, and so is never negative.
func counted(x *ir.Value) bool {
	for x.Op == ir.OpReshape || x.Op == ir.OpTranspose || x.Op == ir.OpExpand || x.Op == ir.OpSlice {
		x = x.Args[0]
	}
	return x.Op == ir.OpArgMax
}

// maxCompared bounds the comparisons that make indices in shares one-hot.
const maxCompared = 1 << 24

// last1 is a part of the last dimension.
func (c *chain) last1(x *ir.Value, start, size int) *ir.Value {
	if c.err != nil {
		return nil
	}
	r := len(x.Type.Shape)
	a := &ir.SliceAttrs{Start: make([]int, r), Step: slices.Repeat([]int{1}, r), Size: slices.Clone(x.Type.Shape)}
	a.Start[r-1], a.Size[r-1] = start, size
	return c.with(ir.OpSlice, a, x)
}

// OneHots lists the tables that are multiplied by one-hot rows of a head: those that the
// client would look up if they were public.
func OneHots(head *ir.Graph) (nodes []string) {
	if head == nil {
		return nil
	}
	for _, v := range head.Values {
		if a, ok := v.Attrs.(*ir.OneHotAttrs); ok && a.Strict {
			nodes = append(nodes, fmt.Sprintf("%q (%d rows)", v.Name, a.Depth))
		}
	}
	slices.SortFunc(nodes, strings.Compare)
	return slices.Compact(nodes)
}
