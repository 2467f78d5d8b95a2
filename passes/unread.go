package passes

import (
	"fmt"
	"slices"

	"secc.example/secc/ir"
)

// Elements that nobody reads. A classifier of a sequence reads its first token, or its
// last, and everything that is made row by row in front of that need be made for this row
// only: of a transformer's last layer the query, the softmax and the whole MLP.

// choice is what a gather, or a slice of one axis, takes.
type choice struct {
	axis  int
	index []int
}

// unread moves choices of elements in front of what makes them, where nobody reads the
// others.
func unread(g *ir.Graph, _ *Config) error {
	for {
		m := mover{g: g, made: map[string]*ir.Value{}}
		if err := m.sweep(); err != nil {
			return err
		}
		g.RemoveDead()
		if err := g.Sort(); err != nil || !m.moved {
			return err
		}
	}
}

// mover moves choices one operator up.
type mover struct {
	g     *ir.Graph
	made  map[string]*ir.Value // choices of values, each once
	moved bool
}

func (m *mover) sweep() error {
	read := readers(m.g)
	for _, v := range slices.Backward(slices.Clone(m.g.Values)) {
		c, ok := soleChoice(v, read[v])
		if !ok {
			continue
		}
		w, err := m.above(v, c)
		if err != nil {
			return err
		}
		if w == nil {
			continue
		}
		m.moved = true
		for _, y := range read[v] {
			m.g.ReplaceUses(y, w)
		}
	}
	return nil
}

// soleChoice is the one that all readers of v make, if it leaves something out.
func soleChoice(v *ir.Value, read []*ir.Value) (c choice, ok bool) {
	for i, y := range read {
		d, is := choiceOf(y)
		if !is || i > 0 && (d.axis != c.axis || !slices.Equal(d.index, c.index)) {
			return c, false
		}
		c = d
	}
	return c, len(read) > 0 && len(c.index) < v.Type.Shape[c.axis]
}

func choiceOf(v *ir.Value) (c choice, ok bool) {
	if v == nil {
		return c, false
	}
	switch a := v.Attrs.(type) {
	case *ir.GatherAttrs:
		return choice{a.Axis, a.Index}, v.Op == ir.OpGather
	case *ir.SliceAttrs:
		for d, n := range v.Args[0].Type.Shape {
			if a.Size[d] == n && a.Start[d] == 0 && a.Step[d] == 1 {
				continue
			}
			if ok {
				return c, false
			}
			c, ok = choice{axis: d}, true
			for i := range a.Size[d] {
				c.index = append(c.index, a.Start[d]+i*a.Step[d])
			}
		}
	}
	return c, ok
}

// above makes what c chooses of v from choices of v's arguments; nil if it cannot.
func (m *mover) above(v *ir.Value, c choice) (*ir.Value, error) {
	switch a := v.Attrs.(type) {
	case *ir.AxisAttrs:
		if (v.Op == ir.OpSoftmax || v.Op == ir.OpLogSoftmax) && a.Axis != c.axis {
			return m.remade(v, a, c)
		}
	case *ir.ReduceAttrs:
		if v.Op == ir.OpSum || v.Op == ir.OpReduceMax {
			return m.remade(v, a, choice{keptAxis(a, c.axis, len(v.Args[0].Type.Shape)), c.index})
		}
	case *ir.TransposeAttrs:
		return m.remade(v, a, choice{a.Perm[c.axis], c.index})
	case *ir.ReshapeAttrs:
		return m.reshaped(v, c)
	}
	switch v.Op {
	case ir.OpAdd, ir.OpSub, ir.OpMul, ir.OpDiv, ir.OpMax, ir.OpMin, ir.OpNeg, ir.OpAbs, ir.OpFunc, ir.OpClip:
		return m.broadcast(v, c)
	case ir.OpRelu:
		if len(v.Args) == 1 {
			return m.broadcast(v, c)
		}
	case ir.OpMatMul:
		return m.product(v, c)
	}
	return nil, nil
}

// keptAxis is which axis of a reduction's argument an axis of its result is.
func keptAxis(a *ir.ReduceAttrs, axis, rank int) int {
	if a.Keep {
		return axis
	}
	for d := range rank {
		if slices.Contains(a.Axes, d) {
			axis++
		} else if d == axis {
			break
		}
	}
	return axis
}

// remade is v of a choice of its argument.
func (m *mover) remade(v *ir.Value, attrs any, c choice) (*ir.Value, error) {
	if a, ok := attrs.(*ir.ReduceAttrs); ok && slices.Contains(a.Axes, c.axis) {
		return nil, nil // an axis of which one sum is left
	}
	x, err := m.chosen(v.Args[0], c)
	if err != nil {
		return nil, err
	}
	return m.g.New(v.Op, v.Name, attrs, x)
}

// reshaped follows an axis that is there before and after.
func (m *mover) reshaped(v *ir.Value, c choice) (*ir.Value, error) {
	from, to := v.Args[0].Type.Shape, v.Type.Shape
	for d, n := range from {
		if n != to[c.axis] || ir.Numel(from[:d]) != ir.Numel(to[:c.axis]) {
			continue
		}
		x, err := m.chosen(v.Args[0], choice{d, c.index})
		if err != nil {
			return nil, err
		}
		shape := slices.Clone(to)
		shape[c.axis] = len(c.index)
		return m.g.New(ir.OpReshape, v.Name, &ir.ReshapeAttrs{Shape: shape}, x)
	}
	return nil, nil
}

// broadcast chooses of every argument that has the axis.
func (m *mover) broadcast(v *ir.Value, c choice) (*ir.Value, error) {
	args := make([]*ir.Value, len(v.Args))
	for i, a := range v.Args {
		var err error
		if args[i], err = m.aligned(a, c, len(v.Type.Shape)); err != nil {
			return nil, err
		}
	}
	return m.g.New(v.Op, v.Name, v.Attrs, args...)
}

// aligned is what c, of a tensor of so many dimensions, chooses of one that broadcasts to it.
func (m *mover) aligned(x *ir.Value, c choice, rank int) (*ir.Value, error) {
	d := c.axis - rank + len(x.Type.Shape)
	if d < 0 || x.Type.Shape[d] == 1 {
		return x, nil
	}
	return m.chosen(x, choice{d, c.index})
}

// product chooses rows of the first factor or columns of the second, and matrices of both.
func (m *mover) product(v *ir.Value, c choice) (*ir.Value, error) {
	rank := len(v.Type.Shape)
	if len(v.Args[0].Type.Shape) < 2 || len(v.Args[1].Type.Shape) < 2 {
		return nil, nil
	}
	args := slices.Clone(v.Args)
	for i, a := range args {
		if i < 2 && c.axis == rank-1-i { // columns of the result are not the first's, rows not the second's
			continue
		}
		var err error
		if args[i], err = m.aligned(a, c, rank); err != nil {
			return nil, err
		}
	}
	return m.g.New(v.Op, v.Name, v.Attrs, args...)
}

// chosen makes a choice of x: a constant at once, of others one value for all that ask.
func (m *mover) chosen(x *ir.Value, c choice) (*ir.Value, error) {
	key := fmt.Sprint(x.ID, c)
	if y := m.made[key]; y != nil {
		return y, nil
	}
	y, err := m.g.New(ir.OpGather, x.Name, &ir.GatherAttrs{Axis: c.axis, Index: slices.Clone(c.index)}, x)
	if err == nil && ir.IsConst(x) {
		all, inner := data(x), ir.Numel(x.Type.Shape[c.axis+1:])
		some := make([]float32, 0, y.Type.N())
		for outer := range ir.Numel(x.Type.Shape[:c.axis]) {
			for _, i := range c.index {
				at := (outer*x.Type.Shape[c.axis] + i) * inner
				some = append(some, all[at:at+inner]...)
			}
		}
		y, err = constant(m.g, x.Name, y.Type.Shape, some)
	}
	if err != nil {
		return nil, err
	}
	m.made[key] = y
	return y, nil
}
