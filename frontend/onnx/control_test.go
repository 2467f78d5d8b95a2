package onnx

import (
	"strings"
	"testing"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// body makes a subgraph.
func body(inputs, outputs string, stored []*onnxpb.Tensor, nodes ...*onnxpb.Node) *onnxpb.Graph {
	g := &onnxpb.Graph{Name: "body", Node: nodes, Initializer: stored}
	for _, name := range strings.Fields(inputs) {
		g.Input = append(g.Input, &onnxpb.ValueInfo{Name: name})
	}
	for _, name := range strings.Fields(outputs) {
		g.Output = append(g.Output, &onnxpb.ValueInfo{Name: name})
	}
	return g
}

func carrying(name string, g *onnxpb.Graph) *onnxpb.Attribute {
	return &onnxpb.Attribute{Name: name, Type: onnxpb.Attribute_GRAPH, G: g}
}

// ofType declares a scalar input.
func ofType(name string, d DType) *onnxpb.ValueInfo {
	v := value(name)
	v.GetType().GetTensorType().ElemType = int32(d)
	return v
}

// TestSetInputs: an input that is set is no input of the network any more, whatever
// it decides.
func TestSetInputs(t *testing.T) {
	m := graphOf(16, value("x", 2), nil,
		op("If", "deep", "h", carrying("then_branch", body("", "a", nil, op("Neg", "x", "a"))), carrying("else_branch", body("", "x", nil))),
		op("Mul", "h f", "y"))
	m.Graph.Input = append(m.Graph.Input, ofType("deep", Bool), ofType("f", Float))
	for deep, want := range map[float64][]float32{0: {2, -4}, 1: {-2, 4}} {
		g := expect(t, m, Options{Set: map[string][]float64{"deep": {deep}, "f": {2}}}, []float32{1, -2}, want)
		if len(g.Inputs) != 1 {
			t.Errorf("%d inputs are left", len(g.Inputs))
		}
	}
	expectError(t, m, Options{Set: map[string][]float64{"deeep": {1}}}, `"deeep"`, "no input")
	expectError(t, m, Options{Set: map[string][]float64{"f": {1, 2}}}, `"f"`, "2 numbers")
	expectError(t, m, Options{Set: map[string][]float64{"deep": {0.5}}}, `"deep"`, "0.5")
	if v, err := ParseValues("true,-1e3,false"); err != nil || len(v) != 3 || v[0] != 1 || v[1] != -1000 || v[2] != 0 {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := ParseValues("1,,2"); err == nil {
		t.Error("nothing is a number")
	}
}

// TestSecretBranches: where the condition is data both branches are computed.
func TestSecretBranches(t *testing.T) {
	branches := func(then *onnxpb.Graph) *onnxpb.Model {
		m := graphOf(16, value("x", 2), nil, op("If", "on", "y", carrying("then_branch", then), carrying("else_branch", body("", "x", nil))))
		m.Graph.Input = append([]*onnxpb.ValueInfo{ofType("on", Bool)}, m.Graph.Input...)
		return m
	}
	g, err := importModel(t, branches(body("", "a", nil, op("Neg", "x", "a"))), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for on, want := range map[float32]float32{0: 3, 1: -3} {
		out, err := ir.Eval(g, []*num.Tensor{ir.NewReal([]int{}, []float32{on}), ir.NewReal([]int{2}, []float32{3, 4})}, ir.EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := ir.Floats(out[0]); got[0] != want {
			t.Errorf("condition %g gives %v", on, got)
		}
	}
	expectError(t, branches(body("", "a", nil, op("Concat", "x x", "a", intAttr("axis", 0)))), Options{}, "[4] and [2]", "--set on=NUMBER")
	expectError(t, branches(body("", "a", nil, op("Transpose", "x", "a", &onnxpb.Attribute{Name: "perm", Type: onnxpb.Attribute_INTS, Ints: []int64{1}}))), Options{}, "then_branch cannot be computed", "--set on=NUMBER")
}

// TestLoopsEnd: a loop that does not end, and one that is too large, are refused.
func TestLoopsEnd(t *testing.T) {
	endless := body("i c h", "c2 h2", nil, op("Identity", "c", "c2"), op("Relu", "h", "h2"))
	m := graphOf(16, value("x", 2), nil, op("Loop", "  x", "y", carrying("body", endless)))
	expectError(t, m, Options{}, `"y" (Loop`, "more than 4096 iterations")
	long := endless
	for range 40 {
		long.Node = append(long.Node, op("Relu", "h", "h"+string(rune('A'+len(long.Node)))))
	}
	expectError(t, m, Options{}, `"y" (Loop`, "nodes in the iterations")

	secret := body("i c h", "c2 h2", nil, op("ReduceMax", "h", "s", intAttr("keepdims", 0)), op("Greater", "s k", "c2"), op("Sub", "h k", "h2"))
	k := []*onnxpb.Tensor{floats("k", nil, 1), {Name: "n", DataType: int32(Int64), Int64Data: []int64{5}}}
	expectError(t, graphOf(16, value("x", 2), k, op("Loop", "  x", "y", carrying("body", secret))), Options{}, "is data", "trip count")
	bounded := graphOf(16, value("x", 2), k, op("Loop", "n  x", "y", carrying("body", secret)))
	expect(t, bounded, Options{}, []float32{3, 0}, []float32{0, -3})
	expect(t, bounded, Options{}, []float32{9, 0}, []float32{4, -5})
	bounded.Graph.Node[0].Attribute[0].G.Output = append(bounded.Graph.Node[0].Attribute[0].G.Output, &onnxpb.ValueInfo{Name: "s"})
	bounded.Graph.Node[0].Output = []string{"y", "all"}
	expectError(t, bounded, Options{}, "number depends on data")

	never := graphOf(16, value("x", 2), []*onnxpb.Tensor{{Name: "n", DataType: int32(Int64), Int64Data: []int64{0}}}, op("Loop", "n  x", "y", carrying("body", endless)))
	expect(t, never, Options{}, []float32{3, -1}, []float32{3, -1})
}

// TestSubgraphsInFunctions: names inside are the call's own, and what a subgraph
// reads from outside is the caller's.
func TestSubgraphsInFunctions(t *testing.T) {
	pick := &onnxpb.Function{
		Name: "Pick", Domain: "my", Input: []string{"a", "on"}, Output: []string{"r"}, Attribute: []string{"slope"},
		OpsetImport: []*onnxpb.OperatorSet{{Version: 16}},
		Node: []*onnxpb.Node{
			op("Add", "a a", "twice"),
			op("If", "on", "r",
				carrying("then_branch", body("", "t", []*onnxpb.Tensor{floats("w", nil, 10)}, op("Mul", "twice w", "u"), op("Neg", "u", "t"))),
				carrying("else_branch", body("", "t", nil, &onnxpb.Node{OpType: "LeakyRelu", Input: []string{"twice"}, Output: []string{"t"}, Attribute: []*onnxpb.Attribute{
					{Name: "alpha", RefAttrName: "slope", Type: onnxpb.Attribute_FLOAT}}}))),
		},
	}
	call := func(in, out string) *onnxpb.Node {
		return &onnxpb.Node{OpType: "Pick", Domain: "my", Input: strings.Fields(in), Output: []string{out}, Attribute: []*onnxpb.Attribute{{Name: "slope", Type: onnxpb.Attribute_FLOAT, F: 0.5}}}
	}
	truth := func(name string, v int32) *onnxpb.Tensor {
		return &onnxpb.Tensor{Name: name, DataType: int32(Bool), Int32Data: []int32{v}}
	}
	// The caller's names are those that the function has inside.
	m := graphOf(16, value("x", 2), []*onnxpb.Tensor{truth("t", 1), truth("u", 0), floats("w", nil, 7)}, call("x t", "r"), call("r u", "twice"), op("Add", "twice w", "y"))
	m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSet{Domain: "my", Version: 1})
	m.Functions = []*onnxpb.Function{pick}
	expect(t, m, Options{}, []float32{1, -1}, []float32{-20 + 7, 40 + 7})
}

// TestRefusedInSubgraphs: what is in the way inside is listed, and what the branch
// that is not taken holds is not.
func TestRefusedInSubgraphs(t *testing.T) {
	odd := body("", "a", nil, &onnxpb.Node{Name: "odd", OpType: "Frobnicate", Input: []string{"x"}, Output: []string{"a"}})
	m := graphOf(16, value("x", 2), nil, op("If", "on", "y", carrying("then_branch", odd), carrying("else_branch", body("", "x", nil))))
	m.Graph.Input = append(m.Graph.Input, ofType("on", Bool))
	expectError(t, m, Options{Set: map[string][]float64{"on": {1}}}, `"odd"`, "1 of 2 nodes")
	expect(t, m, Options{Set: map[string][]float64{"on": {0}}}, []float32{1, 2}, []float32{1, 2})
	m.Graph.Node[0].Attribute[0].G.Node[0].Input[0] = "nowhere"
	expectError(t, m, Options{}, `"nowhere"`)
}
