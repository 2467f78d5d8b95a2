package passes

import (
	"slices"

	"gonum.org/v1/gonum/mat"

	"secc.example/secc/ir"
)

// buildX puts the X-operator in the place of a convolution and gives its result.
func buildX(g *ir.Graph, v *ir.Value, w xWeights) (*ir.Value, error) {
	x, a := v.Args[0], v.Attrs.(*ir.ConvAttrs)
	xs, ys, ks := x.Type.Shape, v.Type.Shape, v.Args[1].Type.Shape
	even := (xs[1] + 1) / 2
	b := xBuilder{g: g}
	half := b.op(ir.OpSlice, v.Name+".even", &ir.SliceAttrs{Start: []int{0, 0, 0, 0}, Step: []int{1, 2, 1, 1}, Size: []int{xs[0], even, xs[2], xs[3]}}, x)
	deep := b.op(ir.OpConv, v.Name+".depthwise", &ir.ConvAttrs{
		Group: even, Strides: slices.Clone(a.Strides), Dilations: slices.Clone(a.Dilations),
		PadsBegin: slices.Clone(a.PadsBegin), PadsEnd: slices.Clone(a.PadsEnd),
	}, half, b.weights(v.Name+".depthwise.weight", []int{even, 1, ks[2], ks[3]}, w.kernels))
	other := b.identity(v, x)
	both := b.op(ir.OpConcat, v.Name+".concat", &ir.AxisAttrs{Axis: 1}, deep, other)
	dense := w.dense.Slice(0, ys[1], 0, xs[1])
	y := b.op(ir.OpConv, v.Name, &ir.ConvAttrs{}, both, b.weights(v.Name+".dense.weight", []int{ys[1], xs[1], 1, 1}, dense),
		b.weights(v.Name+".dense.bias", []int{ys[1]}, w.dense.Slice(0, ys[1], xs[1], xs[1]+1)))
	if b.err != nil {
		return nil, b.err
	}
	g.ReplaceUses(v, y)
	g.RemoveDead()
	return y, g.Sort()
}

// identity gives the odd channels as a convolution's middle tap sees them: cropped
// where its padding is narrower than half the kernel, with zeros around where it
// is wider, and a stride apart.
func (b *xBuilder) identity(v, x *ir.Value) *ir.Value {
	a, xs, ys, ks := v.Attrs.(*ir.ConvAttrs), x.Type.Shape, v.Type.Shape, v.Args[1].Type.Shape
	pad := &ir.PadAttrs{Before: make([]int, 4), After: make([]int, 4)}
	odd := &ir.SliceAttrs{Start: []int{0, 1, 0, 0}, Step: []int{1, 2, a.Strides[0], a.Strides[1]}, Size: []int{xs[0], xs[1] / 2, ys[2], ys[3]}}
	for d := range 2 {
		first := middle(ks[2+d])*a.Dilations[d] - a.PadsBegin[d]
		last := first + (ys[2+d]-1)*a.Strides[d]
		pad.Before[2+d], pad.After[2+d] = max(0, -first), max(0, last-xs[2+d]+1)
		odd.Start[2+d] = max(0, first)
	}
	if anyPositive(pad.Before) || anyPositive(pad.After) {
		x = b.op(ir.OpPad, v.Name+".pad", pad, x)
	}
	return b.op(ir.OpSlice, v.Name+".odd", odd, x)
}

// xBuilder appends values and keeps the first error.
type xBuilder struct {
	g   *ir.Graph
	err error
}

func (b *xBuilder) op(op ir.Op, name string, attrs any, args ...*ir.Value) *ir.Value {
	if b.err != nil {
		return nil
	}
	v, err := b.g.New(op, name, attrs, args...)
	b.err = err
	return v
}

func (b *xBuilder) weights(name string, shape []int, m mat.Matrix) *ir.Value {
	if b.err != nil {
		return nil
	}
	rows, cols := m.Dims()
	x := make([]float32, 0, rows*cols)
	for i := range rows {
		for j := range cols {
			x = append(x, float32(m.At(i, j)))
		}
	}
	v, err := constant(b.g, name, shape, x)
	b.err = err
	return v
}
