package passes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// kernelScale makes all entries of a transformed integer kernel integers.
const kernelScale = 30 * 30

// Between the transforms, products in Z_2^40 are the direct convolution in
// Z_2^40, exactly: here with kernels whose transforms are integers.
func TestTilesAreTheDirectConvolution(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, k := range tileKernels() {
		for _, c := range []struct{ n, in, out, h, w, top, left int }{{1, 1, 1, 4, 4, 0, 0}, {2, 3, 2, 9, 7, 1, 2}, {1, 4, 5, 8, 8, 1, 1}, {1, 2, 2, 5, 13, 2, 0}} {
			name := fmt.Sprintf("F(%d,%d) %+v", k.step, k.kernel, c)
			if c.h+c.top < k.kernel || c.w+c.left < k.kernel {
				continue
			}
			g := &ir.Graph{}
			e := ir.Elem{Bits: 40}
			x, err := g.FixedInput("x", []int{c.n, c.in, c.h, c.w}, e)
			fail(t, err)
			w, u := make([]int64, c.out*c.in*k.kernel*k.kernel), make([]int64, k.places()*c.out*c.in)
			for i := range c.out * c.in {
				one := make([]float32, k.kernel*k.kernel)
				for j := range one {
					one[j] = float32(r.IntN(400) - 200)
					w[i*len(one)+j] = int64(one[j]) * kernelScale
				}
				for p, y := range k.transform(one) {
					u[p*c.out*c.in+i] = int64(math.Round(y * kernelScale))
					if d := y*kernelScale - math.Round(y*kernelScale); math.Abs(d) > 1e-6 {
						t.Fatalf("%s: a transformed kernel is no multiple of 1/%d", name, kernelScale)
					}
				}
			}
			pads := &ir.ConvAttrs{PadsBegin: []int{c.top, c.left}}
			wv, err := g.FixedConst("w", []int{c.out, c.in, k.kernel, k.kernel}, ir.Elem{Bits: 40}, w, ir.Server)
			fail(t, err)
			direct, err := g.New(ir.OpConv, "direct", pads, x, wv)
			fail(t, err)
			y := direct.Type.Shape
			uv, err := g.FixedConst("u", []int{k.places() * c.out, c.in, 1, 1}, ir.Elem{Bits: 48}, u, ir.Server)
			fail(t, err)
			size := []int{(y[2] + k.step - 1) / k.step, (y[3] + k.step - 1) / k.step}
			d, err := g.New(ir.OpTileIn, "in", &ir.TileAttrs{Side: k.side, Every: k.step, Matrix: k.in, PadsBegin: []int{c.top, c.left}, Size: size}, x)
			fail(t, err)
			m, err := g.New(ir.OpConv, "product", &ir.ConvAttrs{Group: k.places()}, d, uv)
			fail(t, err)
			tiled, err := g.New(ir.OpTileOut, "out", &ir.TileAttrs{Side: k.side, Every: k.step, Matrix: k.out, Size: slices.Clone(y[2:])}, m)
			fail(t, err)
			for _, v := range []*ir.Value{direct, tiled} {
				o, err := g.New(ir.OpReveal, "", nil, v)
				fail(t, err)
				g.Outputs = append(g.Outputs, o)
			}
			in := make([]float32, x.Type.N())
			for i := range in {
				in[i] = float32(r.IntN(1<<24) - 1<<23)
			}
			res, err := ir.Simulate(g, []*num.Tensor{ir.NewReal(x.Type.Shape, in)}, ir.SimOptions{})
			fail(t, err)
			if !slices.Equal(res.Outputs[0].Ints, res.Outputs[1].Ints) {
				t.Errorf("%s: differs from the direct convolution", name)
			}
		}
	}
}

func fail(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The compiled network computes the same by Winograd's algorithm over OT, and
// the error of its weights stays what was allowed.
func TestWinogradFollowsReal(t *testing.T) {
	for name, f := range networks() {
		b := build(t, f)
		samples := b.samples(8)
		c, err := Compile(b.g, Options{Calibration: samples, Linear: LinearOT, Winograd: ChoiceForce})
		fail(t, err)
		for _, in := range samples[:2] {
			want := eval(t, b.g, in)
			res, err := ir.Simulate(c.Fixed, in, ir.SimOptions{Rounding: ir.Stochastic})
			fail(t, err)
			if d, size := farthest(want, res.Outputs[0].Floats()); d > 0.01*size {
				t.Errorf("%s: outputs differ by %g (largest %g)", name, d, size)
			}
		}
	}
}

// Rounding as chosen really adds no more noise than the budget.
func TestChosenBitsKeepTheBudget(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, k := range tileKernels() {
		u := make([][]float64, 200)
		for i := range u {
			g := make([]float32, k.kernel*k.kernel)
			for j := range g {
				g[j] = float32(r.NormFloat64() / 10)
			}
			u[i] = k.transform(g)
		}
		const budget, fan = 1e-4, 16
		bits := k.chooseBits(u, fan, budget, 20, 40)
		if got := k.measured(u, bits) * fan; got > budget || got < budget/8 {
			t.Errorf("F(%d,%d): noise %g, budget %g", k.step, k.kernel, got, budget)
		}
	}
}

// With each operator to be chosen by its time, nothing takes longer than over RLWE alone.
func TestLinearAutoIsNotSlower(t *testing.T) {
	for name, f := range networks() {
		seconds := map[Linear]float64{}
		for _, l := range []Linear{LinearRLWE, LinearOT, LinearAuto} {
			b := build(t, f)
			c, err := Compile(b.g, Options{Calibration: b.samples(4), Linear: l})
			fail(t, err)
			r, err := c.Plan.Cost()
			fail(t, err)
			cfg := NewConfig(Options{})
			cfg.Profile.Price(r)
			seconds[l] = r.Total.Seconds
			for _, s := range c.Plan.Steps() {
				if l == LinearOT && s.Proto == plan.ProtoLinearRLWE {
					t.Errorf("%s: %s runs over RLWE", name, s.Name)
				}
			}
		}
		if seconds[LinearAuto] > 1.02*min(seconds[LinearRLWE], seconds[LinearOT]) {
			t.Errorf("%s: %v", name, seconds)
		}
	}
}
