package passes

import (
	"math"
	"testing"

	"secc.example/secc/ir"
)

// convs names a network's convolutions in order, for lists of layers.
func convs(g *ir.Graph) (names []string) {
	for _, v := range g.Values {
		if v.Op == ir.OpConv {
			names = append(names, v.Name)
		}
	}
	return names
}

// A convolution that is an X-operator already is found exactly: strides, kernels
// with a centre and without, and padding of any width, evaluated and compiled.
func TestXFitFindsWhatIsThere(t *testing.T) {
	for _, c := range []struct{ kh, kw, stride, dilation, top, left, bottom, right int }{
		{3, 3, 1, 1, 1, 1, 1, 1}, // keeps the size
		{3, 3, 2, 1, 1, 1, 1, 1},
		{3, 3, 2, 1, 0, 0, 1, 1}, // as TensorFlow pads for a stride
		{3, 3, 1, 1, 0, 0, 0, 0}, // no padding: the identity's half is cropped
		{5, 3, 2, 1, 0, 1, 0, 0},
		{3, 3, 1, 1, 2, 2, 2, 2}, // more than half the kernel: zeros stand around it
		{3, 3, 2, 1, 0, 2, 2, 0},
		{2, 2, 1, 1, 0, 0, 0, 0}, // no centre
		{4, 2, 1, 1, 1, 0, 2, 1},
		{3, 3, 1, 2, 0, 2, 0, 2}, // dilated
	} {
		b := newBuilder(t)
		x := b.input(1, 5, 9, 8)
		a := &ir.ConvAttrs{Strides: []int{c.stride, c.stride}, Dilations: []int{c.dilation, c.dilation}, PadsBegin: []int{c.top, c.left}, PadsEnd: []int{c.bottom, c.right}}
		y := b.op(ir.OpConv, a, x, b.xKernel(4, 5, c.kh, c.kw), b.weights(0.3, 4))
		b.g.Outputs = []*ir.Value{b.op(ir.OpRelu, nil, y)}
		samples := b.samples(8)
		g, report, err := XOperators(b.g, Options{Calibration: samples, XOperator: "force"})
		fail(t, err)
		fail(t, ir.Verify(g, ir.Real))
		if len(report.Layers) != 1 || !report.Layers[0].Applied || report.Layers[0].FitError > 1e-3 {
			t.Fatalf("%+v: %+v", c, report)
		}
		fresh := b.samples(1)[0]
		want := eval(t, b.g, fresh)
		if d, size := farthest(want, eval(t, g, fresh)); d > 2e-3*size {
			t.Errorf("%+v: outputs differ by %g (largest %g)", c, d, size)
		}
		fixed, err := Compile(b.g, Options{Calibration: samples, XOperator: "force", Linear: LinearOT, Winograd: ChoiceForce})
		fail(t, err)
		sim, err := ir.Simulate(fixed.Fixed, fresh, ir.SimOptions{})
		fail(t, err)
		if d, size := farthest(want, sim.Outputs[0].Floats()); d > 0.01*size {
			t.Errorf("%+v: compiled, outputs differ by %g (largest %g)", c, d, size)
		}
	}
}

// xKernel makes the weights of a convolution that an X-operator computes: those
// of the even channels are multiples of one kernel, the odd ones see the middle.
func (b *builder) xKernel(out, in, kh, kw int) *ir.Value {
	w, depth := make([]float32, out*in*kh*kw), make([]float64, in*kh*kw)
	for i := range depth {
		depth[i] = b.r.NormFloat64()
	}
	for o := range out {
		for c := range in {
			mix := b.r.NormFloat64()
			for k := range kh * kw {
				switch at := (o*in+c)*kh*kw + k; {
				case c%2 == 0:
					w[at] = float32(mix * depth[c*kh*kw+k])
				case k == (kh-1)/2*kw+(kw-1)/2:
					w[at] = float32(mix)
				}
			}
		}
	}
	return b.must(b.g.Const("w", ir.NewReal([]int{out, in, kh, kw}, w)))
}

// A layer without weights is fitted too, by one without weights.
func TestXFitOfNothing(t *testing.T) {
	b := newBuilder(t)
	x := b.input(1, 4, 6, 6)
	w := b.must(b.g.Const("w", ir.NewReal([]int{3, 4, 3, 3}, make([]float32, 3*4*9))))
	b.g.Outputs = []*ir.Value{b.op(ir.OpConv, nil, x, w)}
	g, _, err := XOperators(b.g, Options{Calibration: b.samples(4), XOperator: "force"})
	fail(t, err)
	if d, _ := farthest(make([]float32, 3*16), eval(t, g, b.samples(1)[0])); d > 0 {
		t.Errorf("outputs differ from zero by %g", d)
	}
}

// What is not asked for is not done, and the network given is never changed.
func TestXOperatorsKeepToTheirOrders(t *testing.T) {
	b := build(t, networks()["residual"])
	samples := b.samples(12)
	before := ir.Print(b.g)
	for _, o := range []Options{{}, {XOperator: "auto"}, {XOperator: "off", XDrop: 0.5}} {
		o.Calibration = samples
		g, report, err := XOperators(b.g, o)
		fail(t, err)
		if g != b.g || len(report.Layers) > 0 {
			t.Errorf("%+v: something was replaced", report)
		}
	}
	g, report, err := XOperators(b.g, Options{Calibration: samples, XOperator: "force", XDrop: 1e-9})
	fail(t, err)
	for _, l := range report.Layers {
		if l.Applied && l.Agreement < 1 {
			t.Errorf("%+v: applied beyond the drop allowed", l)
		}
	}
	fail(t, ir.Verify(g, ir.Real))
	if ir.Print(b.g) != before {
		t.Error("the network given was changed")
	}
	if _, _, err = XOperators(b.g, Options{Calibration: samples, XOperator: "nowhere"}); err == nil {
		t.Error("an unknown layer was accepted")
	}
	if _, _, err = XOperators(b.g, Options{XOperator: "force"}); err == nil {
		t.Error("weights were fitted on nothing")
	}
}

// Two layers one after the other, with nothing between them, are both replaced.
func TestXOperatorBehindXOperator(t *testing.T) {
	b := newBuilder(t)
	x := b.op(ir.OpConv, nil, b.input(1, 4, 9, 9), b.xKernel(4, 4, 3, 3))
	b.g.Outputs = []*ir.Value{b.op(ir.OpConv, nil, x, b.xKernel(2, 4, 3, 3))}
	g, report, err := XOperators(b.g, Options{Calibration: b.samples(12), XOperator: "force"})
	fail(t, err)
	if len(report.Layers) != 2 || report.Layers[1].FitError > 1e-3 {
		t.Errorf("%+v", report)
	}
	fresh := b.samples(1)[0]
	want := eval(t, b.g, fresh)
	if d, size := farthest(want, eval(t, g, fresh)); d > 4e-3*size {
		t.Errorf("outputs differ by %g (largest %g)", d, size)
	}
}

// Later fits make up for earlier errors: the last layer of a chain fitted in
// turn is nearer to the trained network than one fitted on trained activations.
func TestXFitLearnsFromErrors(t *testing.T) {
	b := newBuilder(t)
	x := b.input(1, 4, 12, 12)
	x = b.op(ir.OpRelu, nil, b.conv(x, 8, 3, 1, 1))
	b.g.Outputs = []*ir.Value{b.conv(x, 6, 3, 1, 1)}
	for i, v := range b.g.Values {
		if v.Op == ir.OpConv {
			v.Name = []string{"first", "second"}[min(i/5, 1)]
		}
	}
	samples, fresh := b.samples(24), b.samples(4)
	names := convs(b.g)
	both, _, err := XOperators(b.g, Options{Calibration: samples, XOperator: XChoice(names[0] + "," + names[1])})
	fail(t, err)
	// the second one's weights, fitted to trained activations, behind the first X-operator
	second, _, err := XOperators(b.g, Options{Calibration: samples, XOperator: XChoice(names[1])})
	fail(t, err)
	apart, _, err := XOperators(second, Options{Calibration: samples, XOperator: XChoice(names[0])})
	fail(t, err)
	var inTurn, separately float64
	for _, in := range fresh {
		want := eval(t, b.g, in)
		inTurn += squared(want, eval(t, both, in))
		separately += squared(want, eval(t, apart, in))
	}
	if inTurn >= separately {
		t.Errorf("error %g in turn, %g separately", math.Sqrt(inTurn), math.Sqrt(separately))
	}
}

func squared(a, b []float32) (sum float64) {
	for i := range a {
		sum += math.Pow(float64(a[i]-b[i]), 2)
	}
	return sum
}
