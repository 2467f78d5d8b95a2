package onnx_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/frontend/onnx"
	"secc.example/secc/frontend/onnx/onnxtest"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// again exports a graph and imports what was written.
func again(t *testing.T, g *ir.Graph, o onnx.ExportOptions) *ir.Graph {
	t.Helper()
	data, err := onnx.Export(g, o)
	if err != nil {
		t.Fatal(err)
	}
	h, err := onnx.Import(data, onnx.Options{})
	if err != nil {
		t.Fatalf("what was exported cannot be imported: %v", err)
	}
	if !slices.Equal(h.OutputNames, g.OutputNames) || len(h.Inputs) != len(g.Inputs) {
		t.Errorf("outputs %v and %d inputs, were %v and %d", h.OutputNames, len(h.Inputs), g.OutputNames, len(g.Inputs))
	}
	for i, in := range g.Inputs {
		if h.Inputs[i].Name != in.Name || !slices.Equal(h.Inputs[i].Type.Shape, in.Type.Shape) {
			t.Errorf("input %d is %v, was %v", i, h.Inputs[i], in)
		}
	}
	return h
}

// TestExportedModels: a network that is written and read again computes the
// same, with statistics of its batch normalisations and without.
func TestExportedModels(t *testing.T) {
	dirs, _ := filepath.Glob("../../testdata/models/*/outputs.f32")
	if dir := sharedDir(t, "models"); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "ezpc_lenet_mnist/x"), filepath.Join(dir, "densenet_fast_40_12_cifar10/x"))
	}
	for _, f := range dirs {
		m, err := onnxtest.LoadModel(filepath.Dir(f))
		if err != nil {
			t.Fatal(err)
		}
		g, err := m.Import()
		if err != nil {
			t.Fatal(err)
		}
		norms := 0
		for _, v := range g.Values {
			if v.Op == ir.OpBatchNorm {
				norms++
			}
		}
		want := evaluate(t, g, [][]float32{m.Data(0)})[0]
		calibration := [][]*num.Tensor{{ir.NewReal(g.Inputs[0].Type.Shape, m.Data(1))}}
		for _, o := range []onnx.ExportOptions{{}, {Calibration: calibration}} {
			got := evaluate(t, again(t, g, o), [][]float32{m.Data(0)})[0]
			if d := worst(got, want); d > 2e-5 {
				t.Errorf("%s (calibrated: %v): differs by %.1e", f, o.Calibration != nil, d)
			}
		}
		t.Logf("%s: %d values, %d batch normalisations", filepath.Base(filepath.Dir(f)), len(g.Values), norms)
	}
}

// TestExportedConformance: every published case that can be imported computes
// the same after it was written and read again, unless opset 13 has no operator
// for it.
func TestExportedConformance(t *testing.T) {
	cases, err := onnxtest.Index("../../testdata/conformance")
	if err != nil {
		t.Fatal(err)
	}
	same, refused := 0, 0
	for _, c := range cases {
		if err := c.Load(); err != nil {
			t.Fatal(err)
		}
		g, _, err := c.Import()
		if err != nil {
			continue
		}
		data, err := onnx.Export(g, onnx.ExportOptions{})
		if err != nil {
			refused++
			t.Log(err)
			continue
		}
		h, err := onnx.Import(data, onnx.Options{})
		if err != nil {
			t.Errorf("%s: exported, but not imported: %v", c.Name, err)
			continue
		}
		for i, got := range evaluate(t, h, c.Data(g)) {
			if err := onnxtest.Compare(got, c.Outputs[i].Floats(), 1e-3, 1e-5); err != nil {
				t.Errorf("%s: output %d: %v", c.Name, i, err)
			}
		}
		same++
	}
	t.Logf("%d cases the same, %d without an operator", same, refused)
	if same < 10*refused {
		t.Errorf("%d cases could not be written", refused)
	}
}

// What has no operator is refused by name.
func TestExportRefuses(t *testing.T) {
	g := &ir.Graph{}
	x, err := g.Input("x", []int{1, 4})
	if err != nil {
		t.Fatal(err)
	}
	y, err := g.New(ir.OpPad, "around", &ir.PadAttrs{Before: []int{0, 1}, After: []int{0, 1}, Mode: ir.PadWrap}, x)
	if err != nil {
		t.Fatal(err)
	}
	g.Outputs = []*ir.Value{y}
	if _, err := onnx.Export(g, onnx.ExportOptions{}); err == nil || !strings.Contains(err.Error(), "around") {
		t.Errorf("error %v", err)
	}
}
