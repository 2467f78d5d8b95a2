package onnx

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// engineCase is a small model, an input and what another engine makes of it.
type engineCase struct {
	Model           []byte
	Inputs, Outputs [][]float32
	Within          float64 // of the largest output; 0: 2e-5
}

// engineCases are models made by hand for one operator each, and onnxruntime's answers.
func engineCases(t *testing.T) map[string]engineCase {
	t.Helper()
	f, err := os.Open("testdata/onnxruntime.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases map[string]engineCase }
	if err := json.NewDecoder(z).Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 70 {
		t.Fatalf("%d cases", len(file.Cases))
	}
	return file.Cases
}

func TestAsOnnxruntime(t *testing.T) {
	for name, c := range engineCases(t) {
		t.Run(name, func(t *testing.T) {
			g, err := Import(c.Model, Options{PublishConstants: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := ir.Verify(g, ir.Real); err != nil {
				t.Fatal(err)
			}
			var in []*num.Tensor
			for i, v := range g.Inputs {
				in = append(in, ir.NewReal(v.Type.Shape, c.Inputs[i]))
			}
			out, err := ir.Eval(g, in, ir.EvalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if len(out) != len(c.Outputs) {
				t.Fatalf("%d outputs, want %d", len(out), len(c.Outputs))
			}
			for i, want := range c.Outputs {
				if off := farthest(ir.Floats(out[i]), want); !(off <= max(c.Within, 2e-5)) {
					t.Errorf("output %d is off by %g of the largest:\n%v, want\n%v", i, off, ir.Floats(out[i]), want)
				}
			}
		})
	}
}

// farthest is the largest difference, relative to the largest number and at least to one.
func farthest(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	off, size := 0.0, 1.0
	for i, w := range want {
		off, size = max(off, math.Abs(float64(got[i])-float64(w))), max(size, math.Abs(float64(w)))
	}
	return off / size
}

// An optional that holds nothing is known to, and gives nothing.
func TestEmptyOptional(t *testing.T) {
	empty := op("Optional", "", "o", &onnxpb.Attribute{Name: "type", Type: onnxpb.Attribute_TYPE_PROTO})
	empty.Input = nil
	m := graphOf(18, value("x", 2), nil, empty, op("OptionalHasElement", "o", "has"), op("Cast", "has", "f", intAttr("to", int(Float))), op("Sub", "x f", "y"))
	expect(t, m, Options{}, []float32{1, 2}, []float32{1, 2})
	expectError(t, graphOf(18, value("x", 2), nil, empty, op("OptionalGetElement", "o", "g"), op("Add", "x g", "y")), Options{}, `"g"`, "holds nothing")
	expectError(t, graphOf(18, value("x", 2), nil, empty, op("Add", "x o", "y")), Options{}, `"y"`, "holds nothing")
}

// What would be another answer in another engine, or none, is refused with a way out.
func TestSignalsAndTreesThatAreRefused(t *testing.T) {
	one := &onnxpb.Tensor{Name: "one", DataType: int32(Int64), Int64Data: []int64{1}}
	long := &onnxpb.Tensor{Name: "long", DataType: int32(Int64), Int64Data: []int64{9}}
	tree := op("TreeEnsemble", "x", "y", intAttr("n_targets", 1), intAttr("post_transform", 1), &onnxpb.Attribute{Name: "tree_roots", Type: onnxpb.Attribute_INTS, Ints: []int64{0}})
	for _, name := range []string{"nodes_featureids", "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids", "nodes_falseleafs", "leaf_targetids"} {
		tree.Attribute = append(tree.Attribute, &onnxpb.Attribute{Name: name, Type: onnxpb.Attribute_INTS, Ints: []int64{map[bool]int64{true: 1}[strings.HasSuffix(name, "leafs")]}})
	}
	tree.Domain = "ai.onnx.ml"
	for _, name := range []string{"nodes_splits", "nodes_modes", "leaf_weights"} {
		tree.Attribute = append(tree.Attribute, &onnxpb.Attribute{Name: name, Type: onnxpb.Attribute_TENSOR, T: floats("", []int64{1}, 0)})
	}
	for want, n := range map[string]*onnxpb.Node{
		"Softmax or Sigmoid":       tree,
		"frames of 9":              op("STFT", "x one  long", "y"),
		"the inverse of half":      op("DFT", "x", "y", intAttr("onesided", 1), intAttr("inverse", 1)),
		"which is not positive":    op("Pow", "minus x", "y"),
		"data quantised in blocks": op("DequantizeLinear", "x half", "y", intAttr("block_size", 2)),
		"axis 2 is that of pairs":  op("DFT", "x", "y", intAttr("axis", 2)),
	} {
		shape := value("x", 1, 4, 1)
		if n == tree {
			shape = value("x", 1, 4)
		}
		m := graphOf(19, shape, []*onnxpb.Tensor{one, long, floats("minus", nil, -2), floats("half", nil, 0.5)}, n)
		m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSet{Domain: "ai.onnx.ml", Version: 5})
		expectError(t, m, Options{}, `"y"`, want)
	}
}

// Sparse tensors that say what they are not, or stand for far more than they hold.
func TestDamagedSparseTensors(t *testing.T) {
	with := func(dims, index []int64, values ...float32) *onnxpb.Model {
		m := graphOf(13, value("x", 2, 2), nil, op("Add", "x s", "y"))
		m.Graph.SparseInitializer = []*onnxpb.SparseTensor{{Values: floats("s", []int64{int64(len(values))}, values...), Indices: ints64("", index...), Dims: dims}}
		return m
	}
	expect(t, with([]int64{2, 2}, []int64{1, 2}, 5, 7), Options{}, []float32{1, 2, 3, 4}, []float32{1, 7, 10, 4})
	for what, m := range map[string]*onnxpb.Model{
		"index [4]":              with([]int64{2, 2}, []int64{4}, 5),
		"index [-1]":             with([]int64{2, 2}, []int64{-1}, 5),
		"do not go with":         with([]int64{2, 2}, []int64{1, 2}, 5),
		"1 numbers stand for":    with([]int64{1 << 13, 1 << 13}, []int64{1}, 5),
		"negative":               with([]int64{-2, 2}, []int64{1}, 5),
		"defined twice":          twice(with([]int64{2, 2}, []int64{1}, 5)),
		"element type undefined": {IrVersion: 8, Graph: &onnxpb.Graph{SparseInitializer: []*onnxpb.SparseTensor{{Values: floats("s", []int64{1}, 1), Dims: []int64{2}}}}},
	} {
		if what == "negative" {
			what = "out of range"
		}
		expectError(t, m, Options{}, `"s"`, what)
	}
}

func twice(m *onnxpb.Model) *onnxpb.Model {
	m.Graph.SparseInitializer = append(m.Graph.SparseInitializer, m.Graph.SparseInitializer[0])
	return m
}
