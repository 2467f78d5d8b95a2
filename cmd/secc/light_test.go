package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"secc.example/secc/frontend/onnx"
	"secc.example/secc/frontend/onnx/onnxtest"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
)

// lightDir holds full-size networks without weights of their own.
const lightDir = "../../../shared/light"

// lightTolerance is the largest deviation from onnxruntime, as a share of the
// largest output, that 16-bit formats may cause in a network of this depth whose
// weights are random.
const lightTolerance = 0.01

// equalTolerance is that of a network whose weights are all equal: they round
// alike, so their errors add up instead of averaging out. Half an ulp of noise
// becomes up to sqrt(fan)/2 ulp, 0.3 % of a value of 2^13 at a fan of 4608 and
// 1 % at 25088, in each of 19 layers.
const equalTolerance = 0.05

// Full-size networks with seeded weights, in the simulator, give what onnxruntime
// gives. Formats come from another input.
func TestSeededNetworks(t *testing.T) {
	if !slowTests {
		t.Log("left out without -tags slow")
		return
	}
	dirs, _ := filepath.Glob(filepath.Join(lightDir, "seeded", "*"))
	if len(dirs) == 0 {
		t.Logf("left out: no networks in %s", lightDir)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) { checkSeeded(t, dir) })
	}
}

func checkSeeded(t *testing.T, dir string) {
	var meta struct {
		Gain            float64 `json:"gain"`
		Shape           []int   `json:"shape"`
		ReferenceTensor string  `json:"reference_tensor"`
	}
	if err := json.Unmarshal(readTest(t, filepath.Join(dir, "meta.json")), &meta); err != nil {
		t.Fatal(err)
	}
	data, err := onnxtest.Seeded(readTest(t, filepath.Join(lightDir, filepath.Base(dir), "model.onnx")), meta.Gain, meta.ReferenceTensor)
	if err != nil {
		t.Fatal(err)
	}
	want, err := onnxtest.ReadFloats(filepath.Join(dir, "out.f32"))
	if err != nil {
		t.Fatal(err)
	}
	n := ir.Numel(meta.Shape)
	dense := func(name string) []*num.Tensor {
		return []*num.Tensor{ir.NewReal(meta.Shape, onnxtest.Uniform(name, n))}
	}
	g, err := onnx.Import(data, onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	simulate(t, g, [][]*num.Tensor{dense("first"), dense("second")}, dense("input"), want, lightTolerance)
}

// simulate compiles a network, runs it in the simulator and holds the output to want.
func simulate(t *testing.T, g *ir.Graph, calibration [][]*num.Tensor, in []*num.Tensor, want []float32, tolerance float64) {
	t.Helper()
	made, err := passes.Compile(g, passes.Options{Calibration: calibration})
	if err != nil {
		t.Fatal(err)
	}
	sim, err := ir.Simulate(made.Fixed, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := sim.Outputs[0].Floats()
	if len(got) != len(want) {
		t.Fatalf("%d outputs, want %d", len(got), len(want))
	}
	worst, largest := 0.0, 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i]-want[i])))
		largest = max(largest, math.Abs(float64(want[i])))
	}
	t.Logf("largest deviation %.3g of %.3g (%.2f %%)", worst, largest, 100*worst/largest)
	if !(worst <= tolerance*largest) {
		t.Errorf("deviates by more than %g %%", 100*tolerance)
	}
}

// The largest network, with the constant weights it is published with. The
// published output says only that all classes are equal: the reference agrees.
// Its logits near 2^105 are equal too, which rounding to 16 bits, of one part in
// 2^14, turns into differences that a softmax blows up; so logits are compared.
func TestPublishedNetwork(t *testing.T) {
	dir := filepath.Join(lightDir, "light_vgg19")
	if _, err := os.Stat(dir); err != nil || !slowTests {
		t.Log("left out: needs -tags slow and the network")
		return
	}
	c := &onnxtest.Case{Dir: dir}
	if err := c.Load(); err != nil {
		t.Fatal(err)
	}
	g, _, err := c.Import()
	if err != nil {
		t.Fatal(err)
	}
	in := []*num.Tensor{ir.NewReal(g.Inputs[0].Type.Shape, c.Data(g)[0])}
	if last := g.Outputs[0]; last.Op != ir.OpSoftmax {
		t.Fatalf("ends in %s", last.Op)
	}
	g.Outputs = append(g.Outputs, g.Outputs[0].Args[0])
	out, err := ir.Eval(g, in, ir.EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := onnxtest.Compare(ir.Floats(out[0]), c.Outputs[0].Floats(), 1e-4, 0); err != nil {
		t.Error(err)
	}
	g.Outputs = g.Outputs[1:]
	simulate(t, g, nil, in, ir.Floats(out[1]), equalTolerance)
}
