package passes

import (
	"fmt"
	"math"
	"slices"

	"secc.example/secc/ir"
)

// decompose writes operators that have no protocol of their own in terms of
// ones that have.
func decompose(g *ir.Graph, _ *Config) error {
	if err := choices(g); err != nil {
		return err
	}
	tail, read := clientTail(g), readers(g)
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		switch v.Op {
		case ir.OpSoftmax, ir.OpLogSoftmax:
			if tail[v] {
				return nil, nil
			}
			return softmax(g, v)
		case ir.OpMax, ir.OpMin, ir.OpAbs:
			return byRelu(g, v)
		case ir.OpReduceMax:
			return reduceMax(g, v)
		case ir.OpClip:
			return oneSided(g, v)
		case ir.OpPRelu:
			if !tail[v] && steep(v) {
				return bySlope(g, v)
			}
		case ir.OpArgMax:
			if mixes(v, read, tail) {
				return reformat(g, v)
			}
		case ir.OpFunc:
			if !tail[v] {
				return wholeNumbers(g, v, mixes(v, read, tail))
			}
		}
		return nil, nil
	})
}

// wholeNumbers rewrites functions that give whole numbers.
func wholeNumbers(g *ir.Graph, v *ir.Value, mixed bool) (*ir.Value, error) {
	switch {
	case v.Attrs.(*ir.FuncAttrs).Name == "trunc":
		return towardZero(g, v, mixed)
	case wholeFunc(v) && mixed:
		return reformat(g, v)
	}
	return nil, nil
}

// mixes reports a value that meets others before the client learns it.
func mixes(v *ir.Value, read map[*ir.Value][]*ir.Value, tail map[*ir.Value]bool) bool {
	return slices.ContainsFunc(read[v], func(y *ir.Value) bool {
		if y == nil || tail[y] {
			return false
		}
		return y.Op != ir.OpReshape && y.Op != ir.OpTranspose || mixes(y, read, tail)
	})
}

// reformat multiplies indices by one: they are integers without fraction bits,
// and this product gives them the format of what they are combined with.
func reformat(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	c := chain{g: g, name: v.Name}
	rows := c.ownFormat(v)
	if c.err != nil {
		return nil, c.err
	}
	g.ReplaceUses(v, c.last)
	rows.Args[0] = v // the only reader that wants the indices themselves
	return nil, nil
}

// ownFormat is a product of x with one, which starts a format of its own. It
// returns the operator that reads x.
func (c *chain) ownFormat(x *ir.Value) *ir.Value {
	if c.err != nil {
		return nil
	}
	one, err := constant(c.g, c.name+".one", []int{1, 1, 1, 1}, []float32{1})
	if err != nil {
		c.err = err
		return nil
	}
	rows := c.with(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{x.Type.N(), 1, 1, 1}}, x)
	c.op(ir.OpConv, rows, one)
	c.with(ir.OpReshape, &ir.ReshapeAttrs{Shape: slices.Clone(x.Type.Shape)}, c.last)
	return rows
}

// byRelu: max(a,b) = relu(a-b)+b, min(a,b) = a-relu(a-b), |x| = 2*relu(x)-x.
func byRelu(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	c := chain{g: g, name: v.Name}
	a := v.Args[0]
	switch v.Op {
	case ir.OpAbs:
		r := c.op(ir.OpRelu, a)
		c.op(ir.OpSub, c.op(ir.OpAdd, r, r), a)
	case ir.OpMax:
		c.op(ir.OpAdd, c.op(ir.OpRelu, c.op(ir.OpSub, a, v.Args[1])), v.Args[1])
	case ir.OpMin:
		c.op(ir.OpSub, a, c.op(ir.OpRelu, c.op(ir.OpSub, a, v.Args[1])))
	}
	return c.last, c.err
}

// steep reports slopes that the protocol's factor, two less the slope, has no room for.
func steep(v *ir.Value) bool {
	const two = 2 << slopeBits
	return slices.ContainsFunc(data(v.Args[1]), func(a float32) bool {
		s := math.RoundToEven(math.Ldexp(float64(a), slopeBits))
		return s <= -two || s > two
	})
}

// bySlope makes a*x + (1-a)*relu(x) of a PReLU.
func bySlope(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	x, slope := v.Args[0], v.Args[1]
	rest := slices.Clone(data(slope))
	for i, a := range rest {
		rest[i] = 1 - a
	}
	k, err := constant(g, slope.Name+".rest", slope.Type.Shape, rest)
	if err != nil {
		return nil, err
	}
	c := chain{g: g, name: v.Name}
	c.op(ir.OpAdd, c.op(ir.OpMul, x, slope), c.op(ir.OpMul, c.op(ir.OpRelu, x), k))
	return c.last, c.err
}

// chain appends operators and keeps the first error.
type chain struct {
	g    *ir.Graph
	name string
	last *ir.Value
	err  error
}

func (c *chain) op(op ir.Op, args ...*ir.Value) *ir.Value { return c.with(op, nil, args...) }

func (c *chain) with(op ir.Op, attrs any, args ...*ir.Value) *ir.Value {
	if c.err == nil {
		c.last, c.err = c.g.New(op, c.name, attrs, args...)
	}
	return c.last
}

// oneSided makes a relu of a clip with one bound, and nothing of one with none.
func oneSided(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	a, x := v.Attrs.(*ir.ClipAttrs), v.Args[0]
	low, high := !math.IsInf(a.Min, -1), !math.IsInf(a.Max, 1)
	c := chain{g: g, name: v.Name}
	bound := func(b float64) *ir.Value {
		k, err := constant(g, v.Name+".bound", nil, []float32{float32(b)})
		if c.err == nil {
			c.err = err
		}
		return k
	}
	switch {
	case low && high:
		return nil, nil
	case low && a.Min == 0:
		c.op(ir.OpRelu, x)
	case low:
		b := bound(a.Min)
		c.op(ir.OpAdd, c.op(ir.OpRelu, c.op(ir.OpSub, x, b)), b)
	case high: // high - relu(high - x)
		b := bound(a.Max)
		c.op(ir.OpSub, b, c.op(ir.OpRelu, c.op(ir.OpSub, b, x)))
	default:
		return x, nil
	}
	return c.last, c.err
}

// reduceMax brings the reduced axes to the end and takes one window over them.
func reduceMax(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	x, a := v.Args[0], v.Attrs.(*ir.ReduceAttrs)
	if a.CompareAttrs != (ir.CompareAttrs{}) {
		return nil, fmt.Errorf("node %q: compared bits before formats", v.Name)
	}
	var perm []int
	kept, reduced := 1, 1
	for d, n := range x.Type.Shape {
		if !slices.Contains(a.Axes, d) {
			perm = append(perm, d)
			kept *= n
		}
	}
	for _, d := range a.Axes {
		perm = append(perm, d)
		reduced *= x.Type.Shape[d]
	}
	c := chain{g: g, name: v.Name}
	y := x
	if !slices.IsSorted(perm) {
		y = c.with(ir.OpTranspose, &ir.TransposeAttrs{Perm: perm}, y)
	}
	y = c.with(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{1, kept, 1, reduced}}, y)
	y = c.with(ir.OpMaxPool, &ir.PoolAttrs{Kernel: []int{1, reduced}}, y)
	c.with(ir.OpReshape, &ir.ReshapeAttrs{Shape: slices.Clone(v.Type.Shape)}, y)
	return c.last, c.err
}
