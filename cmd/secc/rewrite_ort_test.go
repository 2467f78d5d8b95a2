package main

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// What rewrite writes computes in onnxruntime what it computes here. SECC_ORT
// names a program that runs "MODEL --json INPUT.f32" and prints the outputs, one
// JSON object a line with the field data; without one this is left out.
func TestRewrittenFileInOnnxruntime(t *testing.T) {
	runner := os.Getenv("SECC_ORT")
	if runner == "" {
		t.Log("left out: SECC_ORT names no onnxruntime")
		return
	}
	for _, c := range []struct{ model, prep, layers string }{
		{"resnet20_cifar10", "scale=0.0171:0.0175:0.0174,shift=-2.118:-2.036:-1.804", oneLayer},
		{"resnet20_cifar10", "scale=0.0171:0.0175:0.0174,shift=-2.118:-2.036:-1.804", "force"},
		{"mnist_cntk_8", "raw", "force"},
		{"../../../shared/models/ezpc_lenet_mnist", "unit", "force"},
		{"tm_cxr_mobilenetv2_035", "unit", "off"},
	} {
		dir := filepath.Join("../../testdata/models", c.model)
		if _, err := os.Stat(dir); err != nil {
			t.Logf("left out, it is not here: %s", c.model)
			continue
		}
		file, input := filepath.Join(t.TempDir(), "x.onnx"), filepath.Join(t.TempDir(), "in.f32")
		cmd := newRewriteCmd()
		cmd.SetArgs([]string{filepath.Join(dir, "model.onnx"), "-o", file, "--calibrate", filepath.Join(dir, "images.u8"), "--preprocess", c.prep, "--x-operator", c.layers})
		cmd.SetOut(t.Output())
		if err := cmd.Execute(); err != nil {
			t.Fatal(err)
		}
		g, err := onnx.ImportFile(file, onnx.Options{})
		if err != nil {
			t.Fatal(err)
		}
		x, raw := make([]float32, g.Inputs[0].Type.N()), []byte{}
		for i := range x {
			x[i] = float32(math.Sin(float64(i) * 0.7))
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x[i]))
		}
		if err := os.WriteFile(input, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		want, err := ir.Eval(g, []*num.Tensor{ir.NewReal(g.Inputs[0].Type.Shape, x)}, ir.EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(runner, file, "--json", input).Output()
		if err != nil {
			t.Fatalf("%s: onnxruntime: %v", c.model, err)
		}
		var got struct{ Data []float32 }
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		compareLogits(t, c.model+" "+c.layers, got.Data, ir.Floats(want[0]), 2e-5)
	}
}
