package passes

import (
	"slices"

	"secc.example/secc/ir"
)

// Products of two secrets, as products of matrices: these have a protocol whose cost
// grows with the matrices' sides, where that of products element by element grows with
// the number of multiplications.

// products writes scalings of whole rows and sums of products as products of
// matrices: of a row by its factor, of a row with a column. What stays elementwise stays.
func products(g *ir.Graph, _ *Config) error {
	read := readers(g)
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		switch v.Op {
		case ir.OpMul:
			if secret(v.Args...) && !slices.ContainsFunc(read[v], func(y *ir.Value) bool { return !absorbs(y, v) }) {
				return nil, nil
			}
			return contract(g, v, v.Args[0], v.Args[1], nil)
		case ir.OpSum:
			if a, b := factorsIn(v.Args[0]); a != nil {
				return contract(g, v, a, b, v.Attrs.(*ir.ReduceAttrs).Axes)
			}
		}
		return nil, nil
	})
}

// absorbs reports a sum that makes a product of matrices of the product that it reads.
func absorbs(y, v *ir.Value) bool {
	if y == nil || y.Op != ir.OpSum {
		return false
	}
	c, err := newContraction(v.Args[0], v.Args[1], y.Attrs.(*ir.ReduceAttrs).Axes)
	return err == nil && c != nil
}

// secret reports that none of some values is a constant.
func secret(values ...*ir.Value) bool { return !slices.ContainsFunc(values, ir.IsConst) }

// factorsIn gives the factors of an elementwise product, which may be the same.
func factorsIn(v *ir.Value) (a, b *ir.Value) {
	switch f, ok := v.Attrs.(*ir.FuncAttrs); {
	case v.Op == ir.OpMul:
		return v.Args[0], v.Args[1]
	case ok && (f.Name == "square" || f.Name == "pow" && f.Alpha == 2):
		return v.Args[0], v.Args[0]
	}
	return nil, nil
}

// contraction sorts the axes of a product: those that both factors have, those of
// one alone, and those that are summed over.
type contraction struct {
	shape                []int // of the product before it is summed
	both, left, right, k []int
}

// contract writes v, the product of a and b summed over axes, as a product of matrices;
// nil where it is one of elements only, or where a sum runs over one factor alone.
func contract(g *ir.Graph, v, a, b *ir.Value, axes []int) (*ir.Value, error) {
	if !secret(a, b) {
		return nil, nil
	}
	c, err := newContraction(a, b, axes)
	if err != nil || c == nil {
		return nil, err
	}
	same := a == b
	if a, err = c.matrix(g, v.Name, a, c.left, c.k); err != nil {
		return nil, err
	}
	if same { // a row and the column it is
		b, err = reshape(g, v.Name, a, c.size(c.both), c.size(c.k), 1)
	} else {
		b, err = c.matrix(g, v.Name, b, c.k, c.right)
	}
	if err != nil {
		return nil, err
	}
	y, err := g.New(ir.OpMatMul, v.Name, nil, a, b)
	if err != nil {
		return nil, err
	}
	return c.result(g, v, y)
}

func newContraction(a, b *ir.Value, axes []int) (*contraction, error) {
	shape, err := ir.Broadcast(a.Type.Shape, b.Type.Shape)
	if err != nil {
		return nil, err
	}
	c := &contraction{shape: shape}
	p, q := ofRank(a.Type.Shape, len(shape)), ofRank(b.Type.Shape, len(shape))
	for d, n := range shape {
		switch summed := slices.Contains(axes, d); {
		case n == 1 || p[d] == q[d] && !summed:
			c.both = append(c.both, d)
		case p[d] == q[d]:
			c.k = append(c.k, d)
		case summed:
			return nil, nil
		case q[d] == 1:
			c.left = append(c.left, d)
		default:
			c.right = append(c.right, d)
		}
	}
	if len(c.left)+len(c.right)+len(c.k) == 0 {
		return nil, nil
	}
	return c, nil
}

// ofRank gives a shape the rank of what it broadcasts to.
func ofRank(shape []int, rank int) []int {
	return append(slices.Repeat([]int{1}, rank-len(shape)), shape...)
}

// size is the number of elements over some axes.
func (c *contraction) size(axes []int) int {
	n := 1
	for _, d := range axes {
		n *= c.shape[d]
	}
	return n
}

// matrix brings a factor into the form of a batch of matrices.
func (c *contraction) matrix(g *ir.Graph, name string, x *ir.Value, rows, columns []int) (*ir.Value, error) {
	x, err := reshape(g, name, x, ofRank(x.Type.Shape, len(c.shape))...)
	if err != nil {
		return nil, err
	}
	perm := slices.Concat(c.both, rows, columns)
	for d := range c.shape { // those that this factor does not have
		if !slices.Contains(perm, d) {
			perm = append(perm, d)
		}
	}
	if !slices.IsSorted(perm) {
		if x, err = transpose(g, name, x, perm...); err != nil {
			return nil, err
		}
	}
	return reshape(g, name, x, c.size(c.both), c.size(rows), c.size(columns))
}

// result takes a batch of matrices back to the shape of v.
func (c *contraction) result(g *ir.Graph, v, y *ir.Value) (*ir.Value, error) {
	order := slices.Concat(c.both, c.left, c.right)
	shape := make([]int, len(order))
	for i, d := range order {
		shape[i] = c.shape[d]
	}
	y, err := reshape(g, v.Name, y, shape...)
	if err != nil {
		return nil, err
	}
	perm := make([]int, len(order)) // axis i of the result stands at perm[i] now
	for i := range perm {
		perm[i] = i
	}
	slices.SortFunc(perm, func(i, j int) int { return order[i] - order[j] })
	if !slices.IsSorted(perm) {
		if y, err = transpose(g, v.Name, y, perm...); err != nil {
			return nil, err
		}
	}
	return reshape(g, v.Name, y, v.Type.Shape...)
}

// factors moves what scales whole rows of the left factor of a product of matrices,
// or whole columns of the right one, behind the product where that has fewer
// elements: a softmax is divided by its sums after its product with the values.
func factors(g *ir.Graph, _ *Config) error {
	read := readers(g)
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		if v.Op != ir.OpMatMul || len(v.Args) != 2 || len(v.Args[0].Type.Shape) < 2 || len(v.Args[1].Type.Shape) < 2 {
			return nil, nil
		}
		for i, x := range v.Args {
			if x.Op != ir.OpMul || !secret(x.Args...) || sole(read, x) != v || x.Type.N() <= v.Type.N() {
				continue
			}
			for j, by := range x.Args {
				if along := len(by.Type.Shape) - 1 - i; !slices.Equal(x.Args[1-j].Type.Shape, x.Type.Shape) || along < 0 || by.Type.Shape[along] != 1 {
					continue
				}
				args := slices.Clone(v.Args)
				args[i] = x.Args[1-j]
				y, err := g.New(ir.OpMatMul, v.Name, nil, args...)
				if err != nil {
					return nil, err
				}
				return g.New(ir.OpMul, x.Name, nil, y, by)
			}
		}
		return nil, nil
	})
}
