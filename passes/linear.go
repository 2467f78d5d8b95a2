package passes

import (
	"fmt"
	"slices"

	"secc.example/secc/ir"
)

// linear turns products by constants into 2-D convolutions with one batch entry
// a row, and convolutions over one dimension into ones over two.
func linear(g *ir.Graph, _ *Config) error {
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		switch v.Op {
		case ir.OpMatMul:
			return linearMatMul(g, v)
		case ir.OpConv:
			if !ir.IsConst(v.Args[1]) {
				return nil, fmt.Errorf("node %q: convolution by a kernel that is not constant", v.Name)
			}
			return linearConv(g, v)
		}
		return nil, nil
	})
}

// linearMatMul: x[..., k] times w[k, n] is a 1x1 convolution with the leading
// dimensions as batch. A constant on the left is transposed to the right.
func linearMatMul(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	x, w := v.Args[0], v.Args[1]
	switch {
	case ir.IsConst(w) && len(matrix(w.Type.Shape)) == 2:
		return rowsTimes(g, v, x, w)
	case ir.IsConst(x) && len(matrix(x.Type.Shape)) == 2 && len(w.Type.Shape) >= 2 && len(x.Type.Shape) == len(matrix(x.Type.Shape)):
		return timesColumns(g, v, x, w)
	case ir.IsConst(w) || ir.IsConst(x):
		return nil, fmt.Errorf("node %q: batched product by constant matrices of shape %v and %v", v.Name, x.Type.Shape, w.Type.Shape)
	case len(v.Args) == 3:
		return separateBias(g, v)
	}
	return nil, nil
}

// separateBias: the protocol for two secrets has no bias.
func separateBias(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	y, err := g.New(ir.OpMatMul, v.Name, nil, v.Args[0], v.Args[1])
	if err != nil {
		return nil, err
	}
	return g.New(ir.OpAdd, v.Name, nil, y, v.Args[2])
}

// matrix drops leading ones.
func matrix(shape []int) []int {
	for len(shape) > 2 && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) == 1 {
		return []int{shape[0], 1}
	}
	return shape
}

func rowsTimes(g *ir.Graph, v, x, w *ir.Value) (*ir.Value, error) {
	m := matrix(w.Type.Shape)
	k, n := m[0], m[1]
	rows := x.Type.N() / k
	flat, err := reshape(g, v.Name, x, rows, k, 1, 1)
	if err != nil {
		return nil, err
	}
	kernel, err := constant(g, w.Name, []int{n, k, 1, 1}, transposed(data(w), k, n))
	if err != nil {
		return nil, err
	}
	args := []*ir.Value{flat, kernel}
	bias, later := (*ir.Value)(nil), (*ir.Value)(nil)
	if len(v.Args) == 3 {
		bias, later = rowBias(v.Args[2], n)
	}
	if bias != nil {
		b, err := constant(g, bias.Name, []int{n}, spread(data(bias), n))
		if err != nil {
			return nil, err
		}
		args = append(args, b)
	}
	y, err := g.New(ir.OpConv, v.Name, &ir.ConvAttrs{}, args...)
	if err != nil {
		return nil, err
	}
	if y, err = reshape(g, v.Name, y, v.Type.Shape...); err != nil || later == nil {
		return y, err
	}
	return g.New(ir.OpAdd, v.Name, nil, y, later)
}

// rowBias tells a bias of one value a column from one that must be added afterwards.
func rowBias(b *ir.Value, n int) (fold, later *ir.Value) {
	if ir.IsConst(b) && (b.Type.N() == 1 || b.Type.N() == n && b.Type.Shape[len(b.Type.Shape)-1] == n) {
		return b, nil
	}
	return nil, b
}

func spread(x []float32, n int) []float32 {
	if len(x) == 1 {
		return slices.Repeat(x, n)
	}
	return x
}

func transposed(x []float32, rows, cols int) []float32 {
	y := make([]float32, len(x))
	for i := range rows {
		for j := range cols {
			y[j*rows+i] = x[i*cols+j]
		}
	}
	return y
}

// timesColumns: w x = (x^T w^T)^T.
func timesColumns(g *ir.Graph, v, w, x *ir.Value) (*ir.Value, error) {
	m, k := w.Type.Shape[len(w.Type.Shape)-2], w.Type.Shape[len(w.Type.Shape)-1]
	wt, err := constant(g, w.Name, []int{k, m}, transposed(data(w), m, k))
	if err != nil {
		return nil, err
	}
	xt, err := swapLast(g, v.Name, x)
	if err != nil {
		return nil, err
	}
	yt, err := g.New(ir.OpMatMul, v.Name, nil, xt, wt)
	if err != nil {
		return nil, err
	}
	if yt, err = rowsTimes(g, yt, xt, wt); err != nil {
		return nil, err
	}
	y, err := swapLast(g, v.Name, yt)
	if err == nil && len(v.Args) == 3 {
		y, err = g.New(ir.OpAdd, v.Name, nil, y, v.Args[2])
	}
	return y, err
}

func swapLast(g *ir.Graph, name string, x *ir.Value) (*ir.Value, error) {
	perm := make([]int, len(x.Type.Shape))
	for i := range perm {
		perm[i] = i
	}
	n := len(perm)
	perm[n-1], perm[n-2] = n-2, n-1
	return transpose(g, name, x, perm...)
}

// linearConv gives a convolution over one dimension a second one of size 1.
func linearConv(g *ir.Graph, v *ir.Value) (*ir.Value, error) {
	x, w, a := v.Args[0].Type.Shape, v.Args[1], v.Attrs.(*ir.ConvAttrs)
	switch len(x) {
	case 4:
		return nil, nil
	case 3:
	default:
		return nil, fmt.Errorf("node %q: convolution over three dimensions is not supported", v.Name)
	}
	flat, err := reshape(g, v.Name, v.Args[0], x[0], x[1], 1, x[2])
	if err != nil {
		return nil, err
	}
	s := w.Type.Shape
	kernel, err := constant(g, w.Name, []int{s[0], s[1], 1, s[2]}, data(w))
	if err != nil {
		return nil, err
	}
	b := &ir.ConvAttrs{Group: a.Group, Strides: append([]int{1}, a.Strides...), Dilations: append([]int{1}, a.Dilations...),
		PadsBegin: append([]int{0}, a.PadsBegin...), PadsEnd: append([]int{0}, a.PadsEnd...)}
	y, err := g.New(ir.OpConv, v.Name, b, append([]*ir.Value{flat, kernel}, v.Args[2:]...)...)
	if err != nil {
		return nil, err
	}
	return reshape(g, v.Name, y, v.Type.Shape...)
}
