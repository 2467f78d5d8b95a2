package onnx

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
)

// restX is x, [0.5 -2 / 3 1].
var restX = []float32{0.5, -2, 3, 1}

type restCase struct {
	attrs  []*onnxpb.Attribute
	inputs string // "x" unless given
	stored []*onnxpb.Tensor
	domain string
	want   []float32
}

func each(f func(float64) float64) []float32 {
	out := make([]float32, len(restX))
	for i, v := range restX {
		out[i] = float32(f(float64(v)))
	}
	return out
}

func axes(a ...int64) *onnxpb.Attribute {
	return &onnxpb.Attribute{Name: "axes", Type: onnxpb.Attribute_INTS, Ints: a}
}

func floatAttr(name string, f float32) *onnxpb.Attribute {
	return &onnxpb.Attribute{Name: name, Type: onnxpb.Attribute_FLOAT, F: f}
}

// rest are the operators that no published case here covers.
func rest() map[string]restCase {
	log := func(x float64) float32 { return float32(math.Log(x)) }
	exp := math.Exp
	bools := func(name string, v ...int32) *onnxpb.Tensor {
		return &onnxpb.Tensor{Name: name, DataType: int32(Bool), Dims: []int64{2, 2}, Int32Data: v}
	}
	mask := []*onnxpb.Tensor{bools("p", 1, 0, 1, 0), bools("q", 1, 1, 0, 0)}
	gelu := func(v float64) float64 { return v / 2 * (1 + math.Erf(v/math.Sqrt2)) }
	fast := func(v float64) float64 {
		return v / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
	}
	one := []*onnxpb.Tensor{floats("one", []int64{2}, 1, 1)}
	return map[string]restCase{
		"Sin": {want: each(math.Sin)}, "Cos": {want: each(math.Cos)}, "Tan": {want: each(math.Tan)},
		"Sinh": {want: each(math.Sinh)}, "Cosh": {want: each(math.Cosh)}, "Asinh": {want: each(math.Asinh)}, "Atan": {want: each(math.Atan)},
		"Asin": {want: each(math.Asin)}, "Acos": {want: each(math.Acos)}, "Atanh": {want: each(math.Atanh)}, "Acosh": {want: each(math.Acosh)},
		"ScaledTanh":      {attrs: []*onnxpb.Attribute{floatAttr("alpha", 1.5), floatAttr("beta", 0.5)}, want: each(func(x float64) float64 { return 1.5 * math.Tanh(x/2) })},
		"Round":           {want: []float32{0, -2, 3, 1}},
		"IsNaN":           {want: []float32{0, 0, 0, 0}},
		"Shrink":          {attrs: []*onnxpb.Attribute{floatAttr("lambd", 0.75), floatAttr("bias", 0.5)}, want: []float32{0, -1.5, 2.5, 0.5}},
		"ArgMin":          {attrs: []*onnxpb.Attribute{intAttr("axis", 1)}, want: []float32{1, 1}},
		"ReduceL1":        {attrs: []*onnxpb.Attribute{axes(1)}, want: []float32{2.5, 4}},
		"ReduceL2":        {attrs: []*onnxpb.Attribute{axes(1), intAttr("keepdims", 0)}, want: []float32{float32(math.Sqrt(4.25)), float32(math.Sqrt(10))}},
		"ReduceMin":       {attrs: []*onnxpb.Attribute{axes(0)}, want: []float32{0.5, -2}},
		"ReduceLogSum":    {attrs: []*onnxpb.Attribute{axes(1)}, want: []float32{float32(math.NaN()), log(4)}},
		"ReduceLogSumExp": {attrs: []*onnxpb.Attribute{axes(1), intAttr("keepdims", 0)}, want: []float32{log(exp(0.5) + exp(-2)), log(exp(3) + exp(1))}},
		"ReduceProd":      {inputs: "c", stored: []*onnxpb.Tensor{floats("c", []int64{2, 2}, 1, 2, 3, 4)}, attrs: []*onnxpb.Attribute{axes(1)}, want: []float32{2, 12}},
		"LpNormalization": {attrs: []*onnxpb.Attribute{intAttr("axis", 1), intAttr("p", 1)}, want: []float32{0.2, -0.8, 0.75, 0.25}},
		"Trilu":           {inputs: "x k", stored: []*onnxpb.Tensor{{Name: "k", DataType: int32(Int64), Int64Data: []int64{-1}}}, attrs: []*onnxpb.Attribute{intAttr("upper", 0)}, want: []float32{0, 0, 3, 0}},
		"GatherND":        {inputs: "x i", stored: []*onnxpb.Tensor{{Name: "i", DataType: int32(Int64), Dims: []int64{2, 2}, Int64Data: []int64{1, 0, -2, 1}}}, want: []float32{3, -2}},
		"NonZero":         {inputs: "c", stored: []*onnxpb.Tensor{floats("c", []int64{2, 2}, 0, 2, 3, 0)}, want: []float32{0, 1, 1, 0}},
		"Mod":             {inputs: "a b", stored: []*onnxpb.Tensor{ints64("a", -7, 7, 5), ints64("b", 3, -3, 0)}, want: []float32{2, -2, 0}},
		"And":             {inputs: "p q", stored: mask, want: []float32{1, 0, 0, 0}},
		"Xor":             {inputs: "p q", stored: mask, want: []float32{0, 1, 1, 0}},
		"Not":             {inputs: "p", stored: mask[:1], want: []float32{0, 1, 0, 1}},

		"EyeLike":    {attrs: []*onnxpb.Attribute{intAttr("k", 1)}, want: []float32{0, 1, 0, 0}},
		"IsInf":      {inputs: "c", stored: []*onnxpb.Tensor{floats("c", []int64{2, 2}, 0, float32(math.Inf(1)), float32(math.Inf(-1)), 1)}, attrs: []*onnxpb.Attribute{intAttr("detect_negative", 0)}, want: []float32{0, 1, 0, 0}},
		"BitShift":   {inputs: "a b", stored: []*onnxpb.Tensor{ints64("a", 1, 7, 5), ints64("b", 3, 1, 0)}, attrs: []*onnxpb.Attribute{stringAttr("direction", "LEFT")}, want: []float32{8, 14, 5}},
		"BitwiseAnd": {inputs: "a b", stored: []*onnxpb.Tensor{ints64("a", 6, 7), ints64("b", 3, 8)}, want: []float32{2, 0}},
		"BitwiseOr":  {inputs: "a b", stored: []*onnxpb.Tensor{ints64("a", 6, 7), ints64("b", 3, 8)}, want: []float32{7, 15}},
		"BitwiseXor": {inputs: "a b", stored: []*onnxpb.Tensor{ints64("a", 6, 7), ints64("b", 3, 8)}, want: []float32{5, 15}},
		"Scatter":    {inputs: "x i u", stored: []*onnxpb.Tensor{{Name: "i", DataType: int32(Int64), Dims: []int64{1, 2}, Int64Data: []int64{1, -2}}, floats("u", []int64{1, 2}, 8, 9)}, want: []float32{0.5, 9, 8, 1}},

		"com.microsoft.Gelu":      {domain: "com.microsoft", want: each(gelu)},
		"com.microsoft.BiasGelu":  {domain: "com.microsoft", inputs: "x one", stored: one, want: each(func(v float64) float64 { return gelu(v + 1) })},
		"com.microsoft.FastGelu":  {domain: "com.microsoft", inputs: "x one", stored: one, want: each(func(v float64) float64 { return fast(v + 1) })},
		"com.microsoft.QuickGelu": {domain: "com.microsoft", want: each(func(v float64) float64 { return v / (1 + exp(-1.702*v)) })},
	}
}

func TestOtherOperators(t *testing.T) {
	for name, c := range rest() {
		t.Run(name, func(t *testing.T) {
			if c.inputs == "" {
				c.inputs = "x"
			}
			n := op(name[strings.LastIndex(name, ".")+1:], c.inputs, "h", c.attrs...)
			n.Domain = c.domain
			// x must be read, or a graph of constants would be left.
			m := graphOf(13, value("x", 2, 2), c.stored, n, op("Identity", "h", "y"))
			m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSet{Domain: "com.microsoft", Version: 1})
			expect(t, m, Options{}, restX, c.want)
		})
	}
}

func TestFusedConv(t *testing.T) {
	n := op("FusedConv", "x w b", "y", stringAttr("activation", "Clip"),
		&onnxpb.Attribute{Name: "activation_params", Type: onnxpb.Attribute_FLOATS, Floats: []float32{0, 6}})
	n.Domain = "com.microsoft"
	m := graphOf(13, value("x", 1, 1, 2, 2), []*onnxpb.Tensor{floats("w", []int64{1, 1, 1, 1}, 2), floats("b", []int64{1}, 1)}, n)
	m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSet{Domain: "com.microsoft", Version: 1})
	expect(t, m, Options{}, restX, []float32{2, 0, 6, 3})
}

// TestSpelledOut: functions that exporters write out come back as one value.
func TestSpelledOut(t *testing.T) {
	k := func(name string, v float32) *onnxpb.Tensor { return floats(name, nil, v) }
	stored := []*onnxpb.Tensor{k("half", 0.5), k("one", 1), k("three", 3), k("zero", 0), k("six", 6), k("root", math.Sqrt2), ints64("ax", 1)}
	gelu := func(v float64) float64 { return v / 2 * (1 + math.Erf(v/math.Sqrt2)) }
	soft := []float32{float32(1 / (1 + math.Exp(-2.5))), float32(1 / (1 + math.Exp(2.5))), float32(1 / (1 + math.Exp(-2))), float32(1 / (1 + math.Exp(2)))}
	logs := make([]float32, 4)
	for i := range logs {
		logs[i] = float32(math.Log(float64(soft[i])))
	}
	gate := []*onnxpb.Node{op("Div", "x root", "a"), op("Erf", "a", "b"), op("Add", "b one", "c")}
	exps := []*onnxpb.Node{
		op("ReduceMax", "x", "m", axes(1)), op("Sub", "x m", "d"), op("Exp", "d", "e"), op("ReduceSum", "e ax", "s"),
	}
	for name, c := range map[string]struct {
		nodes []*onnxpb.Node
		want  []float32
		as    string
	}{
		"silu":             {[]*onnxpb.Node{op("Sigmoid", "x", "s"), op("Mul", "s x", "y")}, each(func(v float64) float64 { return v / (1 + math.Exp(-v)) }), "silu"},
		"mish":             {[]*onnxpb.Node{op("Softplus", "x", "s"), op("Tanh", "s", "h"), op("Mul", "x h", "y")}, each(func(v float64) float64 { return v * math.Tanh(math.Log1p(math.Exp(v))) }), "mish"},
		"gelu, half last":  {append(gate[:3:3], op("Mul", "x c", "p"), op("Mul", "p half", "y")), each(gelu), "gelu"},
		"gelu, half first": {append(gate[:3:3], op("Mul", "half x", "p"), op("Mul", "p c", "y")), each(gelu), "gelu"},
		"hard swish": {[]*onnxpb.Node{op("Add", "x three", "a"), op("Clip", "a zero six", "b"), op("Mul", "x b", "c"), op("Div", "c six", "y")},
			each(func(v float64) float64 { return v * min(max(v+3, 0), 6) / 6 }), "hard_swish"},
		"softmax":     {append(exps[:4:4], op("Div", "e s", "y")), soft, string(ir.OpSoftmax)},
		"log-softmax": {append(exps[:4:4], op("Log", "s", "l"), op("Sub", "d l", "y")), logs, string(ir.OpLogSoftmax)},
		"another gate": {[]*onnxpb.Node{op("Neg", "x", "n"), op("Sigmoid", "n", "s"), op("Mul", "s x", "y")},
			each(func(v float64) float64 { return v / (1 + math.Exp(v)) }), string(ir.OpMul)},
	} {
		t.Run(name, func(t *testing.T) {
			g := expect(t, graphOf(13, value("x", 2, 2), stored, c.nodes...), Options{}, restX, c.want)
			got := string(g.Outputs[0].Op)
			if a, ok := g.Outputs[0].Attrs.(*ir.FuncAttrs); ok {
				got = a.Name
			}
			if got != c.as {
				t.Errorf("imported as %s, want %s", got, c.as)
			}
		})
	}
}

// TestEveryOperatorIsTested: each row of the table occurs in a published case
// or in a test above.
func TestEveryOperatorIsTested(t *testing.T) {
	data, err := os.ReadFile("../../../shared/conformance/index.json")
	if err != nil {
		t.Log("left out: no published cases")
		return
	}
	var cases map[string]struct{ Ops []string }
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{
		"QuantizeLinear": true, "DequantizeLinear": true, // TestOldAndOddForms
		"com.microsoft.QuantizeLinear": true, "com.microsoft.DequantizeLinear": true, // the same functions
		"com.microsoft.FusedConv": true,
		"SequenceInsert":          true, // in a loop of testdata/cases
	}
	for _, c := range cases {
		for _, name := range c.Ops {
			tested[name] = true
		}
	}
	for name := range rest() {
		tested[name] = true
	}
	small, err := filepath.Glob("../../testdata/cases/models/*/model.onnx") // run by scripts/checkcases
	if err != nil || len(small) == 0 {
		t.Fatalf("no small cases: %v", err)
	}
	models := [][]byte{}
	for _, c := range engineCases(t) { // TestAsOnnxruntime
		models = append(models, c.Model)
	}
	for _, path := range small {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, data)
	}
	for _, data := range models {
		nodes, err := Nodes(data, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			tested[(&node{op: n.Op, domain: n.Domain}).label()] = true
		}
	}
	for _, o := range Operators() {
		name := o.Name
		if o.Domain != "" {
			name = o.Domain + "." + name
		}
		if !tested[name] {
			t.Errorf("no test of %s", name)
		}
	}
}
