package passes

import (
	"math"
	"slices"

	"secc/ir"
)

// Comparing fewer bits. A relu that drops the lowest d bits before it compares
// may take a value below 2^d for negative: it gives 0 for something small. How
// large a d a network bears is found by trying: every comparison drops as many
// bits as keep 2^d a fixed number of octaves below the values it sees, and the
// smallest such number is taken for which the simulated network still answers
// like the real one. As many of the late comparisons as that leaves room for
// then drop one bit more.

const (
	signTrials  = 6 // octaves tried: 2, 3, ... below the typical value
	signSamples = 8 // calibration inputs simulated at most
	signLeast   = 5 // bits that stay at least
	signRefine  = 3 // steps in finding how many comparisons may drop one bit more
)

// dropDeviation turns an acceptable drop in accuracy into a deviation of the
// outputs, relative to their spread. The margin between the two largest is
// mostly of the order of the spread or more, and if small margins are as
// frequent as large ones, noise of 1 % of it swaps them in 0.6 % of all cases.
// Formats alone may take most of it.
const (
	formatDeviation = 0.8
	dropDeviation   = 1
)

// signBits drops low bits of comparisons if the target is cost.
func signBits(g *ir.Graph, cfg *Config) error {
	if cfg.Target != TargetCost || cfg.Exact {
		return nil
	}
	base, err := cfg.deviation(g)
	if err != nil {
		return err
	}
	cfg.rounding = base.error
	limit := answer{error: math.Max(1.25*base.error, dropDeviation*cfg.MaxDrop), agree: base.agree}
	all := comparisons(g)
	bears := func(fine, octaves int) (bool, error) {
		setLow(all[:fine], cfg.ranges, octaves-1)
		setLow(all[fine:], cfg.ranges, octaves)
		d, err := cfg.deviation(g)
		return d.error <= limit.error && d.agree >= limit.agree, err
	}
	for octaves := 2; octaves < 2+signTrials; octaves++ {
		ok, err := bears(0, octaves)
		if err != nil {
			return err
		}
		if ok && octaves > 2 {
			return refine(len(all), func(fine int) (bool, error) { return bears(fine, octaves) })
		}
		if ok {
			return nil
		}
	}
	setLow(all, cfg.ranges, 64)
	return nil
}

// refine finds how many of n comparisons, the first ones, may drop one bit
// more: none may be refused, all are. It leaves the graph as it finds it good.
func refine(n int, bears func(fine int) (bool, error)) error {
	good, bad := 0, n
	for range signRefine {
		fine := (good + bad) / 2
		ok, err := bears(fine)
		if err != nil {
			return err
		}
		if ok {
			good = fine
		} else {
			bad = fine
		}
	}
	_, err := bears(good)
	return err
}

// answer is how a simulated network compares with the real one: the deviation
// of its outputs relative to their spread, and how often the largest agrees.
type answer struct {
	error          float64
	agree, answers int
}

func (c *Config) deviation(g *ir.Graph) (a answer, err error) {
	var diff, spread float64
	inputs, _ := c.inputs(g)
	for i, in := range inputs[:min(len(inputs), signSamples)] {
		r, err := ir.Simulate(g, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: uint64(i) + 1})
		if err != nil {
			return a, err
		}
		for o, out := range r.Outputs {
			got, want := out.Floats(), c.reference[i][o]
			a.answers++
			if largest(got) == largest(want) {
				a.agree++
			}
			mean := 0.0
			for _, x := range want {
				mean += float64(x) / float64(len(want))
			}
			if len(want) == 1 { // of a single number the spread is its magnitude
				mean = 0
			}
			for j, x := range want {
				diff += (float64(got[j]) - float64(x)) * (float64(got[j]) - float64(x))
				spread += (float64(x) - mean) * (float64(x) - mean)
			}
		}
	}
	if spread == 0 {
		return answer{agree: a.agree, answers: a.answers}, nil
	}
	a.error = math.Sqrt(diff / spread)
	return a, nil
}

func largest(x []float32) int { return slices.Index(x, slices.Max(x)) }

// comparisons lists the values that read signs, the smallest first: these are
// the late ones, whose mistakes pass through few operators.
func comparisons(g *ir.Graph) (all []*ir.Value) {
	for _, v := range g.Values {
		if compared(v) != nil {
			all = append(all, v)
		}
	}
	slices.SortStableFunc(all, func(a, b *ir.Value) int { return a.Args[0].Type.N() - b.Args[0].Type.N() })
	return all
}

// compared gives the bits a sign is read from; nil where none is, or where none may be dropped.
func compared(v *ir.Value) *ir.CompareAttrs {
	switch a := v.Attrs.(type) {
	case *ir.CompareAttrs:
		return a
	case *ir.ClipAttrs:
		return &a.CompareAttrs
	case *ir.PoolAttrs:
		if v.Op == ir.OpMaxPool {
			return &a.CompareAttrs
		}
	}
	return nil
}

// setLow makes comparisons drop the bits that lie the given number of octaves
// below their typical argument.
func setLow(all []*ir.Value, ranges map[*ir.Value]span, octaves int) {
	for _, v := range all {
		c, e := compared(v), v.Args[0].Type.Elem
		s, known := ranges[v.Args[0]]
		if !known || s.rms() == 0 {
			continue
		}
		d := int(math.Floor(math.Log2(s.rms()))) + e.Frac - octaves
		c.Lo = max(0, min(d, c.High(e)-signLeast))
	}
}
