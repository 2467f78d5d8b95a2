package plan

import "math"

// Scalar gives the function that a "func" names; the client applies it to every
// element. A test holds the names and the meanings equal to the IR's.
func (f PostOp) Scalar() (func(float64) float64, bool) {
	g, ok := postFuncs[f.Name]
	return func(x float64) float64 { return g(x, f.Alpha, f.Beta) }, ok
}

// postFuncs is never written to. Parameters a and b are Alpha and Beta.
var postFuncs = map[string]func(x, a, b float64) float64{
	"sigmoid":      func(x, _, _ float64) float64 { return logistic(x) },
	"tanh":         func(x, _, _ float64) float64 { return math.Tanh(x) },
	"exp_nonpos":   func(x, _, _ float64) float64 { return math.Exp(min(x, 0)) },
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
	"gelu_tanh":    func(x, _, _ float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) },
	"mish":         func(x, _, _ float64) float64 { return x * math.Tanh(max(x, 0)+math.Log1p(math.Exp(-math.Abs(x)))) },
	"swish":        func(x, a, _ float64) float64 { return x * logistic(a*x) },
	"selu":         func(x, a, b float64) float64 { return b * positive(x, x, a*math.Expm1(x)) },
	"celu":         func(x, a, _ float64) float64 { return max(0, x) + min(0, a*math.Expm1(x/a)) },
	"rsqrt":        func(x, _, _ float64) float64 { return 1 / math.Sqrt(x) },
	"square":       func(x, _, _ float64) float64 { return x * x },
	"pow":          func(x, a, _ float64) float64 { return math.Pow(x, a) },
	"sign":         func(x, _, _ float64) float64 { return float64(truth(x > 0) - truth(x < 0)) },
	"step":         func(x, _, _ float64) float64 { return float64(truth(x >= 0)) },
	"affine":       func(x, a, b float64) float64 { return a*x + b },
	"is_zero":      func(x, _, _ float64) float64 { return float64(truth(x == 0)) },
	"is_nan":       func(x, _, _ float64) float64 { return float64(truth(x != x)) },
	"floor":        func(x, _, _ float64) float64 { return math.Floor(x) },
	"ceil":         func(x, _, _ float64) float64 { return math.Ceil(x) },
	"round":        func(x, _, _ float64) float64 { return math.RoundToEven(x) },
	"trunc":        func(x, _, _ float64) float64 { return math.Trunc(x) },
	"sin":          func(x, _, _ float64) float64 { return math.Sin(x) },
	"cos":          func(x, _, _ float64) float64 { return math.Cos(x) },
	"tan":          func(x, _, _ float64) float64 { return math.Tan(x) },
	"asin":         func(x, _, _ float64) float64 { return math.Asin(x) },
	"acos":         func(x, _, _ float64) float64 { return math.Acos(x) },
	"atan":         func(x, _, _ float64) float64 { return math.Atan(x) },
	"sinh":         func(x, _, _ float64) float64 { return math.Sinh(x) },
	"cosh":         func(x, _, _ float64) float64 { return math.Cosh(x) },
	"asinh":        func(x, _, _ float64) float64 { return math.Asinh(x) },
	"acosh":        func(x, _, _ float64) float64 { return math.Acosh(x) },
	"atanh":        func(x, _, _ float64) float64 { return math.Atanh(x) },

	"thresholded_relu": func(x, a, _ float64) float64 { return x * float64(truth(x > a)) },
	"shrink":           func(x, a, b float64) float64 { return (x+b)*float64(truth(x < -a)) + (x-b)*float64(truth(x > a)) },
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
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
