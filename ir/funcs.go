package ir

import (
	"maps"
	"math"
	"slices"
)

// Funcs lists the names that FuncAttrs may carry, sorted.
func Funcs() []string {
	return slices.Sorted(maps.Keys(realFuncs))
}

// Func gives the function that attributes name, on real numbers.
func (a *FuncAttrs) Func() (func(float64) float64, bool) { return realFunc(a) }

func realFunc(a *FuncAttrs) (func(float64) float64, bool) {
	f, ok := realFuncs[a.Name]
	if !ok {
		return nil, false
	}
	if a.Grid > 0 {
		return func(x float64) float64 { return f(math.Round(x/a.Grid)*a.Grid, a.Alpha, a.Beta) }, true
	}
	return func(x float64) float64 { return f(x, a.Alpha, a.Beta) }, true
}

// realFuncs defines every elementwise function of x with its parameters a
// (Alpha) and b (Beta), in ONNX's sense. Parameters have no defaults here: who
// builds a graph writes them out.
var realFuncs = map[string]func(x, a, b float64) float64{
	"sigmoid":          func(x, _, _ float64) float64 { return sigmoid(x) },
	"tanh":             func(x, _, _ float64) float64 { return math.Tanh(x) },
	"exp":              func(x, _, _ float64) float64 { return math.Exp(x) },
	"exp_nonpos":       func(x, _, _ float64) float64 { return math.Exp(math.Min(x, 0)) }, // of arguments that are at most zero
	"log":              func(x, _, _ float64) float64 { return math.Log(x) },
	"erf":              func(x, _, _ float64) float64 { return math.Erf(x) },
	"gelu":             func(x, _, _ float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) },
	"gelu_tanh":        func(x, _, _ float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) },
	"sqrt":             func(x, _, _ float64) float64 { return math.Sqrt(x) },
	"rsqrt":            func(x, _, _ float64) float64 { return 1 / math.Sqrt(x) },
	"reciprocal":       func(x, _, _ float64) float64 { return 1 / x },
	"square":           func(x, _, _ float64) float64 { return x * x },
	"pow":              func(x, a, _ float64) float64 { return math.Pow(x, a) },
	"softplus":         func(x, _, _ float64) float64 { return softplus(x) },
	"softsign":         func(x, _, _ float64) float64 { return x / (1 + math.Abs(x)) },
	"mish":             func(x, _, _ float64) float64 { return x * math.Tanh(softplus(x)) },
	"silu":             func(x, _, _ float64) float64 { return x * sigmoid(x) },
	"swish":            func(x, a, _ float64) float64 { return x * sigmoid(a*x) },
	"elu":              func(x, a, _ float64) float64 { return pick(x >= 0, x, a*math.Expm1(x)) },
	"selu":             func(x, a, b float64) float64 { return b * pick(x > 0, x, a*math.Expm1(x)) },
	"celu":             func(x, a, _ float64) float64 { return math.Max(0, x) + math.Min(0, a*math.Expm1(x/a)) },
	"hard_sigmoid":     func(x, a, b float64) float64 { return math.Max(0, math.Min(1, a*x+b)) },
	"hard_swish":       func(x, _, _ float64) float64 { return x * math.Max(0, math.Min(1, x/6+0.5)) },
	"thresholded_relu": func(x, a, _ float64) float64 { return pick(x > a, x, 0) },
	"shrink":           shrink,
	"leaky_relu":       func(x, a, _ float64) float64 { return pick(x >= 0, x, a*x) },
	"relu":             func(x, _, _ float64) float64 { return math.Max(0, x) },
	"abs":              func(x, _, _ float64) float64 { return math.Abs(x) },
	"sign":             func(x, _, _ float64) float64 { return pick(x > 0, 1, pick(x < 0, -1, x)) },
	"step":             func(x, _, _ float64) float64 { return pick(x >= 0, 1, 0) },
	"affine":           func(x, a, b float64) float64 { return a*x + b },
	"is_zero":          func(x, _, _ float64) float64 { return pick(x == 0, 1, 0) },
	"is_nan":           func(x, _, _ float64) float64 { return pick(x != x, 1, 0) },
	"floor":            func(x, _, _ float64) float64 { return math.Floor(x) },
	"ceil":             func(x, _, _ float64) float64 { return math.Ceil(x) },
	"round":            func(x, _, _ float64) float64 { return math.RoundToEven(x) },
	"trunc":            func(x, _, _ float64) float64 { return math.Trunc(x) },
	"sin":              func(x, _, _ float64) float64 { return math.Sin(x) },
	"cos":              func(x, _, _ float64) float64 { return math.Cos(x) },
	"tan":              func(x, _, _ float64) float64 { return math.Tan(x) },
	"asin":             func(x, _, _ float64) float64 { return math.Asin(x) },
	"acos":             func(x, _, _ float64) float64 { return math.Acos(x) },
	"atan":             func(x, _, _ float64) float64 { return math.Atan(x) },
	"sinh":             func(x, _, _ float64) float64 { return math.Sinh(x) },
	"cosh":             func(x, _, _ float64) float64 { return math.Cosh(x) },
	"asinh":            func(x, _, _ float64) float64 { return math.Asinh(x) },
	"acosh":            func(x, _, _ float64) float64 { return math.Acosh(x) },
	"atanh":            func(x, _, _ float64) float64 { return math.Atanh(x) },
}

func pick(c bool, x, y float64) float64 {
	if c {
		return x
	}
	return y
}

// sigmoid and softplus take the branch whose exponential cannot overflow.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

func softplus(x float64) float64 {
	return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
}

// shrink: a is the threshold (lambd), b the bias.
func shrink(x, a, b float64) float64 {
	switch {
	case x < -a:
		return x + b
	case x > a:
		return x - b
	}
	return 0
}
