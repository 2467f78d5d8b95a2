package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"secc.example/secc"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
	"secc.example/secc/runtime"
)

// oneLayer is a layer of resnet20_cifar10 that an X-operator stands in for
// without changing many answers.
const oneLayer = "/layer1/layer1.1/conv2/Conv"

// Networks with one X-operator, over RLWE and over OT, by Winograd's algorithm and
// without: the secure run gives the answers of the rewritten network, at the
// predicted cost. The convolutions of ezpc_lenet_mnist are not padded.
func TestSecureRunOfXOperator(t *testing.T) {
	for _, c := range []struct{ name, layer, linear, winograd string }{
		{"resnet20_cifar10", oneLayer, "ot", "force"},
		{"../../../shared/models/ezpc_lenet_mnist", "/conv2/Conv", "rlwe", "off"},
		{"../../../shared/models/ezpc_lenet_mnist", "/conv2/Conv", "ot", "off"},
		{"../../../shared/models/ezpc_lenet_mnist", "/conv2/Conv", "ot", "force"},
	} {
		dir := filepath.Join("../../testdata/models", c.name)
		if _, err := os.Stat(dir); err != nil {
			t.Logf("left out, it is not here: %s", c.name)
			continue
		}
		n := loadNetwork(t, c.name, compileFlags{linear: c.linear, winograd: c.winograd, xOperator: c.layer})
		if x := n.X; len(x.Layers) != 1 || !x.Layers[0].Applied || x.Layers[0].FitError > 0.7 {
			t.Fatalf("%+v", x)
		}
		g, err := onnx.ImportFile(filepath.Join(dir, "model.onnx"), onnx.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o := passes.Options{XOperator: passes.XChoice(c.layer)}
		for _, in := range n.cases[1:] {
			o.Calibration = append(o.Calibration, []*num.Tensor{ir.NewReal(n.want.Shape, in)})
		}
		top := slices.Index(n.ort[0], slices.Max(n.ort[0]))
		if got := n.asRewritten(t, g, o); got[top] != slices.Max(got) {
			t.Errorf("%s: another class than the trained network's: %v", c.name, got)
		}
	}
}

// asRewritten runs the first case and compares it with the network that
// X-operators make of g, evaluated in floating point, and with the predicted cost.
func (n *network) asRewritten(t *testing.T, g *ir.Graph, o passes.Options) []float32 {
	t.Helper()
	x, _, err := passes.XOperators(g, o)
	if err != nil {
		t.Fatal(err)
	}
	values, server, client := n.secure(t, 0)
	out, err := runtime.Decode(n.Plan, values)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ir.Eval(x, []*num.Tensor{ir.NewReal(g.Inputs[0].Type.Shape, n.cases[0])}, ir.EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	compareLogits(t, "with an X-operator", out[0].Values, ir.Floats(want[0]), 0.02)
	compareCost(t, "server", n.Plan, server)
	compareCost(t, "client", n.Plan, client)
	return out[0].Values
}

// X-operators whose identity half is cropped, taken a stride apart or padded run
// securely as they evaluate.
func TestSecureRunOfCroppedXOperators(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int, scale float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(scale * r.NormFloat64())
		}
		return x
	}
	g := &ir.Graph{Name: "cropped"}
	must := func(v *ir.Value, err error) *ir.Value {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	shape := []int{1, 4, 14, 12}
	x := must(g.Input("x", shape))
	for i, a := range []*ir.ConvAttrs{{}, {Strides: []int{2, 2}, PadsEnd: []int{1, 1}}, {PadsBegin: []int{2, 2}}} {
		name := fmt.Sprintf("conv%d", i)
		w := must(g.Const(name+".weight", ir.NewReal([]int{4, 4, 3, 3}, random(4*4*9, 0.2))))
		x = must(g.New(ir.OpRelu, name+".relu", nil, must(g.New(ir.OpConv, name, a, x, w))))
	}
	g.Outputs = []*ir.Value{must(g.New(ir.OpReshape, "flat", &ir.ReshapeAttrs{Shape: []int{1, x.Type.N()}}, x))}
	n := &network{cases: [][]float32{random(ir.Numel(shape), 1)}}
	o := passes.Options{XOperator: "force"}
	for range 30 {
		o.Calibration = append(o.Calibration, []*num.Tensor{ir.NewReal(shape, random(ir.Numel(shape), 1))})
	}
	for _, how := range []struct {
		linear   passes.Linear
		winograd passes.Choice
	}{{passes.LinearRLWE, passes.ChoiceOff}, {passes.LinearOT, passes.ChoiceOff}, {passes.LinearOT, passes.ChoiceForce}} {
		o.Linear, o.Winograd = how.linear, how.winograd
		var err error
		if n.Result, err = passes.Compile(g, o); err != nil {
			t.Fatal(err)
		}
		if len(n.X.Layers) != 3 {
			t.Errorf("%+v", n.X)
		}
		n.asRewritten(t, g, o)
	}
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
	o, err := f.options(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := secc.Import(t.Context(), readTest(t, dir+"model.onnx"), o)
	if err != nil {
		t.Fatal(err)
	}
	x, _, err := passes.XOperators(m.Graph, m.Options)
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
	for _, in := range m.Options.Calibration[:3] {
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
