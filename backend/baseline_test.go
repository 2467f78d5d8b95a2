package backend

import (
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

var iknp = oblivious{lambda}

// The closed forms, with the figures worked out by hand.
func TestCrypTFlow2Forms(t *testing.T) {
	silent := oblivious{silentBits}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"32-bit comparison, below 142 bits a bit", iknp.millionaires(32), 4544},
		{"37-bit relu: 142*36 + 2*(128+74)", iknp.relu(37), 5516},
		{"its bound 146*37 + 256", iknp.relu(37), 146*37 + 2*128 - 142},
		{"truncation of 37 by 12 bits: 128*40 + 15*37 + 12 + 20", iknp.truncate(37, 12), 5707},
		{"no truncation", iknp.truncate(37, 0), 0},
		{"narrowing 28 by 12: 128*13 + 28 + 13*12", iknp.narrow(28, 12), 1848},
		{"widening 16 to 28: 128*17 + 13*16 + 28", iknp.widen(16, 28), 2412},
		{"division by 49: (192+34)*(37+2*9)", iknp.divide(37, 49), 12430},
		{"silent comparison", silent.millionaires(16), 176},
	} {
		if d := c.got - c.want; d > 1e-6 || d < -1e-6 {
			t.Errorf("%s: %g bits, want %g", c.name, c.got, c.want)
		}
	}
}

// 2x3 times 3x5: with 4-bit factors mod 2^4 every multiplication takes 4+3+2+1
// bits; 6 weights or 15 activations choose.
func TestMatMulBits(t *testing.T) {
	const macs = 2 * 3 * 5
	if got := iknp.matmul(2, 3, 5, 4, 4, 4); got != 6*4*128+macs*10 {
		t.Errorf("weights choose: %g bits", got)
	}
	if got := iknp.matmul(5, 3, 2, 4, 4, 4); got != 6*4*128+macs*10 {
		t.Errorf("activations choose: %g bits", got)
	}
	// 12-bit weights in a ring of 28: 28+27+...+17 = 270 bits.
	if got := iknp.matmul(2, 3, 5, 12, 28, 28); got != 6*12*128+macs*270 {
		t.Errorf("mixed widths: %g bits", got)
	}
}

type build struct {
	*testing.T
	*ir.Graph
}

func (b build) input(shape ...int) *ir.Value {
	v, err := b.Graph.Input("x", shape)
	return b.must(v, err)
}

func (b build) must(v *ir.Value, err error) *ir.Value {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func (b build) constant(shape ...int) *ir.Value {
	return b.must(b.Const("c", ir.NewReal(shape, make([]float32, ir.Numel(shape)))))
}

func (b build) conv(x *ir.Value, out, k, group int) *ir.Value {
	w := b.constant(out, x.Type.Shape[1]/group, k, k)
	pad := []int{k / 2, k / 2}
	return b.must(b.New(ir.OpConv, "conv", &ir.ConvAttrs{Group: group, PadsBegin: pad, PadsEnd: pad}, x, w))
}

func (b build) op(op ir.Op, name string, attrs any, args ...*ir.Value) *ir.Value {
	return b.must(b.New(op, name, attrs, args...))
}

func ladder(g *ir.Graph, b Baseline, ours *plan.Report) (map[string]LadderStep, []LayerCost) {
	steps, layers := Ladder(g, b, ours)
	at := map[string]LadderStep{}
	for i, s := range steps {
		at[[]string{"two", "one", "xop", "winograd", "mixed", "silent", "own"}[i+2-b.Terms]] = s
	}
	return at, layers
}

// One 3x3 convolution, 8 -> 8 channels on 64x64, 37 bits: 2,359,296
// multiplications of 703 bits, 576 weights of 37 OTs.
func TestLadderOfOneConvolution(t *testing.T) {
	b := build{t, &ir.Graph{Name: "g"}}
	x := b.input(1, 8, 64, 64)
	c := b.conv(b.op(ir.OpRelu, "first", nil, x), 8, 3, 1)
	b.Outputs = []*ir.Value{b.op(ir.OpRelu, "r", nil, c)}
	own := &plan.Report{Operators: []plan.OperatorCost{
		{Name: "conv", Protocol: plan.ProtoLinearRLWE, ClientToServer: 70, ServerToClient: 30},
		{Name: "r, first", Protocol: plan.ProtoRelu, ClientToServer: 7, ServerToClient: 4},
		{Name: "gone", Protocol: plan.ProtoRelu, ClientToServer: 2},
	}}
	own.Total.Bytes = 200
	steps, layers := ladder(b.Graph, Baseline{Ring: 37, Scale: 12, Terms: 2}, own)

	const macs, positions, values = 64 * 64 * 8 * 8 * 9, 64 * 64, 64 * 64 * 8
	const term = (macs*703 + 576*37*128) / 8
	if got := steps["two"].Linear; got != 2*term {
		t.Errorf("two terms: %d bytes, want %d", got, 2*term)
	}
	if got := steps["one"].Linear; got != term {
		t.Errorf("one term: %d bytes, want %d", got, term)
	}
	const rest = 2*values*5516/8 + values*5707/8
	if got := steps["two"].NonLinear; got != rest {
		t.Errorf("non-linear: %d bytes, want %d", got, rest)
	}
	// Four channels of 9 weights, then 8x8.
	const xop = (positions*(4*9+64)*703 + (4*9+64)*37*128) / 8
	if got := steps["xop"].Linear; got != xop {
		t.Errorf("X-operator: %d bytes, want %d", got, xop)
	}
	// 256 tiles of 36 products in place of 4096 positions of 9.
	const winograd = (4*36*256*703+4*36*37*128)/8 + (positions*64*703+64*37*128)/8
	if got := steps["winograd"].Linear; got != winograd {
		t.Errorf("Winograd: %d bytes, want %d", got, winograd)
	}
	// Alone, with two terms: the 36 products of a tile are of 8x8 weights.
	const alone = 2 * 36 * 64 * (256*703 + 37*128) / 8
	if got := WinogradOverOT(b.Graph, Baseline{Ring: 37, Scale: 12, Terms: 2}); got.Linear != alone || got.NonLinear != rest || got.Bytes != alone+rest {
		t.Errorf("Winograd alone: %+v, want %d and %d bytes", got, alone, rest)
	}
	// 34 bits of ring and 18 of weight in the tiles: 34+...+17 = 459; 270 outside.
	const mixed = (4*36*256*459 + 4*36*18*128 + positions*64*270 + 64*12*128) / 8
	if got := steps["mixed"].Linear; got != mixed {
		t.Errorf("mixed widths: %d bytes, want %d", got, mixed)
	}
	if got := steps["own"]; got.Bytes != 200 || got.Linear != 100 || got.NonLinear != 100 {
		t.Errorf("own step %+v", got)
	}
	checkLayers(t, layers, steps)
}

// Rows add up to the steps, the plan's own bytes included.
func checkLayers(t *testing.T, layers []LayerCost, steps map[string]LadderStep) {
	t.Helper()
	for i, rung := range []string{"two", "one", "xop", "winograd", "mixed", "silent", "own"} {
		var bytes, linear int64
		for _, l := range layers {
			bytes += l.Bytes[i]
			linear += l.Linear[i]
		}
		if bytes != steps[rung].Bytes || linear != steps[rung].Linear {
			t.Errorf("%s: rows add up to %d (%d linear), the step says %+v", rung, bytes, linear, steps[rung])
		}
	}
	own := map[string]int64{}
	for _, l := range layers {
		own[l.Name] = l.Bytes[len(l.Bytes)-1]
	}
	if own["conv"] != 100 || own["r"]+own["first"] != 11 || own[otherSteps] != 89 {
		t.Errorf("own bytes by row: %v", own)
	}
}

// A batch_norm behind a convolution is folded; behind anything else it is an
// elementwise product with its truncation. Pools compare and divide.
func TestLayersBesideConvolutions(t *testing.T) {
	b := build{t, &ir.Graph{Name: "g"}}
	x := b.input(1, 4, 8, 8)
	norm := func(x *ir.Value) *ir.Value {
		return b.op(ir.OpBatchNorm, "bn", &ir.LinearAttrs{}, x, b.constant(4), b.constant(4))
	}
	y := norm(b.conv(norm(x), 4, 1, 1))
	y = b.op(ir.OpMaxPool, "max", &ir.PoolAttrs{Kernel: []int{2, 2}, Strides: []int{2, 2}}, y)
	y = b.op(ir.OpAvgPool, "avg", &ir.PoolAttrs{Kernel: []int{4, 4}}, y)
	b.Outputs = []*ir.Value{y}
	_, layers := ladder(b.Graph, Baseline{Ring: 37, Scale: 12, Terms: 1}, &plan.Report{})
	want := []struct {
		op    string
		bytes int64
	}{
		{"batch_norm", 256*(37*128+703)/8 + 256*5707/8},
		{"conv", (64*16*703+16*37*128)/8 + 256*5707/8},
		{"max_pool", 64 * 3 * 5516 / 8},
		{"avg_pool", 4 * 226 * (37 + 2*7) / 8},
		{"other", 0},
	}
	if len(layers) != len(want) {
		t.Fatalf("%d rows: %+v", len(layers), layers)
	}
	for i, w := range want {
		if l := layers[i]; l.Op != w.op || l.Bytes[0] != w.bytes {
			t.Errorf("row %d: %s %d bytes, want %s %d", i, l.Op, l.Bytes[0], w.op, w.bytes)
		}
	}
}

func TestSurvey(t *testing.T) {
	b := build{t, &ir.Graph{Name: "g"}}
	y := b.op(ir.OpRelu, "r", nil, b.conv(b.input(1, 4, 8, 8), 8, 3, 4))
	b.Outputs = []*ir.Value{b.op(ir.OpMaxPool, "max", &ir.PoolAttrs{Kernel: []int{2, 2}, Strides: []int{2, 2}}, y)}
	want := Survey{MACs: 64 * 8 * 9, ReLUs: 512, Comparisons: 512 + 128*3, Parameters: 72}
	if got := SurveyOf(b.Graph); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Two operators of one name do not count the plan's bytes twice.
func TestLayersOfOneName(t *testing.T) {
	b := build{t, &ir.Graph{Name: "g"}}
	r := b.op(ir.OpRelu, "r", nil, b.input(1, 4))
	b.Outputs = []*ir.Value{b.op(ir.OpAbs, "r", nil, r)}
	own := &plan.Report{Operators: []plan.OperatorCost{{Name: "r", Protocol: plan.ProtoRelu, ClientToServer: 100}}}
	own.Total.Bytes = 100
	_, layers := ladder(b.Graph, Baseline{Terms: 1}, own)
	var sum int64
	for _, l := range layers {
		n := l.Bytes[len(l.Bytes)-1]
		if n < 0 {
			t.Errorf("%s: %d bytes", l.Name, n)
		}
		sum += n
	}
	if len(layers) != 3 || sum != 100 || layers[2].Bytes[len(layers[2].Bytes)-1] != 0 {
		t.Errorf("%+v", layers)
	}
}
