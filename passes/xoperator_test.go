package passes

import (
	"math"
	"testing"

	"secc/ir"
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

// A convolution that is an X-operator already is found exactly, strides and
// padding and all.
func TestXFitFindsWhatIsThere(t *testing.T) {
	for _, stride := range []int{1, 2} {
		b := newBuilder(t)
		x := b.input(1, 5, 9, 8)
		const in, out = 5, 4
		w, depth := make([]float32, out*in*9), make([]float64, in*9)
		for i := range depth {
			depth[i] = b.r.NormFloat64()
		}
		for o := range out {
			for c := range in {
				mix := b.r.NormFloat64()
				for k := range 9 {
					switch {
					case c%2 == 0:
						w[(o*in+c)*9+k] = float32(mix * depth[c*9+k])
					case k == 4:
						w[(o*in+c)*9+k] = float32(mix)
					}
				}
			}
		}
		a := &ir.ConvAttrs{Strides: []int{stride, stride}, PadsBegin: []int{1, 1}, PadsEnd: []int{1, 1}}
		y := b.op(ir.OpConv, a, x, b.must(b.g.Const("w", ir.NewReal([]int{out, in, 3, 3}, w))), b.weights(0.3, out))
		b.g.Outputs = []*ir.Value{b.op(ir.OpRelu, nil, y)}
		samples := b.samples(6)
		g, report, err := XOperators(b.g, Options{Calibration: samples, XOperator: "force"})
		fail(t, err)
		fail(t, ir.Verify(g, ir.Real))
		if len(report.Layers) != 1 || !report.Layers[0].Applied || report.Layers[0].FitError > 1e-3 {
			t.Fatalf("stride %d: %+v", stride, report)
		}
		fresh := b.samples(1)[0]
		want := eval(t, b.g, fresh)
		if d, size := farthest(want, eval(t, g, fresh)); d > 2e-3*size {
			t.Errorf("stride %d: outputs differ by %g (largest %g)", stride, d, size)
		}
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
