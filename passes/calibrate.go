package passes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// randomInputs is how many random inputs stand in when there is nothing to calibrate with.
const randomInputs = 4

// calibration is what the real network was seen to do.
type calibration struct {
	spans     map[int]span  // by the ID of a value
	reference [][][]float32 // outputs, by calibration input
	quiets    quiets        // of functions; nil: not measured yet
}

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
	if n := len(inputs); !made && n < enoughInputs {
		cfg.warn(fmt.Sprintf("formats are fitted to %d inputs, which say little about the next one: add %d typical ones to --calibrate, or more", n, enoughInputs-n))
	}
	if cfg.seen == nil {
		cfg.seen = new(calibration)
	}
	if cfg.seen.spans == nil {
		if err := cfg.seen.watch(g, cfg, inputs, tail); err != nil {
			return nil, err
		}
	}
	cfg.reference = cfg.seen.reference
	spans := make(map[*ir.Value]span, len(g.Values))
	for _, v := range g.Values {
		spans[v] = cfg.seen.spans[v.ID]
	}
	return spans, nil
}

// watch evaluates the inputs, several at once. Each has spans of its own, which
// are put together in the inputs' order, so that sums do not depend on who was first.
func (c *calibration) watch(g *ir.Graph, cfg *Config, inputs [][]*num.Tensor, tail map[*ir.Value]bool) error {
	constants := map[*ir.Value]span{}
	for _, v := range g.Values {
		if ir.IsConst(v) {
			constants[v] = spanOf(data(v))
		}
	}
	watched, taken := onGrids(g, tail), functions(g, tail)
	each := make([]map[*ir.Value]span, len(inputs))
	c.reference = make([][][]float32, len(inputs))
	count := cfg.count("calibration inputs in real numbers", len(inputs))
	err := overInputs(len(inputs), func(i, workers int) (err error) {
		each[i] = map[*ir.Value]span{}
		slopes := map[*ir.Value]float64{}
		observe := func(v *ir.Value, t *num.Tensor) {
			for _, y := range taken[v] {
				slopes[y] = slopeOf(y, ir.Floats(t))
			}
			s, known := constants[v]
			if !known {
				s = spanOf(ir.Floats(t))
			}
			if watched[v] {
				s.grid = gridOf(ir.Floats(t))
			}
			if s.n < len(ir.Floats(t)) && err == nil && !tail[v] {
				err = refusal(v, "its result holds a value that is infinite or not a number")
			}
			s.slope = slopes[v]
			each[i][v] = s
		}
		outs, failed := ir.Eval(g, inputs[i], ir.EvalOptions{Workers: workers, Observe: observe, Stop: cfg.Stop})
		if failed != nil {
			err = failed
		}
		if err != nil {
			return fmt.Errorf("calibration input %d: %w", i+1, err)
		}
		for _, o := range outs {
			c.reference[i] = append(c.reference[i], ir.Floats(o))
		}
		count.add(1)
		return nil
	})
	if err != nil {
		return err
	}
	c.spans = make(map[int]span, len(g.Values))
	for _, v := range g.Values {
		s := each[0][v]
		for _, next := range each[1:] {
			s = s.with(next[v])
		}
		c.spans[v.ID] = s
	}
	return nil
}

// spanOf is what one tensor shows. Elements that are infinite or no numbers do not count.
func spanOf(xs []float32) span {
	squares := squaresOf(xs)
	if squares-squares != 0 { // something is not finite: the square of a float32 is
		xs = slices.DeleteFunc(slices.Clone(xs), func(x float32) bool { return x-x != 0 })
		squares = squaresOf(xs)
	}
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, x := range xs {
		if x < lo {
			lo = x
		}
		if x > hi {
			hi = x
		}
	}
	s := span{lo: float64(lo), hi: float64(hi), n: len(xs), squares: squares}
	s.maxima = []float64{math.Max(0, math.Max(-s.lo, s.hi))}
	return s
}

// squaresOf adds squares up, in four sums that do not wait for each other.
func squaresOf(xs []float32) float64 {
	var a, b, c, d float64
	for ; len(xs) >= 4; xs = xs[4:] {
		w, x, y, z := float64(xs[0]), float64(xs[1]), float64(xs[2]), float64(xs[3])
		a, b, c, d = a+w*w, b+x*x, c+y*y, d+z*z
	}
	for _, x := range xs {
		a += float64(x) * float64(x)
	}
	return a + b + c + d
}

// with puts together what two sets of inputs show.
func (s span) with(t span) span {
	return span{math.Min(s.lo, t.lo), math.Max(s.hi, t.hi), append(s.maxima, t.maxima...), s.n + t.n, s.squares + t.squares, s.grid.with(t.grid), math.Max(s.slope, t.slope)}
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
func (c *Config) inputs(g *ir.Graph) (inputs [][]*num.Tensor, made bool) {
	if len(c.Calibration) > 0 {
		return c.Calibration, c.Made
	}
	return Random(g, nil), true
}

// Random makes normally distributed inputs, the same ones every time; whole numbers
// below rows for an input that chooses from that many.
func Random(g *ir.Graph, rows []int) [][]*num.Tensor {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([][]*num.Tensor, randomInputs)
	for i := range all {
		for k, v := range g.Inputs {
			x := make([]float32, v.Type.N())
			for j := range x {
				if rows != nil && rows[k] > 0 {
					x[j] = float32(r.IntN(rows[k]))
				} else {
					x[j] = float32(r.NormFloat64())
				}
			}
			all[i] = append(all[i], ir.NewReal(v.Type.Shape, x))
		}
	}
	return all
}
