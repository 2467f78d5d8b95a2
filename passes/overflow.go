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

//
// A few inputs show neither the mean nor the scale of such a distribution well.
// Both are taken at the upper end of what they may be (one-sided confidence), so
// that margins grow and the stated probability rises the fewer inputs there are.

// The margin never leaves these bounds: few inputs prove little, and many do
// not make up for inputs unlike them. The upper one is for many inputs.
const (
	leastMargin = 1.2
	mostMargin  = 4
)

const (
	// confidence is how many standard deviations an estimate is raised by: 95 %.
	confidence = 1.645
	// scaleError is the relative standard error of beta from one input's worth of
	// them: the square root of (5.4-1)/4, for a kurtosis of 5.4.
	scaleError = 1.05
	// steadiest is the least beta, relative to the mean, that is believed of many
	// inputs; unknown is added to it for one input, and less for more.
	steadiest = 0.03
	unknown   = 0.12
)

// enoughInputs is how many calibration inputs make the estimate worth its name.
const enoughInputs = 16

// peaks are the parameters of a value's largest magnitudes.
type peaks struct{ mean, beta float64 }

// peaks bounds the distribution from above.
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
	beta := math.Max(math.Sqrt(6*squares)/math.Pi, (steadiest+unknown/n)*mean)
	return peaks{mean + confidence*math.Sqrt(squares/n), beta * (1 + confidence*scaleError/math.Sqrt(n) + 1/n)}
}

// widestMargin is the upper bound of a margin that n inputs are known of.
func widestMargin(n int) float64 { return mostMargin * math.Sqrt(1+8/math.Max(float64(n), 1)) }

// margin is what a value, one of values values, needs beyond what calibration
// saw for an overflow probability of p an inference.
func (s span) margin(values int, p float64) float64 {
	most := widestMargin(len(s.maxima))
	if s.abs() == 0 {
		return most
	}
	k := s.peaks()
	m := (k.mean + k.beta*math.Log(float64(values)/p)) / s.abs()
	return math.Min(math.Max(m, leastMargin), most)
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
