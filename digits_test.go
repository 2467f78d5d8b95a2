package secc

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
)

// TestDigitsBetweenParties: last layers whose weights are cut into digits answer bit for bit as
// the simulation does, whatever the weights and shapes are, and near what the network itself does.
func TestDigitsBetweenParties(t *testing.T) {
	one := func(_, _ int) float64 { return 1 }
	for name, c := range map[string]struct {
		in, w   []int
		groups  int
		weigh   func(i, fan int) float64 // by what weight i of filters of so many weights is larger
		input   float64
		options passes.Options
	}{
		"one filter larger than the others": {[]int{1, 1024, 1, 1}, []int{130, 1024, 1, 1}, 1, func(i, fan int) float64 {
			if i < fan {
				return 1000
			}
			return 1
		}, 1, passes.Options{}},
		"channels without weights, a batch": {[]int{2, 2048, 1, 1}, []int{8, 2048, 1, 1}, 1, func(i, _ int) float64 { return float64(i % 2) }, 1, passes.Options{Target: passes.TargetAccuracy}},
		"one filter, windows":               {[]int{1, 512, 4, 4}, []int{1, 512, 3, 3}, 1, one, 1, passes.Options{Bits: 20}},
		"one weight":                        {[]int{1, 1, 1, 1}, []int{1, 1, 1, 1}, 1, one, 1000, passes.Options{Bits: 24, Exact: true}},
		"weights of all sizes, in groups": {[]int{2, 1024, 2, 2}, []int{4, 256, 1, 1}, 4, func(i, _ int) float64 {
			return math.Exp2(float64(i * i % 19))
		}, 1, passes.Options{Bits: 18}},
		"tiny weights, large inputs": {[]int{1, 1024, 1, 1}, []int{2, 1024, 1, 1}, 1, func(int, int) float64 { return 1e-9 }, 1e6, passes.Options{Bits: 18, Exact: true}},
		"over OT":                    {[]int{1, 2048, 1, 1}, []int{3, 2048, 1, 1}, 1, one, 1, passes.Options{Linear: passes.LinearOT, Bits: 18}},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			w := make([]float32, ir.Numel(c.w))
			for i := range w {
				w[i] = float32(r.NormFloat64() * c.weigh(i, len(w)/c.w[0]))
			}
			g, made := lastLayer(t, r, c.in, c.w, c.groups, w, c.input, c.options)
			digits := 0
			for _, v := range made.Fixed.Values {
				if a, ok := v.Attrs.(*ir.ConvAttrs); ok && a.Exact {
					digits = v.Type.Shape[1] / c.w[0]
				}
			}
			if digits < 2 {
				t.Fatalf("weights are cut into %d digits: the case says nothing", digits)
			}
			n, err := newNetwork(made, profileOf(t))
			if err != nil {
				t.Fatal(err)
			}
			in := noiseTensor(r, c.in, c.input)
			got, err := Local(t.Context(), n, [][]float32{ir.Floats(in)})
			if err != nil {
				t.Fatal(err)
			}
			simulated, err := Simulate(t.Context(), n, [][]float32{ir.Floats(in)}, 1)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Outputs[0].Values, simulated[0].Values) {
				t.Errorf("%d digits: the parties' answer is not the simulation's", digits)
			}
			if got.Total.Bytes != n.Report.Total.Bytes {
				t.Errorf("%d bytes, predicted %d", got.Total.Bytes, n.Report.Total.Bytes)
			}
			real, err := ir.Eval(g, []*num.Tensor{in}, ir.EvalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			off, largest := 0.0, 0.0
			for i, x := range ir.Floats(real[0]) {
				off, largest = max(off, math.Abs(float64(x-got.Outputs[0].Values[i]))), max(largest, math.Abs(float64(x)))
			}
			if off > 0.01*largest { // what compiling without a warning allows
				t.Errorf("%d digits: off by %g, of at most %g", digits, off, largest)
			}
		})
	}
}

// lastLayer compiles a convolution whose result is revealed.
func lastLayer(t *testing.T, r *rand.Rand, in, shape []int, groups int, w []float32, size float64, o passes.Options) (*ir.Graph, *passes.Result) {
	t.Helper()
	g := &ir.Graph{Name: "last"}
	x, err := g.Input("x", in)
	if err != nil {
		t.Fatal(err)
	}
	k, err := g.Const("w", ir.NewReal(shape, w))
	if err != nil {
		t.Fatal(err)
	}
	y, err := g.New(ir.OpConv, "last", &ir.ConvAttrs{Group: groups}, x, k)
	if err != nil {
		t.Fatal(err)
	}
	g.Outputs = []*ir.Value{y}
	for range 20 {
		o.Calibration = append(o.Calibration, []*num.Tensor{noiseTensor(r, in, size)})
	}
	o.Profile = profileOf(t)
	made, err := passes.Compile(g, o)
	if err != nil {
		t.Fatal(err)
	}
	return g, made
}

func noiseTensor(r *rand.Rand, shape []int, size float64) *num.Tensor {
	x := make([]float32, ir.Numel(shape))
	for i := range x {
		x[i] = float32(r.NormFloat64() * size)
	}
	return ir.NewReal(shape, x)
}

func profileOf(t *testing.T) choose.Profile {
	t.Helper()
	p, err := choose.ParseProfile("lan")
	if err != nil {
		t.Fatal(err)
	}
	return p
}
