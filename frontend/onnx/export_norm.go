package onnx

import (
	"fmt"
	"math"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// exportEpsilon is the epsilon of BatchNormalization in common frameworks.
const exportEpsilon = 1e-5

// moments are the sums of a batch normalisation's input, by channel.
type moments struct{ n, sum, squares []float64 }

// normInputs evaluates the graph on the inputs and collects what every batch
// normalisation sees.
func normInputs(g *ir.Graph, inputs [][]*num.Tensor, stop func() error) (map[*ir.Value]*moments, error) {
	seen := map[*ir.Value]*moments{}
	for _, v := range g.Values {
		if v.Op == ir.OpBatchNorm {
			c := v.Type.Shape[1]
			seen[v.Args[0]] = &moments{make([]float64, c), make([]float64, c), make([]float64, c)}
		}
	}
	if len(seen) == 0 {
		return seen, nil
	}
	for _, in := range inputs {
		_, err := ir.Eval(g, in, ir.EvalOptions{Stop: stop, Observe: func(v *ir.Value, t *num.Tensor) {
			if m := seen[v]; m != nil {
				m.add(ir.Floats(t), ir.Numel(v.Type.Shape[2:]))
			}
		}})
		if err != nil {
			return nil, err
		}
	}
	return seen, nil
}

func (m *moments) add(x []float32, inner int) {
	for i, f := range x {
		c := i / inner % len(m.n)
		m.n[c]++
		m.sum[c] += float64(f)
		m.squares[c] += float64(f) * float64(f)
	}
}

// batchNorm writes x*scale + shift in terms of the mean and variance that x has.
func (x *exporter) batchNorm(v *ir.Value, in, out string) error {
	if !ir.IsConst(v.Args[1]) || !ir.IsConst(v.Args[2]) {
		return fmt.Errorf("its scale or shift is not constant")
	}
	scale, shift := ir.Floats(v.Args[1].Attrs.(*ir.ConstAttrs).Real), ir.Floats(v.Args[2].Attrs.(*ir.ConstAttrs).Real)
	p := [4][]float32{}
	for c := range scale {
		mean, variance := 0.0, 1-exportEpsilon
		if m := x.norm[v.Args[0]]; m != nil && m.n[c] > 0 {
			mean = m.sum[c] / m.n[c]
			variance = math.Max(m.squares[c]/m.n[c]-mean*mean, 0)
		}
		p[0] = append(p[0], float32(float64(scale[c])*math.Sqrt(variance+exportEpsilon)))
		p[1] = append(p[1], float32(float64(shift[c])+float64(scale[c])*mean))
		p[2], p[3] = append(p[2], float32(mean)), append(p[3], float32(variance))
	}
	args := []string{in}
	for i, what := range []string{"weight", "bias", "running_mean", "running_var"} {
		args = append(args, x.floats(v.Name+"."+what, []int{len(scale)}, p[i]))
	}
	x.node("BatchNormalization", v.Name, args, out, realAttr("epsilon", exportEpsilon))
	return nil
}
