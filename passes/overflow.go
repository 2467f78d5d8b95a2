package passes

import (
	"math"

	"secc.example/secc/ir"
)

// How far may an activation exceed what calibration saw? The largest magnitudes
// of a value, one for each calibration input, are taken to follow a Gumbel
// distribution (the law of maxima of tails that fall exponentially): an input
// exceeds t with probability at most exp(-(t-mean)/beta). Elements of one input
// depend on each other (an outlier channel, a bright image), so inputs are
// counted, not elements. Formats are then chosen for an overflow anywhere in an
// inference to be as rare as asked, and the estimate is stated with the plan.

// The margin never leaves these bounds: few inputs prove little, and many do
// not make up for inputs unlike them.
const (
	leastMargin = 1.2
	mostMargin  = 4
)

// peaks are the parameters of a value's largest magnitudes.
type peaks struct{ mean, beta float64 }

// peaks fits the distribution; with few inputs it is made wider.
func (s span) peaks() peaks {
	n := float64(len(s.maxima))
	if n == 0 {
		return peaks{}
	}
	mean, squares := 0.0, 0.0
	for _, x := range s.maxima {
		mean += x / n
	}
	for _, x := range s.maxima {
		squares += (x - mean) * (x - mean) / math.Max(n-1, 1)
	}
	beta := math.Sqrt(6*squares) / math.Pi
	return peaks{mean, math.Max(beta, 0.03*mean) * (1 + 2/n)}
}

// margin is what a value, one of values values, needs beyond what calibration
// saw for an overflow probability of p an inference.
func (s span) margin(values int, p float64) float64 {
	if s.abs() == 0 {
		return mostMargin
	}
	k := s.peaks()
	m := (k.mean + k.beta*math.Log(float64(values)/p)) / s.abs()
	return math.Min(math.Max(m, leastMargin), mostMargin)
}

// overflows is the probability that an input exceeds the limit.
func (s span) overflows(limit float64) float64 {
	k := s.peaks()
	if k.beta == 0 {
		return 0
	}
	return math.Min(1, math.Exp(-(limit-k.mean)/k.beta))
}

// overflowOf is the probability that any value of a fixed graph leaves its
// format, or a comparison the bits that it is made on.
func overflowOf(g *ir.Graph, ranges map[*ir.Value]span) float64 {
	p := 0.0
	for _, v := range g.Values {
		s, ok := ranges[v]
		if !ok || v.Type.Elem.IsReal() || v.Op == ir.OpReduce || v.Op == ir.OpExtend || ir.IsConst(v) {
			continue
		}
		p += s.overflows(math.Ldexp(1, v.Type.Elem.Bits-2-v.Type.Elem.Frac))
		if a, ok := v.Attrs.(*ir.CompareAttrs); ok {
			e := v.Args[0].Type.Elem
			p += ranges[v.Args[0]].overflows(math.Ldexp(1, a.High(e)-1-e.Frac))
		}
	}
	return math.Min(p, 1)
}
