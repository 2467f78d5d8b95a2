package main

import (
	"slices"

	"secc.example/secc/frontend/onnx"
	"secc.example/secc/frontend/onnx/onnxtest"
	"secc.example/secc/ir"
)

// surround puts a case into the middle of a network. On its own, the operator
// of a case sees a value that is the client's own, and what follows the last
// secret value is left to the client in the clear; here the server adds a constant
// to every input, from which the data is reduced by as much, and one to every
// output, which the expected values grow by.
func surround(g *ir.Graph, data [][]float32, c *onnxtest.Case) ([][]float32, error) {
	moved := make([][]float32, len(data))
	for i, in := range slices.Clone(g.Inputs) {
		k := offsets(in.Type.N(), 0.5)
		sum, err := addConst(g, in, k)
		if err != nil {
			return nil, err
		}
		moved[i] = slices.Clone(data[i])
		for j := range k {
			moved[i][j] -= k[j]
		}
		g.ReplaceUses(in, sum)
		sum.Args[0] = in
	}
	if err := g.Sort(); err != nil {
		return nil, err
	}
	if err := g.Infer(); err != nil { // what was the client's own is shared now
		return nil, err
	}
	for i, out := range slices.Clone(g.Outputs) {
		k := offsets(out.Type.N(), 2)
		sum, err := addConst(g, out, k)
		if err != nil {
			return nil, err
		}
		g.Outputs[i] = sum
		want := *c.Outputs[i]
		f := slices.Clone(want.Floats())
		for j := range f {
			f[j] += k[j]
		}
		want.F, want.I = f, nil
		if want.DType.IsFloat() {
			want.DType = onnx.Float
		}
		c.Outputs[i] = &want
	}
	return moved, nil
}

// offsets alternate, so that no pass takes them for one number.
func offsets(n int, size float32) []float32 {
	k := make([]float32, n)
	for i := range k {
		k[i] = size * float32(i%3-1)
	}
	k[0] = size
	return k
}

func addConst(g *ir.Graph, v *ir.Value, k []float32) (*ir.Value, error) {
	c, err := g.Const("offset", ir.NewReal(v.Type.Shape, k))
	if err != nil {
		return nil, err
	}
	return g.New(ir.OpAdd, v.Name, nil, v, c)
}
