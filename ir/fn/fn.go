// Package fn is the table of scalar functions: of one number x, with at most two
// parameters. The IR evaluates by it, the importer and the exporter name ONNX's operators
// by it, the client computes by it what it does in the clear, docs are made from it. A new
// function is a row here and a case in a test.
package fn

import (
	"maps"
	"math"
	"slices"
)

// Func is a function. Parameters a and b have no defaults: whoever names a function
// writes them out.
type Func struct {
	Of     func(x, a, b float64) float64
	ONNX   string  // ONNX's operator that is this function; "" where there is none
	Since  int     // the opset that brought it, where that is beyond Written
	Params []Param // what ONNX calls a and b

	// Domain is where the function is defined, nil for everywhere. What a rounding takes
	// out of it is meant to be its end, so in fixed point the nearest argument there is taken.
	Domain *[2]float64

	Scaled string // a*f(b*x) of that f, and written so: ONNX has given the operator up

	WriteOnly bool // what is read back from that operator is another function
}

// Param is an attribute of an ONNX operator with its default.
type Param struct {
	Name    string
	Missing float64
}

var (
	nonNegative = [2]float64{0, math.Inf(1)}
	unit        = [2]float64{-1, 1}
	fromOne     = [2]float64{1, math.Inf(1)}
)

// Written is the opset that models are written in.
const Written = 13

// Lookup finds a function.
func Lookup(name string) (Func, bool) {
	f, ok := table[name]
	return f, ok
}

// Names lists the functions, sorted.
func Names() []string { return slices.Sorted(maps.Keys(table)) }

// table is never written to.
var table = map[string]Func{
	"sigmoid":          {Of: plain(sigmoid), ONNX: "Sigmoid"},
	"tanh":             {Of: plain(math.Tanh), ONNX: "Tanh"},
	"exp":              {Of: plain(math.Exp), ONNX: "Exp"},
	"exp_nonpos":       {Of: plain(func(x float64) float64 { return math.Exp(math.Min(x, 0)) }), ONNX: "Exp", WriteOnly: true}, // of arguments that are at most zero
	"log":              {Of: plain(math.Log), Domain: &nonNegative, ONNX: "Log"},
	"erf":              {Of: plain(math.Erf), ONNX: "Erf"},
	"gelu":             {Of: plain(func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }), ONNX: "Gelu", Since: 20},
	"gelu_tanh":        {Of: plain(func(x float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) })},
	"sqrt":             {Of: plain(math.Sqrt), Domain: &nonNegative, ONNX: "Sqrt"},
	"rsqrt":            {Of: plain(func(x float64) float64 { return 1 / math.Sqrt(x) }), Domain: &nonNegative},
	"reciprocal":       {Of: plain(func(x float64) float64 { return 1 / x }), ONNX: "Reciprocal"},
	"square":           {Of: plain(func(x float64) float64 { return x * x })},
	"pow":              {Of: func(x, a, _ float64) float64 { return math.Pow(x, a) }},
	"softplus":         {Of: plain(softplus), ONNX: "Softplus"},
	"softsign":         {Of: plain(func(x float64) float64 { return x / (1 + math.Abs(x)) }), ONNX: "Softsign"},
	"mish":             {Of: plain(func(x float64) float64 { return x * math.Tanh(softplus(x)) }), ONNX: "Mish", Since: 18},
	"silu":             {Of: plain(func(x float64) float64 { return x * sigmoid(x) })},
	"swish":            {Of: func(x, a, _ float64) float64 { return x * sigmoid(a*x) }, ONNX: "Swish", Since: 24, Params: []Param{{"alpha", 1}}},
	"elu":              {Of: func(x, a, _ float64) float64 { return pick(x >= 0, x, a*math.Expm1(x)) }, ONNX: "Elu", Params: []Param{{"alpha", 1}}},
	"selu":             {Of: func(x, a, b float64) float64 { return b * pick(x > 0, x, a*math.Expm1(x)) }, ONNX: "Selu", Params: []Param{{"alpha", 1.67326319217681884765625}, {"gamma", 1.05070102214813232421875}}},
	"celu":             {Of: func(x, a, _ float64) float64 { return math.Max(0, x) + math.Min(0, a*math.Expm1(x/a)) }, ONNX: "Celu", Params: []Param{{"alpha", 1}}},
	"hard_sigmoid":     {Of: func(x, a, b float64) float64 { return math.Max(0, math.Min(1, a*x+b)) }, ONNX: "HardSigmoid", Params: []Param{{"alpha", 0.2}, {"beta", 0.5}}},
	"scaled_tanh":      {Of: scaled(math.Tanh), Scaled: "tanh", ONNX: "ScaledTanh", Params: []Param{{"alpha", 1}, {"beta", 1}}},
	"hard_swish":       {Of: plain(func(x float64) float64 { return x * math.Max(0, math.Min(1, x/6+0.5)) }), ONNX: "HardSwish", Since: 14},
	"thresholded_relu": {Of: func(x, a, _ float64) float64 { return pick(x > a, x, 0) }, ONNX: "ThresholdedRelu", Params: []Param{{"alpha", 1}}},
	"shrink":           {Of: shrink, ONNX: "Shrink", Params: []Param{{"lambd", 0.5}, {"bias", 0}}},
	"leaky_relu":       {Of: func(x, a, _ float64) float64 { return pick(x >= 0, x, a*x) }, ONNX: "LeakyRelu", Params: []Param{{"alpha", 0.01}}},
	"relu":             {Of: plain(func(x float64) float64 { return math.Max(0, x) }), ONNX: "Relu"},
	"abs":              {Of: plain(math.Abs), ONNX: "Abs"},
	"sign":             {Of: plain(func(x float64) float64 { return pick(x > 0, 1, pick(x < 0, -1, x)) }), ONNX: "Sign"},
	"step":             {Of: plain(func(x float64) float64 { return pick(x >= 0, 1, 0) })},
	"affine":           {Of: func(x, a, b float64) float64 { return a*x + b }},
	"is_zero":          {Of: plain(func(x float64) float64 { return pick(x == 0, 1, 0) })},
	"is_nan":           {Of: plain(func(x float64) float64 { return pick(x != x, 1, 0) })},
	"floor":            {Of: plain(math.Floor), ONNX: "Floor"},
	"ceil":             {Of: plain(math.Ceil), ONNX: "Ceil"},
	"round":            {Of: plain(math.RoundToEven), ONNX: "Round"},
	"trunc":            {Of: plain(math.Trunc)},
	"sin":              {Of: plain(math.Sin), ONNX: "Sin"},
	"cos":              {Of: plain(math.Cos), ONNX: "Cos"},
	"tan":              {Of: plain(math.Tan), ONNX: "Tan"},
	"asin":             {Of: plain(math.Asin), Domain: &unit, ONNX: "Asin"},
	"acos":             {Of: plain(math.Acos), Domain: &unit, ONNX: "Acos"},
	"atan":             {Of: plain(math.Atan), ONNX: "Atan"},
	"sinh":             {Of: plain(math.Sinh), ONNX: "Sinh"},
	"cosh":             {Of: plain(math.Cosh), ONNX: "Cosh"},
	"asinh":            {Of: plain(math.Asinh), ONNX: "Asinh"},
	"acosh":            {Of: plain(math.Acosh), Domain: &fromOne, ONNX: "Acosh"},
	"atanh":            {Of: plain(math.Atanh), Domain: &unit, ONNX: "Atanh"},
}

// plain is a function without parameters.
func plain(f func(float64) float64) func(x, _, _ float64) float64 {
	return func(x, _, _ float64) float64 { return f(x) }
}

// scaled is a function whose argument and result are scaled.
func scaled(f func(float64) float64) func(x, a, b float64) float64 {
	return func(x, a, b float64) float64 { return a * f(b*x) }
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
