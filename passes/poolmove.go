package passes

import "secc.example/secc/ir"

// poolMove: a windowed sum of a 1x1 convolution is the 1x1 convolution of the
// windowed sum, with the bias counted once an element of the window.
func poolMove(g *ir.Graph, _ *Config) error {
	r := readers(g)
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		if v.Op != ir.OpSumPool || sole(r, v.Args[0]) == nil || !pointwise(v.Args[0]) {
			return nil, nil
		}
		a, conv := *v.Attrs.(*ir.PoolAttrs), v.Args[0]
		if ir.Numel(v.Type.Shape) >= ir.Numel(conv.Type.Shape) {
			return nil, nil
		}
		counts := windowCounts(&a, conv.Type.Shape[2:], v.Type.Shape[2:])
		for _, n := range counts {
			if n != counts[0] {
				return nil, nil
			}
		}
		sum, err := g.New(ir.OpSumPool, v.Name, &a, conv.Args[0])
		if err != nil {
			return nil, err
		}
		args := []*ir.Value{sum, conv.Args[1]}
		if len(conv.Args) == 3 {
			bias := make([]float32, conv.Type.Shape[1])
			for i, b := range data(conv.Args[2]) {
				bias[i] = b * float32(counts[0])
			}
			b, err := constant(g, conv.Args[2].Name, []int{len(bias)}, bias)
			if err != nil {
				return nil, err
			}
			args = append(args, b)
		}
		c := *conv.Attrs.(*ir.ConvAttrs)
		return g.New(ir.OpConv, conv.Name, &c, args...)
	})
}

// pointwise reports a 1x1 convolution without stride or padding.
func pointwise(v *ir.Value) bool {
	if v.Op != ir.OpConv || !ir.IsConst(v.Args[1]) || len(v.Args) == 3 && !ir.IsConst(v.Args[2]) {
		return false
	}
	a, k := v.Attrs.(*ir.ConvAttrs), v.Args[1].Type.Shape[2:]
	return allOnes(k) && allOnes(a.Strides) && !anyPositive(a.PadsBegin) && !anyPositive(a.PadsEnd)
}
