package onnx

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
)

// structure is what a plan shows of a network before formats are chosen: the operators, what they read, their
// shapes and those of the server's constants. told: the importer has noted a number that becomes public.
func structure(t *testing.T, m *onnxpb.Model) (text string, told bool) {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Import(data, Options{Published: func(string) { told = true }})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, g.Inputs[0].Type.N())
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	r, err := passes.Rewrite(g, passes.Options{Calibration: [][]*num.Tensor{{ir.NewReal(g.Inputs[0].Type.Shape, x)}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := map[*ir.Value]int{}
	var s strings.Builder
	for i, v := range r.Graph.Values {
		at[v] = i
		fmt.Fprintf(&s, "%%%d = %s%v %v", i, v.Op, v.Type.Shape, v.Type.Holder)
		for _, a := range v.Args {
			fmt.Fprintf(&s, " %%%d", at[a])
		}
		if f, ok := v.Attrs.(*ir.FuncAttrs); ok {
			fmt.Fprintf(&s, " %s", f.Name)
		}
		s.WriteByte('\n')
	}
	return s.String(), told
}

// betweenConvs are nodes from c to d, by what is tried of an initialiser k in them.
func betweenConvs() map[string][]*onnxpb.Node {
	sigmoid := func(nodes ...*onnxpb.Node) []*onnxpb.Node {
		return append(append([]*onnxpb.Node{op("Sigmoid", "c", "s")}, nodes...), op("Sigmoid", "e", "d"))
	}
	relu := func(nodes ...*onnxpb.Node) []*onnxpb.Node {
		return append([]*onnxpb.Node{op("Relu", "c", "s")}, nodes...)
	}
	return map[string][]*onnxpb.Node{
		"factor":                {op("Mul", "c t", "d")},
		"factor before a relu":  {op("Mul", "c t", "e"), op("Relu", "e", "d")},
		"factor before a pool":  {op("Mul", "c t", "e"), op("MaxPool", "e", "d", intsAttr("kernel_shape", []int{1, 1}))},
		"factor behind a relu":  relu(op("Mul", "s t", "d")),
		"factor between relus":  relu(op("Mul", "s t", "e"), op("Relu", "e", "d")),
		"factor of a function":  sigmoid(op("Mul", "s t", "e")),
		"divisor of a function": sigmoid(op("Div", "s t", "e")),
		"term":                  sigmoid(op("Add", "s t", "e")),
		"term before a relu":    {op("Add", "c t", "e"), op("Relu", "e", "d")},
		"term behind a relu":    relu(op("Add", "s t", "d")),
		"minuend":               sigmoid(op("Sub", "t s", "e")),
		"maximum":               {op("Max", "c t", "d")},
		"minimum":               {op("Min", "c t", "d")},
		"slope":                 {op("PRelu", "c t", "d")},
		"dividend":              sigmoid(op("Div", "t s", "e")),
		"chosen":                {op("Greater", "c z", "g"), op("Where", "g c t", "d")},
		"chosen else":           {op("Greater", "c z", "g"), op("Where", "g t c", "d")},
		"border":                {op("Less", "c t", "g"), op("Where", "g c z", "d")},
		"border of a slope":     {op("Mul", "c n", "e"), op("Less", "c t", "g"), op("Where", "g e c", "d")},
		"condition":             sigmoid(op("Cast", "t", "g", intAttr("to", int(Bool))), op("Where", "g s c", "e")),
		"factor of scores":      {op("Mul", "c t", "s"), op("Softmax", "s", "e"), op("Add", "e c", "d")},
		"factor of masks":       {op("Sigmoid", "c", "s"), op("Mul", "s t", "e"), op("Add", "e m", "f"), op("Mul", "f t", "g"), op("Softmax", "g", "h"), op("Add", "h c", "d")},
		"term of scores":        {op("Add", "c t", "s"), op("Softmax", "s", "e"), op("Add", "e c", "d")},
		"term of an erf":        {op("Mul", "c n", "s"), op("Erf", "s", "e"), op("Add", "e t", "f"), op("Mul", "c f", "d")},
		"half of a gelu":        {op("Mul", "c q", "s"), op("Erf", "s", "e"), op("Add", "e o", "f"), op("Mul", "c f", "g"), op("Mul", "g t", "d")},
		"factor of a silu":      {op("Sigmoid", "c", "s"), op("Mul", "s t", "f"), op("Mul", "f c", "d")},
		"factor of a product":   {op("MatMul", "c w4", "s"), op("Mul", "s t", "d")},
		"factor of attention":   {op("Sigmoid", "c", "s"), op("MatMul", "c s", "e"), op("Mul", "e t", "f"), op("Softmax", "f", "g"), op("MatMul", "g s", "d")},
		"norm":                  {op("Reshape", "t r", "e"), op("InstanceNormalization", "c e e2", "d")},
	}
}

// Numbers of the server's that happen to be 0, 1, -1 or equal do not show in what a plan is made of, but where
// the importer says so. Signs of factors do (docs/security/README.md).
func TestCoincidencesDoNotShow(t *testing.T) {
	kept := func() []*onnxpb.Tensor {
		return []*onnxpb.Tensor{
			floats("z", nil, 0), floats("n", nil, 0.1), floats("q", nil, 0.70710678), floats("o", nil, 1), floats("m", []int64{4}, 0, 0, -1e9, 0), floats("e2", []int64{2}, 0.5, 0.25),
			floats("w4", []int64{4, 4}, 1, 2, 3, 4, 5, 4, 3, 2, 1, -1, -2, -3, -4, .5, .25, .125), ints64("r", -1),
		}
	}
	coincidences := map[string]func(i int) float32{
		"1": func(int) float32 { return 1 }, "-1": func(int) float32 { return -1 }, "0": func(int) float32 { return 0 }, "equal": func(int) float32 { return 0.7 },
		"0.5": func(int) float32 { return 0.5 }, "0 and 1": func(i int) float32 { return float32(i % 2) },
	}
	for name, nodes := range betweenConvs() {
		for _, shape := range [][]int64{nil, {2, 1, 1}, {4}} {
			if name == "norm" && len(shape) != 3 || testing.Short() {
				continue
			}
			with := func(f func(i int) float32) (string, bool) {
				x := make([]float32, ir.Numel([]int{1, int(append(shape, 1)[0])}))
				for i := range x {
					x[i] = f(i)
				}
				return structure(t, marked(nodes, append(kept(), floats("t", shape, x...))...))
			}
			above, _ := with(func(i int) float32 { return 0.3 + float32(i)/9 })
			below, _ := with(func(i int) float32 { return -0.3 - float32(i)/9 })
			for what, f := range coincidences {
				switch got, told := "", false; {
				case name == "divisor of a function" && strings.HasPrefix(what, "0"): // refused, or half of it
				case name == "condition" && what == "0 and 1": // as conditions are
				case name == "norm" && what == "0 and 1": // a factor of 0 in front of a relu makes a constant
				default:
					if got, told = with(f); got != above && got != below && !told {
						t.Errorf("a %s of shape %v shows that it is %s:\n%s\nand not:\n%s", name, shape, what, got, above)
					}
				}
			}
		}
	}
}
