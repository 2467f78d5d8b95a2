package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// A mutation damages a model and says what an error must name: any one of names.
type mutation struct {
	what  string
	names []string
	data  []byte
}

// TestMutatedModels damages real networks in fifty ways. Each must give an error
// that names a node or tensor of the model, quickly and in little memory.
func TestMutatedModels(t *testing.T) {
	count := 0
	for _, name := range []string{"mnist_cntk_8", "resnet20_cifar10", "tm_cxr_mobilenetv2_035"} {
		data, err := os.ReadFile(filepath.Join("../../testdata/models", name, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mutations(t, data) {
			count++
			t.Run(name+"/"+m.what, func(t *testing.T) { checkMutation(t, m) })
		}
	}
	if count < 50 {
		t.Errorf("%d mutations, want 50", count)
	}
}

func checkMutation(t *testing.T, m mutation) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := processorTime()
	_, err := Import(m.data, Options{})
	took := processorTime() - start
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Fatal("imported")
	}
	if !slices.ContainsFunc(m.names, func(n string) bool { return strings.Contains(err.Error(), fmt.Sprintf("%q", n)) }) {
		t.Errorf("error %q names none of %q", err, m.names[:min(len(m.names), 5)])
	}
	if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; took > time.Second || mb >= 1024 {
		t.Errorf("took %v and %d MiB", took, mb)
	}
}

func mutations(t *testing.T, data []byte) []mutation {
	var all []mutation
	edit := func(what string, names []string, f func(g *onnxpb.Graph)) {
		var m onnxpb.Model
		if err := proto.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		f(m.GetGraph())
		out, err := proto.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, mutation{what, names, out})
	}
	var whole onnxpb.Model
	if err := proto.Unmarshal(data, &whole); err != nil {
		t.Fatal(err)
	}
	g := whole.GetGraph()
	for i := 1; i <= 5; i++ {
		cut := len(data) * i / 6
		all = append(all, mutation{fmt.Sprintf("truncated at %d", cut), allNames(g), data[:cut]})
	}
	for k, i := range weights(g) {
		w := g.Initializer[i]
		users := readers(g, w.GetName())
		edit("swapped shape of "+w.GetName(), users, func(g *onnxpb.Graph) {
			d := g.Initializer[i].Dims
			slices.Reverse(d)
		})
		edit("missing "+w.GetName(), users, func(g *onnxpb.Graph) { g.Initializer = slices.Delete(g.Initializer, i, i+1) })
		if k%2 == 0 {
			edit("huge dims of "+w.GetName(), append(users, w.GetName()), func(g *onnxpb.Graph) { g.Initializer[i].Dims[0] = 1 << 40 })
		} else {
			edit("overflowing dims of "+w.GetName(), append(users, w.GetName()), func(g *onnxpb.Graph) {
				g.Initializer[i].Dims = []int64{1 << 20, 1 << 20, 1 << 20, 1 << 4}
			})
		}
		if k == 3 {
			break
		}
	}
	for _, at := range []int{1, len(g.Node) / 2} {
		n := g.Node[at]
		edit("cycle through "+nodeName(n), allNames(g), func(g *onnxpb.Graph) {
			g.Node[at].Input[0] = g.Node[len(g.Node)-1].Output[0]
		})
	}
	edit("huge pads", allNames(g), func(g *onnxpb.Graph) {
		for _, n := range g.Node {
			if n.GetOpType() == "Conv" || n.GetOpType() == "MaxPool" {
				n.Attribute = []*onnxpb.Attribute{{Name: "pads", Type: onnxpb.Attribute_INTS, Ints: []int64{1 << 30, 1 << 30, 1 << 30, 1 << 30}}}
				return
			}
		}
	})
	return all
}

// weights are the initialisers whose shape reads differently backwards and that
// a product uses.
func weights(g *onnxpb.Graph) []int {
	var out []int
	for i, w := range g.GetInitializer() {
		d := slices.Clone(w.GetDims())
		slices.Reverse(d)
		if len(d) < 2 || slices.Equal(d, w.GetDims()) {
			continue
		}
		for _, n := range g.GetNode() {
			if slices.Contains(n.GetInput(), w.GetName()) && (n.GetOpType() == "Conv" || n.GetOpType() == "Gemm" || n.GetOpType() == "MatMul") {
				out = append(out, i)
			}
		}
	}
	return out
}

func readers(g *onnxpb.Graph, name string) []string {
	var out []string
	for _, n := range g.GetNode() {
		if slices.Contains(n.GetInput(), name) {
			out = append(out, nodeName(n))
		}
	}
	return out
}

func allNames(g *onnxpb.Graph) []string {
	var out []string
	for _, n := range g.GetNode() {
		out = append(out, nodeName(n))
	}
	for _, w := range g.GetInitializer() {
		out = append(out, w.GetName())
	}
	return out
}

// TestHostileModels are small files that ask for a lot.
func TestHostileModels(t *testing.T) {
	huge := ints64("s", 1<<15, 1<<15, 1<<15)
	one := func(name string, dims ...int64) *onnxpb.Tensor { return floats(name, dims, 1) }
	for what, m := range map[string]*onnxpb.Model{
		"huge ConstantOfShape": graphOf(13, value("x", 1), []*onnxpb.Tensor{huge}, op("ConstantOfShape", "s", "h"), op("Add", "x h", "y")),
		"huge Expand":          graphOf(13, value("x", 1), []*onnxpb.Tensor{huge}, op("Expand", "x s", "y")),
		"huge Tile":            graphOf(13, value("x", 1, 1, 1), []*onnxpb.Tensor{huge}, op("Tile", "x s", "y")),
		"huge Pad": graphOf(13, value("x", 1), []*onnxpb.Tensor{ints64("s", 1<<40, 1)},
			op("Pad", "x s", "y")),
		"huge Resize": graphOf(13, value("x", 1, 1), []*onnxpb.Tensor{floats("s", []int64{2}, 1e8, 1e8)}, op("Resize", "x  s", "y")),
		"huge Range": graphOf(13, value("x", 1), []*onnxpb.Tensor{one("a"), floats("b", nil, 1e30)},
			op("Range", "a b a", "h"), op("Add", "x h", "y")),
		"huge outer product": graphOf(13, value("x", 1<<20, 1), []*onnxpb.Tensor{}, op("Transpose", "x", "t"), op("Mul", "x t", "y")),
		"huge input":         graphOf(13, value("x", 1<<20, 1<<20), nil, op("Relu", "x", "y")),
		"huge kernel":        graphOf(13, value("x", 1, 1, 2), nil, op("MaxPool", "x", "y", &onnxpb.Attribute{Name: "kernel_shape", Type: onnxpb.Attribute_INTS, Ints: []int64{1 << 62}})),
		"doubling": func() *onnxpb.Model {
			m := graphOf(13, value("x", 1), []*onnxpb.Tensor{floats("h0", []int64{1}, 1)})
			for i := range 60 {
				m.Graph.Node = append(m.Graph.Node, op("Concat", fmt.Sprintf("h%d h%d", i, i), fmt.Sprintf("h%d", i+1), intAttr("axis", 0)))
			}
			m.Graph.Node = append(m.Graph.Node, op("Add", "x h60", "y"))
			return m
		}(),
		"functions that double": func() *onnxpb.Model {
			m := graphOf(13, value("x", 1), nil, &onnxpb.Node{OpType: "f30", Domain: "d", Input: []string{"x"}, Output: []string{"y"}})
			for i := 30; i > 0; i-- {
				call := func(in, out string) *onnxpb.Node {
					return &onnxpb.Node{OpType: fmt.Sprintf("f%d", i-1), Domain: "d", Input: []string{in}, Output: []string{out}}
				}
				m.Functions = append(m.Functions, &onnxpb.Function{
					Name: fmt.Sprintf("f%d", i), Domain: "d", Input: []string{"a"}, Output: []string{"c"}, Node: []*onnxpb.Node{call("a", "b"), call("b", "c")},
				})
			}
			return m
		}(),
	} {
		t.Run(what, func(t *testing.T) {
			data, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			checkMutation(t, mutation{what, []string{"y", "h", "x", "h1", "h24", "y/1/b"}, data})
		})
	}
	t.Run("many empty nodes", func(t *testing.T) {
		inner := []byte{}
		for range 3 << 20 {
			inner = append(inner, 0x0a, 0)
		}
		data, err := proto.Marshal(&onnxpb.Model{Graph: &onnxpb.Graph{}})
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, 0x3a, 0x80|byte(len(inner)&0x7f), 0x80|byte(len(inner)>>7&0x7f), 0x80|byte(len(inner)>>14&0x7f), byte(len(inner)>>21))
		if _, err := Import(append(data, inner...), Options{}); err == nil || !strings.Contains(err.Error(), "fields") {
			t.Errorf("got %v", err)
		}
	})
}

// FuzzImport: whatever the bytes, a graph or an error, and within bounds.
func FuzzImport(f *testing.F) {
	if data, err := os.ReadFile("../../testdata/models/mnist_cntk_8/model.onnx"); err == nil {
		f.Add(data)
	}
	cases, _ := filepath.Glob("../../testdata/conformance/*/*/model.onnx")
	for _, c := range cases {
		if data, err := os.ReadFile(c); err == nil && len(data) < 4096 {
			f.Add(data)
		}
	}
	for _, m := range seedModels() {
		if data, err := proto.Marshal(m); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := Import(data, Options{})
		var u *UnsupportedError
		switch {
		case err == nil && len(g.Outputs) == 0:
			t.Error("a graph without outputs")
		case err != nil && !strings.HasPrefix(err.Error(), "onnx: "):
			t.Errorf("error %q does not say whose it is", err)
		case errors.As(err, &u) && len(u.Entries) == 0:
			t.Error("unsupported, but nothing is listed")
		}
	})
}

// seedModels are starting points that need no test data.
func seedModels() []*onnxpb.Model {
	return []*onnxpb.Model{
		graphOf(13, value("x", 1, 2, 4, 4), []*onnxpb.Tensor{floats("w", []int64{2, 2, 1, 1}, 1, 2, 3, 4), ints64("s", 1, -1)},
			op("Conv", "x w", "h"), op("MaxPool", "h", "p", &onnxpb.Attribute{Name: "kernel_shape", Type: onnxpb.Attribute_INTS, Ints: []int64{2, 2}}),
			op("Reshape", "p s", "r"), op("Softmax", "r", "y")),
		graphOf(13, value("x", -1, 2), []*onnxpb.Tensor{ints64("a", 0), ints64("b", 2)},
			op("Shape", "x", "s"), op("Slice", "s a b", "t"), op("ConstantOfShape", "t", "z"), op("Where", "c x z", "y"), op("Less", "x z", "c")),
		graphOf(18, value("x", 1, 1, 2, 2), []*onnxpb.Tensor{floats("s", []int64{4}, 1, 1, 2, 2)},
			op("Resize", "x  s", "h", stringAttr("mode", "linear")), op("ReduceMean", "h", "y")),
	}
}

// FuzzTensor: a tensor of the announced size, or an error.
func FuzzTensor(f *testing.F) {
	for _, t := range []*onnxpb.Tensor{floats("a", []int64{2}, 1, 2), ints64("b", 1, 2), {DataType: int32(Int4), Dims: []int64{3}, RawData: []byte{1, 2}}} {
		if data, err := proto.Marshal(t); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadTensor(data)
		if err == nil && (len(got.F)+len(got.I) != got.N() || got.F != nil && got.I != nil) {
			t.Errorf("shape %v with %d floats and %d integers", got.Shape, len(got.F), len(got.I))
		}
	})
}
