package passes

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/tensor"

	"secc/ir"
)

// randomInputs is how many random inputs stand in when there is nothing to calibrate with.
const randomInputs = 4

// calibrate evaluates the network on the calibration inputs and notes the
// smallest and largest element of every value.
func calibrate(g *ir.Graph, cfg *Config, tail map[*ir.Value]bool) (map[*ir.Value]span, error) {
	if err := finiteConstants(g); err != nil {
		return nil, err
	}
	inputs, made := cfg.inputs(g)
	if made {
		cfg.warn("no calibration inputs: formats are chosen from random ones and may not hold real ones")
	}
	spans := map[*ir.Value]span{}
	var bad error
	observe := func(v *ir.Value, t *tensor.Dense) {
		s, ok := spans[v]
		if !ok {
			s = span{lo: math.Inf(1), hi: math.Inf(-1)}
		}
		largest := 0.0
		for _, x := range ir.Floats(t) {
			if x != x || math.IsInf(float64(x), 0) {
				if bad == nil && !tail[v] {
					bad = refusal(v, "its result holds a value that is infinite or not a number")
				}
				continue
			}
			s.n++
			largest = math.Max(largest, math.Abs(float64(x)))
			s.squares += float64(x) * float64(x)
			s.lo, s.hi = math.Min(s.lo, float64(x)), math.Max(s.hi, float64(x))
		}
		s.maxima = append(s.maxima, largest)
		spans[v] = s
	}
	for i, in := range inputs {
		outs, err := ir.Eval(g, in, ir.EvalOptions{Observe: observe})
		if err == nil {
			err = bad
		}
		if err != nil {
			return nil, fmt.Errorf("calibration input %d: %w", i+1, err)
		}
		var reference [][]float32
		for _, o := range outs {
			reference = append(reference, ir.Floats(o))
		}
		cfg.reference = append(cfg.reference, reference)
	}
	return spans, nil
}

// finiteConstants finds weights that no format can hold.
func finiteConstants(g *ir.Graph) error {
	for _, v := range g.Values {
		if !ir.IsConst(v) {
			continue
		}
		for i, x := range data(v) {
			if x != x || math.IsInf(float64(x), 0) {
				return fmt.Errorf("tensor %q: element %d is %g", v.Name, i, x)
			}
		}
	}
	return nil
}

// inputs are what to calibrate with; made says that they are random.
func (c *Config) inputs(g *ir.Graph) (inputs [][]*tensor.Dense, made bool) {
	if len(c.Calibration) > 0 {
		return c.Calibration, false
	}
	return random(g), true
}

// random makes normally distributed inputs, the same ones every time.
func random(g *ir.Graph) [][]*tensor.Dense {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([][]*tensor.Dense, randomInputs)
	for i := range all {
		for _, v := range g.Inputs {
			x := make([]float32, v.Type.N())
			for j := range x {
				x[j] = float32(r.NormFloat64())
			}
			all[i] = append(all[i], ir.NewReal(v.Type.Shape, x))
		}
	}
	return all
}
