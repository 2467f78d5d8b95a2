package main

import (
	"path/filepath"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"secc/frontend/onnx"
	"secc/ir"
	"secc/passes"
	"secc/runtime"
)

// oneLayer is a layer of resnet20_cifar10 that an X-operator stands in for
// without changing many answers.
const oneLayer = "/layer1/layer1.1/conv2/Conv"

// A network with one X-operator, over OT and by Winograd's algorithm: the secure
// run gives the answers of the rewritten network, at the predicted cost.
func TestSecureRunOfXOperator(t *testing.T) {
	n := loadNetwork(t, "resnet20_cifar10", compileFlags{linear: "ot", winograd: "force", xOperator: oneLayer})
	if x := n.X; len(x.Layers) != 1 || !x.Layers[0].Applied || x.Layers[0].FitError > 0.7 {
		t.Fatalf("%+v", x)
	}
	g, err := onnx.ImportFile("../../testdata/models/resnet20_cifar10/model.onnx", onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := passes.Options{XOperator: oneLayer, Linear: passes.LinearOT}
	for _, c := range n.cases[1:] {
		o.Calibration = append(o.Calibration, []*tensor.Dense{ir.NewReal(n.want.shape, c)})
	}
	x, _, err := passes.XOperators(g, o)
	if err != nil {
		t.Fatal(err)
	}
	values, server, client := n.secure(t, 0)
	out, err := runtime.Decode(n.Plan, values)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ir.Eval(x, []*tensor.Dense{ir.NewReal(n.want.shape, n.cases[0])}, ir.EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	compareLogits(t, "with an X-operator", out[0].Values, ir.Floats(want[0]), 0.02)
	if top := slices.Index(n.ort[0], slices.Max(n.ort[0])); out[0].Values[top] != slices.Max(out[0].Values) {
		t.Errorf("another class than the trained network's: %v", out[0].Values)
	}
	compareCost(t, "server", n.Plan, server)
	compareCost(t, "client", n.Plan, client)
}

// What rewrite writes is, read again, the rewritten network.
func TestRewrittenFileIsTheNetwork(t *testing.T) {
	const dir = "../../testdata/models/resnet20_cifar10/"
	prep := "scale=0.0171:0.0175:0.0174,shift=-2.118:-2.036:-1.804"
	file := filepath.Join(t.TempDir(), "x.onnx")
	c := newRewriteCmd()
	c.SetArgs([]string{dir + "model.onnx", "-o", file, "--calibrate", dir + "images.u8", "--preprocess", prep, "--x-operator", oneLayer})
	c.SetOut(t.Output())
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	f := compileFlags{preprocess: prep, calibrate: []string{dir + "images.u8"}, xOperator: oneLayer, truncation: "stochastic"}
	g, err := onnx.ImportFile(dir+"model.onnx", onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := f.options(g)
	if err != nil {
		t.Fatal(err)
	}
	x, _, err := passes.XOperators(g, o)
	if err != nil {
		t.Fatal(err)
	}
	y, err := onnx.ImportFile(file, onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	norms := 0
	for _, v := range y.Values {
		if v.Op == ir.OpBatchNorm {
			norms++
		}
	}
	if norms != 19 {
		t.Errorf("%d batch normalisations, the network has 19", norms)
	}
	for _, in := range o.Calibration[:3] {
		want, err := ir.Eval(x, in, ir.EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ir.Eval(y, in, ir.EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		compareLogits(t, "written and read", ir.Floats(got[0]), ir.Floats(want[0]), 1e-5)
	}
}
