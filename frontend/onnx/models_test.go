package onnx_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"secc.example/secc/frontend/onnx"
	"secc.example/secc/frontend/onnx/onnxtest"
	"secc.example/secc/ir"
)

// quick are the networks whose first cases run by default; `-tags=slow` runs
// every case of every network.
var quick = map[string]bool{"ezpc_lenet_mnist": true, "mnist_cntk_8": true, "resnet20_cifar10": true, "densenet_fast_40_12_cifar10": true}

// worst is the largest difference relative to the largest expected magnitude.
func worst(got, want []float32) float64 {
	top, diff := 1e-30, 0.0
	for i := range want {
		top = max(top, math.Abs(float64(want[i])))
		diff = max(diff, math.Abs(float64(got[i])-float64(want[i])))
	}
	return diff / top
}

func runModel(t *testing.T, dir string, cases int) {
	m, err := onnxtest.LoadModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Import()
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(g, ir.Real); err != nil {
		t.Fatal(err)
	}
	far := 0.0
	for i := range min(cases, m.Count) {
		got := evaluate(t, g, [][]float32{m.Data(i)})[0]
		if len(got) != len(m.Want(i)) {
			t.Fatalf("%d outputs, want %d", len(got), len(m.Want(i)))
		}
		far = max(far, worst(got, m.Want(i)))
	}
	t.Logf("%d cases, largest relative difference %.1e", min(cases, m.Count), far)
	if !(far <= 1e-3) {
		t.Errorf("differs from the reference by %.2e", far)
	}
}

// TestBundledModels compares the float reference of the networks in testdata
// with onnxruntime's outputs.
func TestBundledModels(t *testing.T) {
	dirs, _ := filepath.Glob("../../testdata/models/*/outputs.f32")
	if len(dirs) == 0 {
		t.Fatal("no networks in testdata")
	}
	for _, f := range dirs {
		dir := filepath.Dir(f)
		t.Run(filepath.Base(dir), func(t *testing.T) { runModel(t, dir, 2) })
	}
}

// TestBatch: a network imported for two inputs gives both answers.
func TestBatch(t *testing.T) {
	m, err := onnxtest.LoadModel("../../testdata/models/resnet20_cifar10")
	if err != nil {
		t.Fatal(err)
	}
	g, err := onnx.ImportFile(filepath.Join(m.Dir, "model.onnx"), onnx.Options{Batch: 2})
	if err != nil {
		t.Fatal(err)
	}
	got := evaluate(t, g, [][]float32{slices.Concat(m.Data(0), m.Data(1))})[0]
	if d := worst(got, slices.Concat(m.Want(0), m.Want(1))); !(d <= 1e-3) {
		t.Errorf("differs from the reference by %.2e", d)
	}
}

// TestModels is TestBundledModels for the networks beside the repository; without
// `-tags=slow` the large ones are imported and verified only.
func TestModels(t *testing.T) {
	root := sharedDir(t, "models")
	if root == "" {
		return
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			cases := 0
			if slow {
				cases = math.MaxInt
			} else if quick[e.Name()] {
				cases = 2
			}
			runModel(t, filepath.Join(root, e.Name()), cases)
		})
	}
}

// TestLightModels imports the weightless networks and, where their published
// output is cheap enough, evaluates them on it and on a seeded fill.
func TestLightModels(t *testing.T) {
	root := sharedDir(t, "light")
	if root == "" {
		return
	}
	dirs, _ := filepath.Glob(filepath.Join(root, "light_*"))
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if !slow && filepath.Base(dir) == "light_vgg19" {
				t.Log("left out without -tags=slow: half a gigabyte of constants")
				return
			}
			c := &onnxtest.Case{Name: filepath.Base(dir), Dir: dir}
			if err := c.Load(); err != nil {
				t.Fatal(err)
			}
			g, bound, err := c.Import()
			if err != nil || len(bound) > 0 {
				t.Fatal(err, bound)
			}
			if err := ir.Verify(g, ir.Real); err != nil {
				t.Fatal(err)
			}
			if !slow {
				return
			}
			got := evaluate(t, g, c.Data(g))[0]
			if d := worst(got, c.Outputs[0].Floats()); !(d <= 1e-3) {
				t.Errorf("differs from the published output by %.2e", d)
			}
		})
	}
}

// TestSeeded compares full-size networks with onnxruntime on non-trivial weights.
func TestSeeded(t *testing.T) {
	root := sharedDir(t, "light", "seeded")
	if root == "" {
		return
	}
	if u := onnxtest.Uniform("a", 4); u[0] != -0.25653815 || u[3] != 0.37188172 {
		t.Fatalf("the fill is wrong: %v", u)
	}
	dirs, _ := filepath.Glob(filepath.Join(root, "light_*"))
	for _, dir := range dirs {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			if !slow && name != "light_squeezenet" && name != "light_shufflenet" {
				t.Log("left out without -tags=slow")
				return
			}
			runSeeded(t, filepath.Join(shared, "light", name, "model.onnx"), dir)
		})
	}
}

func runSeeded(t *testing.T, model, dir string) {
	var meta struct {
		Gain            float64
		Shape           []int
		ReferenceTensor string `json:"reference_tensor"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		t.Fatal(err)
	}
	want, err := onnxtest.ReadFloats(filepath.Join(dir, "out.f32"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	if data, err = onnxtest.Seeded(data, meta.Gain, meta.ReferenceTensor); err != nil {
		t.Fatal(err)
	}
	g, err := onnx.Import(data, onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := evaluate(t, g, [][]float32{onnxtest.Uniform("input", ir.Numel(meta.Shape))})[0]
	d := worst(got, want)
	t.Logf("largest relative difference %.1e", d)
	if len(got) != len(want) || !(d <= 1e-3) {
		t.Errorf("differs from the reference by %.2e", d)
	}
}
