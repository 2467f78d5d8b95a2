package runtime

import (
	"math"
	"slices"

	"secc/backend/plan"
)

// PostFuncs lists the functions a client can apply to what was revealed to it.
// They are those of the IR by the same names; a test holds them equal.
func PostFuncs() []string {
	var names []string
	for n := range postFuncs {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// scalar gives the function that a plan names.
func scalar(f plan.PostOp) (func(float64) float64, bool) {
	g, ok := postFuncs[f.Name]
	return func(x float64) float64 { return g(x, f.Alpha, f.Beta) }, ok
}

// postFuncs is never written to. Parameters a and b are Alpha and Beta.
var postFuncs = map[string]func(x, a, b float64) float64{
	"sigmoid":      func(x, _, _ float64) float64 { return logistic(x) },
	"tanh":         func(x, _, _ float64) float64 { return math.Tanh(x) },
	"exp":          func(x, _, _ float64) float64 { return math.Exp(x) },
	"log":          func(x, _, _ float64) float64 { return math.Log(x) },
	"erf":          func(x, _, _ float64) float64 { return math.Erf(x) },
	"sqrt":         func(x, _, _ float64) float64 { return math.Sqrt(x) },
	"reciprocal":   func(x, _, _ float64) float64 { return 1 / x },
	"softplus":     func(x, _, _ float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) },
	"softsign":     func(x, _, _ float64) float64 { return x / (1 + math.Abs(x)) },
	"gelu":         func(x, _, _ float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) },
	"silu":         func(x, _, _ float64) float64 { return x * logistic(x) },
	"relu":         func(x, _, _ float64) float64 { return max(x, 0) },
	"abs":          func(x, _, _ float64) float64 { return math.Abs(x) },
	"leaky_relu":   func(x, a, _ float64) float64 { return positive(x, x, a*x) },
	"elu":          func(x, a, _ float64) float64 { return positive(x, x, a*math.Expm1(x)) },
	"hard_sigmoid": func(x, a, b float64) float64 { return max(0, min(1, a*x+b)) },
	"hard_swish":   func(x, _, _ float64) float64 { return x * max(0, min(1, x/6+0.5)) },
}

// logistic is 1/(1+e^-x) without overflow.
func logistic(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

func positive(x, yes, no float64) float64 {
	if x >= 0 {
		return yes
	}
	return no
}
