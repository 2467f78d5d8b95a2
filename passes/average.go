package passes

import (
	"slices"

	"secc.example/secc/ir"
)

// average writes avg_pool as a sum_pool, which is local on shares, and a factor.
// Where windows hang over the edge and padding does not count, the factor
// differs from place to place.
func average(g *ir.Graph, _ *Config) error {
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		if v.Op != ir.OpAvgPool {
			return nil, nil
		}
		a := *v.Attrs.(*ir.PoolAttrs)
		counts := windowCounts(&a, v.Args[0].Type.Shape[2:], v.Type.Shape[2:])
		a.CountIncludePad = false
		sum, err := g.New(ir.OpSumPool, v.Name, &a, v.Args[0])
		if err != nil {
			return nil, err
		}
		factors := make([]float32, len(counts))
		for i, c := range counts {
			factors[i] = 1 / float32(c)
		}
		if slices.Min(counts) == slices.Max(counts) {
			n := v.Type.Shape[1]
			return newBatchNorm(g, v.Name, sum, channelMap{slices.Repeat(factors[:1], n), make([]float32, n), true, true, false})
		}
		c, err := g.PublicConst(v.Name+".factor", ir.NewReal(append([]int{1, 1}, v.Type.Shape[2:]...), factors))
		if err != nil {
			return nil, err
		}
		return fullAffine(g, &ir.Value{Op: ir.OpMul, Name: v.Name, Type: v.Type}, sum, c)
	})
}

// windowCounts is the number of elements each window averages, row-major.
func windowCounts(a *ir.PoolAttrs, in, out []int) []int {
	counts := []int{1}
	for d := range in {
		low, high := 0, in[d]
		if a.CountIncludePad {
			low, high = -a.PadsBegin[d], in[d]+a.PadsEnd[d]
		}
		var next []int
		for _, c := range counts {
			for o := range out[d] {
				n := 0
				for k := range a.Kernel[d] {
					if x := o*a.Strides[d] - a.PadsBegin[d] + k*a.Dilations[d]; x >= low && x < high {
						n++
					}
				}
				next = append(next, c*n)
			}
		}
		counts = next
	}
	return counts
}
