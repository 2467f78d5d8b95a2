package onnx

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// Small models made by hand, one for each form that exporters produce.

func value(name string, dims ...int64) *onnxpb.ValueInfo {
	shape := &onnxpb.Shape{}
	for _, d := range dims {
		dim := &onnxpb.Shape_Dim{Value: &onnxpb.Shape_Dim_DimValue{DimValue: d}}
		if d < 0 {
			dim = &onnxpb.Shape_Dim{Value: &onnxpb.Shape_Dim_DimParam{DimParam: "N"}}
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &onnxpb.ValueInfo{Name: name, Type: &onnxpb.Type{Value: &onnxpb.Type_TensorType_{
		TensorType: &onnxpb.Type_TensorType{ElemType: int32(Float), Shape: shape},
	}}}
}

func op(kind string, inputs, outputs string, attrs ...*onnxpb.Attribute) *onnxpb.Node {
	return &onnxpb.Node{OpType: kind, Input: strings.Split(inputs, " "), Output: strings.Split(outputs, " "), Attribute: attrs}
}

func floats(name string, dims []int64, data ...float32) *onnxpb.Tensor {
	return &onnxpb.Tensor{Name: name, DataType: int32(Float), Dims: dims, FloatData: data}
}

func ints64(name string, data ...int64) *onnxpb.Tensor {
	return &onnxpb.Tensor{Name: name, DataType: int32(Int64), Dims: []int64{int64(len(data))}, Int64Data: data}
}

// graphOf makes a model that has an input x and an output y.
func graphOf(opset int64, x *onnxpb.ValueInfo, stored []*onnxpb.Tensor, nodes ...*onnxpb.Node) *onnxpb.Model {
	return &onnxpb.Model{
		IrVersion: 8, OpsetImport: []*onnxpb.OperatorSet{{Version: opset}},
		Graph: &onnxpb.Graph{
			Name: "test", Node: nodes, Initializer: stored,
			Input: []*onnxpb.ValueInfo{x}, Output: []*onnxpb.ValueInfo{{Name: "y"}},
		},
	}
}

func importModel(t *testing.T, m *onnxpb.Model, opts Options) (*ir.Graph, error) {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return Import(data, opts)
}

// expect imports a model and compares its output on x.
func expect(t *testing.T, m *onnxpb.Model, opts Options, x, want []float32) *ir.Graph {
	t.Helper()
	g, err := importModel(t, m, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(g, ir.Real); err != nil {
		t.Fatal(err)
	}
	out, err := ir.Eval(g, []*num.Tensor{ir.NewReal(g.Inputs[0].Type.Shape, x)}, ir.EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := ir.Floats(out[0])
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range got {
		g, w := float64(got[i]), float64(want[i])
		if g != w && !(g != g && w != w) && !(math.Abs(g-w) <= 1e-5*(1+math.Abs(w))) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	return g
}

func expectError(t *testing.T, m *onnxpb.Model, opts Options, parts ...string) error {
	t.Helper()
	_, err := importModel(t, m, opts)
	if err == nil {
		t.Fatalf("imported, want an error with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not mention %q", err, p)
		}
	}
	return err
}

func TestStoredTypes(t *testing.T) {
	raw := func(d DType, b ...byte) *onnxpb.Tensor {
		return &onnxpb.Tensor{Name: "w", DataType: int32(d), Dims: []int64{2}, RawData: b}
	}
	double := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, math.Float64bits(1.5)), math.Float64bits(-2))
	for name, w := range map[string]*onnxpb.Tensor{
		"float16 raw":    raw(Float16, 0x00, 0x3e, 0x00, 0xc0),
		"float16 typed":  {Name: "w", DataType: int32(Float16), Dims: []int64{2}, Int32Data: []int32{0x3e00, 0xc000}},
		"bfloat16 raw":   raw(Bfloat16, 0xc0, 0x3f, 0x00, 0xc0),
		"bfloat16 typed": {Name: "w", DataType: int32(Bfloat16), Dims: []int64{2}, Int32Data: []int32{0x3fc0, 0xc000}},
		"double raw":     raw(Double, double...),
		"double typed":   {Name: "w", DataType: int32(Double), Dims: []int64{2}, DoubleData: []float64{1.5, -2}},
	} {
		t.Run(name, func(t *testing.T) {
			m := graphOf(13, value("x", 2), []*onnxpb.Tensor{w}, op("Mul", "x w", "y"))
			expect(t, m, Options{}, []float32{2, 3}, []float32{3, -6})
		})
	}
	for name, w := range map[string]*onnxpb.Tensor{
		"int8 raw":    raw(Int8, 3, 0xfe),
		"int8 typed":  {Name: "w", DataType: int32(Int8), Dims: []int64{2}, Int32Data: []int32{3, -2}},
		"int16 raw":   raw(Int16, 3, 0, 0xfe, 0xff),
		"int4 raw":    raw(Int4, 0xe3),
		"int4 typed":  {Name: "w", DataType: int32(Int4), Dims: []int64{2}, Int32Data: []int32{0xe3}},
		"int32 typed": {Name: "w", DataType: int32(Int32), Dims: []int64{2}, Int32Data: []int32{3, -2}},
		"int64 typed": {Name: "w", DataType: int32(Int64), Dims: []int64{2}, Int64Data: []int64{3, -2}},
	} {
		t.Run(name, func(t *testing.T) {
			m := graphOf(13, value("x", 2), []*onnxpb.Tensor{w}, op("Cast", "w", "f", intAttr("to", int(Float))), op("Mul", "x f", "y"))
			expect(t, m, Options{}, []float32{2, 3}, []float32{6, -6})
		})
	}
}

func TestExternalData(t *testing.T) {
	dir := t.TempDir()
	data := make([]byte, 12)
	binary.LittleEndian.PutUint32(data[4:], math.Float32bits(1.5))
	binary.LittleEndian.PutUint32(data[8:], math.Float32bits(-2))
	if err := os.MkdirAll(filepath.Join(dir, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"outside.bin", "in/weights.bin"} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../outside.bin", filepath.Join(dir, "in", "link.bin")); err != nil {
		t.Fatal(err)
	}
	with := func(location, offset, length string) *onnxpb.Model {
		w := &onnxpb.Tensor{Name: "w", DataType: int32(Float), Dims: []int64{2}, DataLocation: 1, ExternalData: []*onnxpb.StringEntry{
			{Key: "location", Value: location}, {Key: "offset", Value: offset}, {Key: "length", Value: length},
		}}
		return graphOf(13, value("x", 2), []*onnxpb.Tensor{w}, op("Mul", "x w", "y"))
	}
	opts := Options{Dir: filepath.Join(dir, "in")}
	expect(t, with("weights.bin", "4", "8"), opts, []float32{2, 3}, []float32{3, -6})
	expect(t, with("weights.bin", "4", ""), opts, []float32{2, 3}, []float32{3, -6})
	expectError(t, with("weights.bin", "8", "8"), opts, `"w"`, "do not lie in the file")
	expectError(t, with("weights.bin", "0", "12"), opts, `"w"`, "the shape needs 8")
	expectError(t, with("weights.bin", "-4", "8"), opts, `"w"`, "offset")
	expectError(t, with("../outside.bin", "4", "8"), opts, `"w"`, "escapes")
	expectError(t, with("link.bin", "4", "8"), opts, `"w"`, "escapes")
	expectError(t, with(filepath.Join(dir, "outside.bin"), "4", "8"), opts, `"w"`)
	expectError(t, with("weights.bin", "4", "8"), Options{}, `"w"`, "not read from a file")
}

// TestFunctions inlines a function that calls another, with an attribute passed
// down, a default, an input left out and an output handed through.
func TestFunctions(t *testing.T) {
	inner := &onnxpb.Function{
		Name: "Leaky", Domain: "my", Input: []string{"a"}, Output: []string{"b", "a"}, Attribute: []string{"slope"},
		OpsetImport: []*onnxpb.OperatorSet{{Version: 16}},
		Node: []*onnxpb.Node{op("LeakyRelu", "a", "b", &onnxpb.Attribute{
			Name: "alpha", RefAttrName: "slope", Type: onnxpb.Attribute_FLOAT,
		})},
	}
	outer := &onnxpb.Function{
		Name: "Twice", Domain: "my", Input: []string{"a", "low", "high"}, Output: []string{"r"},
		AttributeProto: []*onnxpb.Attribute{{Name: "slope", Type: onnxpb.Attribute_FLOAT, F: 0.5}},
		OpsetImport:    []*onnxpb.OperatorSet{{Version: 16}, {Domain: "my", Version: 1}},
		Node: []*onnxpb.Node{
			{OpType: "Leaky", Domain: "my", Input: []string{"a"}, Output: []string{"t", "same"}, Attribute: []*onnxpb.Attribute{{
				Name: "slope", RefAttrName: "slope", Type: onnxpb.Attribute_FLOAT,
			}}},
			op("Add", "t same", "u"),
			op("Clip", "u low high", "r"),
		},
	}
	m := graphOf(6, value("x", 2), []*onnxpb.Tensor{floats("three", nil, 3)},
		&onnxpb.Node{Name: "call", OpType: "Twice", Domain: "my", Input: []string{"x", "", "three"}, Output: []string{"h"}},
		&onnxpb.Node{OpType: "Twice", Domain: "my", Input: []string{"h"}, Output: []string{"y"}, Attribute: []*onnxpb.Attribute{
			{Name: "slope", Type: onnxpb.Attribute_FLOAT, F: 1},
		}})
	m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSet{Domain: "my", Version: 1})
	m.Functions = []*onnxpb.Function{inner, outer}
	g := expect(t, m, Options{}, []float32{5, -2}, []float32{6, -6})
	if name := g.Values[len(g.Values)-1].Name; !strings.HasPrefix(name, "y/") {
		t.Errorf("the last value is called %q", name)
	}

	inner.Node = []*onnxpb.Node{{OpType: "Twice", Domain: "my", Input: []string{"a"}, Output: []string{"b"}}}
	expectError(t, m, Options{}, "call", "too deeply")
}

func TestShapesOfInputs(t *testing.T) {
	m := graphOf(13, value("x", -1, 2), nil, op("Relu", "x", "y"))
	for _, c := range []struct {
		opts Options
		want string
	}{
		{Options{}, "[1,2]"},
		{Options{Batch: 4}, "[4,2]"},
		{Options{InputShapes: map[string][]int{"x": {3, 2}}}, "[3,2]"},
		{Options{InputShapes: map[string][]int{"": {5, 2}}}, "[5,2]"},
	} {
		g, err := importModel(t, m, c.opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := ir.ShapeString(g.Inputs[0].Type.Shape); got != c.want {
			t.Errorf("%+v: shape %s, want %s", c.opts, got, c.want)
		}
	}
	expectError(t, m, Options{InputShapes: map[string][]int{"x": {3}}}, `"x"`, "rank")
	expectError(t, m, Options{InputShapes: map[string][]int{"X": {3, 2}}}, `"X"`, "no input")
	two := graphOf(13, value("x", 2), nil, op("Relu", "x", "y"))
	two.Graph.Input = append(two.Graph.Input, value("z", 2))
	expectError(t, two, Options{InputShapes: map[string][]int{"": {2}}}, "2 inputs")
	expectError(t, graphOf(13, value("x", 1, -1), nil, op("Relu", "x", "y")), Options{}, `"x"`, `"N"`)
	expectError(t, graphOf(13, &onnxpb.ValueInfo{Name: "x"}, nil, op("Relu", "x", "y")), Options{}, `"x"`)
	shapeless := value("x")
	shapeless.Type.GetTensorType().Shape = nil
	expectError(t, graphOf(13, shapeless, nil, op("Relu", "x", "y")), Options{}, `"x"`, "no shape")
}

// TestBatchInReshape: an exporter's reshape for one sample follows the batch.
func TestBatchInReshape(t *testing.T) {
	for name, target := range map[string]*onnxpb.Tensor{
		"fixed": ints64("s", 1, 4), "free": ints64("s", 1, -1), "copied": ints64("s", 0, -1), "inferred": ints64("s", -1, 4),
	} {
		m := graphOf(13, value("x", 1, 2, 2), []*onnxpb.Tensor{target}, op("Reshape", "x s", "y"))
		g, err := importModel(t, m, Options{Batch: 3})
		if err != nil {
			t.Fatal(name, err)
		}
		if got := ir.ShapeString(g.Outputs[0].Type.Shape); got != "[3,4]" {
			t.Errorf("%s: output has shape %s", name, got)
		}
	}
}

func TestOldAndOddForms(t *testing.T) {
	x2 := []float32{1, 2, 3, 4}
	t.Run("initialiser as input", func(t *testing.T) {
		m := graphOf(8, value("x", 2), []*onnxpb.Tensor{floats("w", []int64{2}, 2, 3)}, op("Mul", "x w", "y"))
		m.Graph.Input = append(m.Graph.Input, value("w", 2))
		expect(t, m, Options{}, []float32{1, 2}, []float32{2, 6})
	})
	t.Run("duplicate value_info, unsorted nodes", func(t *testing.T) {
		m := graphOf(13, value("x", 2), nil, op("Neg", "h", "y"), op("Relu", "x", "h"))
		m.Graph.ValueInfo = []*onnxpb.ValueInfo{value("h", 2), value("h", 7)}
		g := expect(t, m, Options{}, []float32{1, -2}, []float32{-1, 0})
		if g.OutputNames[0] != "y" {
			t.Errorf("output is called %q", g.OutputNames)
		}
		if g.Outputs[0].Name != "y" {
			t.Errorf("an unnamed node is called %q", g.Outputs[0].Name)
		}
	})
	t.Run("broadcast at an axis before opset 7", func(t *testing.T) {
		m := graphOf(6, value("x", 2, 2), []*onnxpb.Tensor{floats("b", []int64{2}, 10, 20)},
			op("Add", "x b", "y", intAttr("broadcast", 1), intAttr("axis", 0)))
		expect(t, m, Options{}, x2, []float32{11, 12, 23, 24})
	})
	t.Run("softmax over joined axes before opset 13", func(t *testing.T) {
		m := graphOf(11, value("x", 1, 2, 2), nil, op("Softmax", "x", "y"))
		var sum float32
		for _, v := range x2 {
			sum += float32(math.Exp(float64(v)))
		}
		want := make([]float32, 4)
		for i, v := range x2 {
			want[i] = float32(math.Exp(float64(v))) / sum
		}
		expect(t, m, Options{}, x2, want)
	})
	t.Run("constant forms", func(t *testing.T) {
		m := graphOf(13, value("x", 2), nil,
			&onnxpb.Node{OpType: "Constant", Output: []string{"a"}, Attribute: []*onnxpb.Attribute{{Name: "value_floats", Type: onnxpb.Attribute_FLOATS, Floats: []float32{1, 2}}}},
			&onnxpb.Node{OpType: "Constant", Output: []string{"b"}, Attribute: []*onnxpb.Attribute{{Name: "value", Type: onnxpb.Attribute_TENSOR, T: floats("", nil, 10)}}},
			op("Mul", "x a", "h"), op("Add", "h b", "y"))
		g := expect(t, m, Options{}, []float32{3, 4}, []float32{13, 18})
		holders := map[ir.Holder]int{}
		for _, v := range g.Values {
			if v.Op == ir.OpConst {
				holders[v.Type.Holder]++
			}
		}
		if holders[ir.Public] != 1 || holders[ir.Server] != 1 {
			t.Errorf("a scalar Constant is public and a larger one the server's; got %v", holders)
		}
	})
	t.Run("shape arithmetic", func(t *testing.T) {
		m := graphOf(13, value("x", 1, 2, 2), []*onnxpb.Tensor{ints64("zero", 0), ints64("two", 2), ints64("minus", -1)},
			op("Shape", "x", "s"), op("Slice", "s zero two", "head"), op("Gather", "head zero", "n", intAttr("axis", 0)),
			op("Concat", "n minus", "target", intAttr("axis", 0)), op("Reshape", "x target", "y"))
		g := expect(t, m, Options{}, x2, x2)
		if len(g.Values) != 2 {
			t.Errorf("%d values, want the input and a reshape", len(g.Values))
		}
	})
	t.Run("spelled-out leaky rectifier and maximum", func(t *testing.T) {
		m := graphOf(13, value("x", 2), []*onnxpb.Tensor{floats("zero", nil, 0), floats("a", nil, 0.5), floats("low", nil, -3)},
			op("Less", "x zero", "neg"), op("Mul", "a x", "ax"), op("Where", "neg ax x", "h"),
			op("Less", "h low", "small"), op("Where", "small low h", "y"))
		g := expect(t, m, Options{}, []float32{4, -8}, []float32{4, -3})
		ops := map[ir.Op]int{}
		for _, v := range g.Values {
			ops[v.Op]++
		}
		if ops[ir.OpMax] != 1 || ops[ir.OpPRelu] != 1 || ops[ir.OpMul] != 0 {
			t.Errorf("made of %v", ops)
		}
	})
	t.Run("quantised pair keeps its range", func(t *testing.T) {
		zero := &onnxpb.Tensor{Name: "z", DataType: int32(Uint8), Int32Data: []int32{128}}
		weights := &onnxpb.Tensor{Name: "q", DataType: int32(Int8), Dims: []int64{2}, Int32Data: []int32{10, -20}}
		per := floats("ws", []int64{2}, 0.5, 0.25)
		m := graphOf(13, value("x", 2), []*onnxpb.Tensor{floats("s", nil, 0.1), zero, weights, per},
			op("QuantizeLinear", "x s z", "xq"), op("DequantizeLinear", "xq s z", "xd"),
			op("DequantizeLinear", "q ws", "w", intAttr("axis", 0)), op("Mul", "xd w", "y"))
		expect(t, m, Options{}, []float32{2, 100}, []float32{10, -63.5})
		m.Graph.Node[1].Input[1] = "s2"
		m.Graph.Initializer = append(m.Graph.Initializer, floats("s2", nil, 0.2))
		expectError(t, m, Options{}, `"xd"`, "other parameters")
	})
}

// TestQuantisedOutput: an output that stays quantised has the numbers of its type.
func TestQuantisedOutput(t *testing.T) {
	point := &onnxpb.Tensor{Name: "z", DataType: int32(Uint8), Int32Data: []int32{10}}
	m := graphOf(13, value("x", 3), []*onnxpb.Tensor{floats("s", nil, 0.5), point}, op("QuantizeLinear", "x s z", "y"))
	expect(t, m, Options{}, []float32{2, -1, 500}, []float32{14, 8, 255})
}

func TestUnsupportedListIsComplete(t *testing.T) {
	hidden := value("h1", 2)
	m := graphOf(13, value("x", 2), nil,
		&onnxpb.Node{Name: "branch", OpType: "SequenceMap", Input: []string{"x"}, Output: []string{"h1"}, Attribute: []*onnxpb.Attribute{
			{Name: "body", Type: onnxpb.Attribute_GRAPH, G: &onnxpb.Graph{Name: "g", Node: []*onnxpb.Node{op("Relu", "x", "g1")}, Output: []*onnxpb.ValueInfo{{Name: "g1"}}}},
		}},
		&onnxpb.Node{Name: "odd", OpType: "Frobnicate", Input: []string{"h1"}, Output: []string{"h2"}},
		&onnxpb.Node{Name: "foreign", OpType: "Gelu", Domain: "com.example", Input: []string{"h1"}, Output: []string{"h3"}},
		&onnxpb.Node{Name: "fine", OpType: "Relu", Input: []string{"h1"}, Output: []string{"h4"}},
		&onnxpb.Node{Name: "train", OpType: "Reshape", Input: []string{"h4", "h1"}, Output: []string{"y"}})
	m.Graph.ValueInfo = []*onnxpb.ValueInfo{hidden}
	err := expectError(t, m, Options{}, `"branch"`, "sequences", `"odd"`, "Frobnicate", `"foreign"`, "com.example", `"train"`, "known at compile time")
	var u *UnsupportedError
	if !errors.As(err, &u) || len(u.Entries) != 4 || u.Nodes != 5 || u.Supported != 1 {
		t.Errorf("got %+v", u)
	}
}

// TestOddTensors: what we cannot hold is listed with its reader, and harmless without one.
func TestOddTensors(t *testing.T) {
	words := &onnxpb.Tensor{Name: "words", DataType: int32(String), Dims: []int64{1}, StringData: [][]byte{[]byte("a")}}
	float8 := &onnxpb.Tensor{Name: "f8", DataType: 17, Dims: []int64{2}, RawData: []byte{1, 2}}
	m := graphOf(13, value("x", 2), []*onnxpb.Tensor{words, float8}, op("Relu", "x", "y"))
	expect(t, m, Options{}, []float32{1, -1}, []float32{1, 0})
	m.Graph.SparseInitializer = []*onnxpb.SparseTensor{{Values: &onnxpb.Tensor{Name: "sparse", DataType: int32(String)}, Dims: []int64{2}}}
	m.Graph.Node = []*onnxpb.Node{
		op("Cast", "f8", "a", intAttr("to", 1)), op("Equal", "words words", "b"), op("Add", "x sparse", "c"),
		{OpType: "Constant", Output: []string{"d"}, Attribute: []*onnxpb.Attribute{{Name: "value", Type: onnxpb.Attribute_TENSORS}}},
		op("Sum", "a b c d", "y"),
	}
	expectError(t, m, Options{}, "4 of 5", `"a"`, "float8", `"b"`, "string", `"c"`, "of type string", `"d"`, "TENSORS")
}

func TestOpsetsOfDomains(t *testing.T) {
	m := graphOf(13, value("x", 2), nil, op("Relu", "x", "y"))
	m.OpsetImport[0].Domain = "ai.onnx"
	expect(t, m, Options{}, []float32{1, -1}, []float32{1, 0})
	m.OpsetImport[0].Domain = "other"
	expectError(t, m, Options{}, `"y"`, "imports no version")
	m.OpsetImport = nil
	expect(t, m, Options{}, []float32{1, -1}, []float32{1, 0})
	m.OpsetImport = []*onnxpb.OperatorSet{{Version: maxOpset + 1}}
	expectError(t, m, Options{}, `"y"`, "newer")
}

func TestBindNamesTheInput(t *testing.T) {
	m := graphOf(13, value("x", 2), nil, op("Pow", "x e", "y"))
	m.Graph.Input = append(m.Graph.Input, value("e"))
	var u *UnsupportedError
	if err := expectError(t, m, Options{}, "exponent"); !errors.As(err, &u) || u.Entries[0].Bind != "e" {
		t.Errorf("got %+v", u)
	}
	opts := Options{Constants: map[string]*Tensor{"e": {DType: Float, Shape: []int{}, F: []float32{3}}}}
	expect(t, m, opts, []float32{2, -3}, []float32{8, -27})
}
