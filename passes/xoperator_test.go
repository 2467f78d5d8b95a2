package passes

import (
	"testing"

	"secc/ir"
)

// A convolution that is an X-operator in disguise is recovered: the rewritten
// network computes the same, stride and all.
func TestXOperatorRecoversItself(t *testing.T) {
	for _, stride := range []int{1, 2} {
		b := newBuilder(t)
		x := b.input(1, 8, 12, 12)
		w := b.disguised(6, 8, 3)
		a := &ir.ConvAttrs{Strides: []int{stride, stride}, PadsBegin: []int{1, 1}, PadsEnd: []int{1, 1}}
		y := b.op(ir.OpConv, a, x, w, b.weights(0.3, 6))
		b.g.Outputs = []*ir.Value{b.op(ir.OpRelu, nil, y)}
		in := b.samples(6)
		want := eval(t, b.g, in[0])
		cfg := NewConfig(Options{XOperator: ChoiceForce, Calibration: in})
		if err := xOperator(b.g, cfg); err != nil {
			t.Fatal(err)
		}
		if len(cfg.Fits) != 1 || !cfg.Fits[0].Kept || cfg.Fits[0].Error > 1e-2 {
			t.Errorf("stride %d: fits %+v", stride, cfg.Fits)
		}
		if d, size := farthest(want, eval(t, b.g, in[0])); d > 0.05*size {
			t.Errorf("stride %d: outputs differ by %g of %g", stride, d, size)
		}
		if dense(b.g) {
			t.Errorf("stride %d: the dense convolution is still there\n%s", stride, ir.Print(b.g))
		}
	}
}

// disguised is the kernel of a random X-operator, written out.
func (b *builder) disguised(out, in, k int) *ir.Value {
	w := make([]float32, out*in*k*k)
	depth := make([]float64, in*k*k)
	for i := range depth {
		depth[i] = b.r.NormFloat64()
	}
	for o := range out {
		for c := range in {
			p := b.r.NormFloat64()
			for i := range k * k {
				switch {
				case c%2 == 0:
					w[(o*in+c)*k*k+i] = float32(p * depth[c*k*k+i])
				case i == k*k/2:
					w[(o*in+c)*k*k+i] = float32(p)
				}
			}
		}
	}
	return b.must(b.g.Const("w", ir.NewReal([]int{out, in, k, k}, w)))
}

func dense(g *ir.Graph) bool {
	for _, v := range g.Values {
		if v.Op == ir.OpConv && v.Attrs.(*ir.ConvAttrs).Group <= 1 && ir.Numel(v.Args[1].Type.Shape[2:]) > 1 {
			return true
		}
	}
	return false
}

// Auto gives up what moves the answers too far; a random kernel is no X-operator.
func TestXOperatorAutoKeepsAnswers(t *testing.T) {
	b := newBuilder(t)
	b.g.Outputs = []*ir.Value{b.conv(b.input(1, 8, 10, 10), 16, 3, 1, 1)}
	in := b.samples(4)
	want := eval(t, b.g, in[0])
	cfg := NewConfig(Options{XOperator: ChoiceAuto, Linear: LinearOT, Calibration: in})
	if err := xOperator(b.g, cfg); err != nil {
		t.Fatal(err)
	}
	if len(cfg.Fits) != 1 || cfg.Fits[0].Kept || cfg.Fits[0].Error < 0.1 {
		t.Errorf("fits %+v", cfg.Fits)
	}
	if d, _ := farthest(want, eval(t, b.g, in[0])); d != 0 {
		t.Errorf("the network changed by %g", d)
	}
}

// Several layers, forced, through the whole compiler: the fixed-point network
// follows the rewritten one.
func TestXOperatorCompiles(t *testing.T) {
	b := build(t, networks()["residual"])
	in := b.samples(8)
	c, err := Compile(b.g, Options{XOperator: ChoiceForce, Calibration: in})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Fits) == 0 {
		t.Fatal("nothing was rewritten")
	}
	rewritten, err := Rewrite(b.g, Options{XOperator: ChoiceForce, Calibration: in})
	if err != nil {
		t.Fatal(err)
	}
	res, err := ir.Simulate(c.Fixed, in[0], ir.SimOptions{Rounding: ir.Stochastic})
	if err != nil {
		t.Fatal(err)
	}
	if d, size := farthest(eval(t, rewritten, in[0]), res.Outputs[0].Floats()); d > 0.02*size {
		t.Errorf("outputs differ by %g (largest %g)", d, size)
	}
}
