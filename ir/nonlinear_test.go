package ir

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"secc.example/secc/ir/fn"
	"secc.example/secc/ir/num"
)

// TestFuncs checks every function at a few points against values computed
// elsewhere (to six digits), and that the table has no other.
func TestFuncs(t *testing.T) {
	type point struct{ x, y float64 }
	nan := math.NaN()
	cases := []struct {
		a      FuncAttrs
		points []point
	}{
		{FuncAttrs{Name: "sigmoid"}, []point{{0, 0.5}, {1, 0.731059}, {-1000, 0}, {1000, 1}}},
		{FuncAttrs{Name: "tanh"}, []point{{0.5, 0.462117}}},
		{FuncAttrs{Name: "exp"}, []point{{1, math.E}}},
		{FuncAttrs{Name: "log"}, []point{{2, 0.693147}, {-1, nan}}},
		{FuncAttrs{Name: "erf"}, []point{{0.5, 0.520500}}},
		{FuncAttrs{Name: "gelu"}, []point{{1, 0.841345}, {-2, -0.0455003}}},
		{FuncAttrs{Name: "gelu_tanh"}, []point{{1, 0.841192}, {-2, -0.0454023}}},
		{FuncAttrs{Name: "sqrt"}, []point{{2, 1.414214}}},
		{FuncAttrs{Name: "rsqrt"}, []point{{4, 0.5}}},
		{FuncAttrs{Name: "reciprocal"}, []point{{4, 0.25}}},
		{FuncAttrs{Name: "square"}, []point{{-3, 9}}},
		{FuncAttrs{Name: "pow", Alpha: 3}, []point{{-2, -8}}},
		{FuncAttrs{Name: "softplus"}, []point{{0, 0.693147}, {100, 100}, {-1000, 0}}},
		{FuncAttrs{Name: "softsign"}, []point{{-3, -0.75}}},
		{FuncAttrs{Name: "mish"}, []point{{1, 0.865098}}},
		{FuncAttrs{Name: "silu"}, []point{{2, 1.761594}}},
		{FuncAttrs{Name: "swish", Alpha: 2}, []point{{1, 0.880797}}},
		{FuncAttrs{Name: "elu", Alpha: 2}, []point{{1, 1}, {-1, -1.264241}}},
		{FuncAttrs{Name: "selu", Alpha: 2, Beta: 3}, []point{{1, 3}, {-1, -3.792723}}},
		{FuncAttrs{Name: "celu", Alpha: 2}, []point{{1, 1}, {-1, -0.786939}}},
		{FuncAttrs{Name: "hard_sigmoid", Alpha: 0.2, Beta: 0.5}, []point{{1, 0.7}, {9, 1}, {-9, 0}}},
		{FuncAttrs{Name: "hard_swish"}, []point{{1, 0.666667}, {-4, 0}, {4, 4}}},
		{FuncAttrs{Name: "thresholded_relu", Alpha: 1}, []point{{1, 0}, {1.5, 1.5}}},
		{FuncAttrs{Name: "shrink", Alpha: 1, Beta: 0.5}, []point{{2, 1.5}, {-2, -1.5}, {1, 0}}},
		{FuncAttrs{Name: "leaky_relu", Alpha: 0.1}, []point{{2, 2}, {-2, -0.2}}},
		{FuncAttrs{Name: "relu"}, []point{{2, 2}, {-2, 0}}},
		{FuncAttrs{Name: "abs"}, []point{{-2, 2}}},
		{FuncAttrs{Name: "sign"}, []point{{-2, -1}, {0, 0}, {3, 1}}},
		{FuncAttrs{Name: "step"}, []point{{-2, 0}, {0, 1}}},
		{FuncAttrs{Name: "affine", Alpha: -1, Beta: 3}, []point{{2, 1}, {-1, 4}}},
		{FuncAttrs{Name: "is_zero"}, []point{{-2, 0}, {0, 1}}},
		{FuncAttrs{Name: "is_nan"}, []point{{-2, 0}, {nan, 1}}},
		{FuncAttrs{Name: "exp_nonpos"}, []point{{-1, 0.367879}, {2, 1}}},
		{FuncAttrs{Name: "floor"}, []point{{-1.5, -2}}},
		{FuncAttrs{Name: "ceil"}, []point{{-1.5, -1}}},
		{FuncAttrs{Name: "round"}, []point{{2.5, 2}, {3.5, 4}}},
		{FuncAttrs{Name: "trunc"}, []point{{-1.5, -1}}},
		{FuncAttrs{Name: "sin"}, []point{{1, 0.841471}}},
		{FuncAttrs{Name: "cos"}, []point{{1, 0.540302}}},
		{FuncAttrs{Name: "tan"}, []point{{1, 1.557408}}},
		{FuncAttrs{Name: "asin"}, []point{{0.5, 0.523599}}},
		{FuncAttrs{Name: "acos"}, []point{{0.5, 1.047198}}},
		{FuncAttrs{Name: "atan"}, []point{{1, 0.785398}}},
		{FuncAttrs{Name: "sinh"}, []point{{1, 1.175201}}},
		{FuncAttrs{Name: "cosh"}, []point{{1, 1.543081}}},
		{FuncAttrs{Name: "asinh"}, []point{{1, 0.881374}}},
		{FuncAttrs{Name: "acosh"}, []point{{2, 1.316958}}},
		{FuncAttrs{Name: "atanh"}, []point{{0.5, 0.549306}}},
	}
	seen := map[string]bool{}
	for _, c := range cases {
		f, ok := c.a.Func()
		if !ok {
			t.Errorf("no function %s", c.a.Name)
			continue
		}
		seen[c.a.Name] = true
		for _, p := range c.points {
			if y := f(p.x); math.Abs(y-p.y) > 1e-6*math.Max(1, math.Abs(p.y)) || math.IsNaN(y) != math.IsNaN(p.y) {
				t.Errorf("%s(%v) = %v, want %v", c.a.Name, p.x, y, p.y)
			}
		}
	}
	for _, name := range fn.Names() {
		if f, _ := fn.Lookup(name); !seen[name] && f.ONNX == "" { // operators have a case where they are read
			t.Errorf("function %s is not tested", name)
		}
	}
}

// TestRealKnownAnswers: one line an operator, worked out by hand.
func TestRealKnownAnswers(t *testing.T) {
	for _, c := range []struct{ op, want string }{
		{"%9 = relu(%1)", "[0 2 3 0]"},
		{"%2 = const {data=[1,0]} : server real[2]\n%9 = relu(%1, %2)", "[-1 0 3 0]"},
		{"%2 = const {data=[0.5]} : server real[1]\n%9 = prelu(%1, %2)", "[-0.5 2 3 -2]"},
		{"%9 = clip(%1) {min=-2 max=2.5}", "[-1 2 2.5 -2]"},
		{"%9 = abs(%1)", "[1 2 3 4]"},
		{"%9 = neg(%1)", "[1 -2 -3 4]"},
		{"%2 = const {data=[0,2.5]} : server real[2]\n%9 = max(%1, %2)", "[0 2.5 3 2.5]"},
		{"%2 = const {data=[0,2.5]} : server real[2]\n%9 = min(%1, %2)", "[-1 2 0 -4]"},
		{"%2 = const {data=[2,4]} : server real[2,1]\n%9 = div(%1, %2)", "[-0.5 1 0.75 -1]"},
		{"%9 = add(%1, %1)", "[-2 4 6 -8]"},
		{"%9 = sub(%1, %1)", "[0 0 0 0]"},
		{"%9 = mul(%1, %1)", "[1 4 9 16]"},
		{"%2 = const {data=[2,-1]} : server real[2]\n%9 = batch_norm(%1, %2, %2)", "[0 6 -4 3]"},
		{"%9 = sum(%1) {axes=[2]}", "[1 -1]"},
		{"%9 = sum(%1)", "[0]"},
		{"%9 = reduce_max(%1) {axes=[1] keep}", "[3 2]"},
		{"%9 = argmax(%1) {axes=[2]}", "[1 0]"},
		{"%2 = mul(%1, %1)\n%3 = clip(%2) {max=4}\n%9 = argmax(%3) {axes=[1]}", "[1 0]"},
		{"%2 = mul(%1, %1)\n%3 = clip(%2) {max=4}\n%9 = argmax(%3) {axes=[1] last}", "[1 1]"},
		{"%9 = argmax(%1) {axes=[1] k=2}", "[1 0 0 1]"},
		{"%2 = reshape(%1) {shape=[4]}\n%9 = argmax(%2) {axes=[0] k=3}", "[2 1 0]"},
		{"%9 = avg_pool(%1) {kernel=[2] pads_begin=[1]}", "[-1 0.5 3 -0.5]"},
		{"%9 = avg_pool(%1) {kernel=[2] pads_begin=[1] count_include_pad}", "[-0.5 0.5 1.5 -0.5]"},
		{"%9 = softmax(%1) {axis=2}", "[0.047426 0.95257 0.99909 0.00091105]"},
		{"%9 = log_softmax(%1) {axis=1}", "[-4.0181 -0.0024757 -0.01815 -6.0025]"},
		{"%9 = func(%1) {name=square}", "[1 4 9 16]"},
	} {
		g := parse(t, "%1 = input : client real[1,2,2]\n"+c.op+"\nreturn %9\n")
		if err := Verify(g, Real); err != nil {
			t.Error(err)
		}
		out, err := Eval(g, []*num.Tensor{NewReal([]int{1, 2, 2}, []float32{-1, 2, 3, -4})}, EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%.5g", Floats(out[0])); got != c.want {
			t.Errorf("%s gives %s, want %s", c.op, got, c.want)
		}
	}
}

// TestReductionsAccumulateWell: a million ones and a large number.
func TestReductionsAccumulateWell(t *testing.T) {
	g := parse(t, "%1 = input : client real[1000001]\n%2 = sum(%1)\nreturn %2\n")
	x := make([]float32, 1000001)
	for i := range x {
		x[i] = 1
	}
	x[0] = 1 << 26
	out, err := Eval(g, []*num.Tensor{NewReal([]int{len(x)}, x)}, EvalOptions{})
	if err != nil || Floats(out[0])[0] != 1<<26+1000000 {
		t.Errorf("%v %v", Floats(out[0]), err)
	}
}

// TestObserve: every value is seen once and inputs are not changed.
func TestObserve(t *testing.T) {
	g := parse(t, realText)
	x := NewReal(g.Inputs[0].Type.Shape, make([]float32, g.Inputs[0].Type.N()))
	seen := map[*Value]int{}
	_, err := Eval(g, []*num.Tensor{x}, EvalOptions{Observe: func(v *Value, y *num.Tensor) {
		seen[v]++
		if !slices.Equal(y.Shape, v.Type.Shape) {
			t.Errorf("%v: observed shape %v", v, y.Shape)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range g.Values {
		if seen[v] != 1 {
			t.Errorf("%v is seen %d times", v, seen[v])
		}
	}
	for _, y := range Floats(x) {
		if y != 0 {
			t.Fatal("the input was changed")
		}
	}
}

// What a rounding takes out of a function's domain is taken back to its end.
func TestFixedFunctionsKeepToTheirDomains(t *testing.T) {
	for _, c := range []struct {
		name    string
		x, want float64
	}{
		{"asin", 1.01, math.Pi / 2}, {"acos", -2, math.Pi}, {"acosh", 0.5, 0}, {"atanh", 1.5, math.Inf(1)}, {"log", -3, math.Inf(-1)},
		{"sqrt", -1, 0}, {"rsqrt", -1, math.Inf(1)}, {"tanh", -3, math.Tanh(-3)},
	} {
		f, ok := (&FuncAttrs{Name: c.name}).Fixed()
		if y := f(c.x); !ok || y != c.want {
			t.Errorf("%s at %g is %g, want %g", c.name, c.x, y, c.want)
		}
	}
}
