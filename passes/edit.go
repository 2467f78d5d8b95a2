package passes

import (
	"slices"

	"secc.example/secc/ir"
)

// data gives the elements of a real constant.
func data(v *ir.Value) []float32 { return ir.Floats(v.Attrs.(*ir.ConstAttrs).Real) }

// constant appends a real constant of the server's.
func constant(g *ir.Graph, name string, shape []int, x []float32) (*ir.Value, error) {
	return g.Const(name, ir.NewReal(slices.Clone(shape), x))
}

func reshape(g *ir.Graph, name string, x *ir.Value, shape ...int) (*ir.Value, error) {
	if slices.Equal(x.Type.Shape, shape) {
		return x, nil
	}
	return g.New(ir.OpReshape, name, &ir.ReshapeAttrs{Shape: slices.Clone(shape)}, x)
}

func transpose(g *ir.Graph, name string, x *ir.Value, perm ...int) (*ir.Value, error) {
	return g.New(ir.OpTranspose, name, &ir.TransposeAttrs{Perm: perm}, x)
}

// each runs f on every value that stood in the graph at the start. f returns
// the value that takes its place, or nil to leave it.
func each(g *ir.Graph, f func(v *ir.Value) (*ir.Value, error)) error {
	for _, v := range slices.Clone(g.Values) {
		w, err := f(v)
		if err != nil {
			return err
		}
		if w != nil && w != v {
			g.ReplaceUses(v, w)
		}
	}
	return g.Sort()
}

// readers lists for every value the values that read it; graph outputs count as
// a nil reader.
func readers(g *ir.Graph) map[*ir.Value][]*ir.Value {
	r := map[*ir.Value][]*ir.Value{}
	for _, v := range g.Values {
		for _, a := range v.Args {
			r[a] = append(r[a], v)
		}
	}
	for _, o := range g.Outputs {
		r[o] = append(r[o], nil)
	}
	return r
}

// sole gives the only reader of v, or nil.
func sole(r map[*ir.Value][]*ir.Value, v *ir.Value) *ir.Value {
	if len(r[v]) == 1 {
		return r[v][0]
	}
	return nil
}

// perChannel spreads a constant that broadcasts along axis 1 only (or a scalar)
// over the channels of x; false if it is of another shape.
func perChannel(x, c *ir.Value) ([]float32, bool) {
	shape := x.Type.Shape
	if len(shape) < 2 || len(c.Type.Shape) > len(shape) {
		return nil, false
	}
	d := data(c)
	channels := shape[1]
	if len(d) == 1 {
		return slices.Repeat(d, channels), true
	}
	at := 1 - (len(shape) - len(c.Type.Shape)) // which dimension of c is axis 1
	if len(d) != channels || at < 0 || c.Type.Shape[at] != channels {
		return nil, false
	}
	return d, true
}

// constArg splits the arguments of a binary operator into the secret and the
// constant one; second says that the constant comes second.
func constArg(v *ir.Value) (x, c *ir.Value, second, ok bool) {
	a, b := v.Args[0], v.Args[1]
	switch {
	case ir.IsConst(b) && !ir.IsConst(a):
		return a, b, true, true
	case ir.IsConst(a) && !ir.IsConst(b):
		return b, a, false, true
	}
	return nil, nil, false, false
}
