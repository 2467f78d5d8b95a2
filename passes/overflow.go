package passes

import (
	"math"

	"secc/ir"
)

// Calibration saw N elements of a value, the largest of magnitude x. Activations
// of trained networks have tails that fall at least exponentially; then an
// element exceeds m*x with probability N^-m. From this follow how much room
// (the margin m) a value needs for an overflow anywhere in an inference to be as
// rare as asked, and how rare it is once formats are rounded to whole bits.

// The margin never leaves these bounds: few samples prove little, and many do
// not make up for inputs unlike them.
const (
	leastMargin = 1.2
	mostMargin  = 4
)

// marginFor is the margin of a value of elems elements, one of values values,
// for an overflow probability of p an inference.
func marginFor(s span, elems, values int, p float64) float64 {
	if s.n < 2 {
		return mostMargin
	}
	m := math.Log(float64(elems)*float64(values)/p) / math.Log(float64(s.n))
	return math.Min(math.Max(m, leastMargin), mostMargin)
}

// overflows is the probability that one of elems elements exceeds the limit.
func (s span) overflows(elems int, limit float64) float64 {
	if s.n < 2 || s.abs() == 0 {
		return 0
	}
	return float64(elems) * math.Pow(float64(s.n), -limit/s.abs())
}

// overflowOf is the probability that any value of a fixed graph leaves its format.
func overflowOf(g *ir.Graph, ranges map[*ir.Value]span) float64 {
	p := 0.0
	for _, v := range g.Values {
		if s, ok := ranges[v]; ok && !v.Type.Elem.IsReal() && v.Op != ir.OpReduce && v.Op != ir.OpExtend && !ir.IsConst(v) {
			p += s.overflows(v.Type.N(), math.Ldexp(1, v.Type.Elem.Bits-2-v.Type.Elem.Frac))
		}
	}
	return math.Min(p, 1)
}
