package passes

import (
	"math"
	"testing"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// twoScores is a network of two scores, each a sum of differences of numbers that are
// alike.
func twoScores(b *builder) *ir.Value {
	const n, unlike = 16, 0.3335950388095344
	w, last := make([]float32, 4*2*n), make([]float32, 2*n*2)
	for k := range 4 {
		for i := range n {
			x := b.r.NormFloat64()
			w[k*2*n+i], w[k*2*n+n+i] = float32(x), float32(x+unlike*b.r.NormFloat64())
		}
	}
	for i := range 2 * n {
		x := float32(b.r.NormFloat64())
		last[i], last[2*n+i] = x, -x
	}
	h := b.op(ir.OpRelu, nil, b.op(ir.OpMatMul, nil, b.input(1, 4), b.must(b.g.Const("first", ir.NewReal([]int{4, 2 * n}, w)))))
	return b.op(ir.OpMatMul, nil, h, b.must(b.g.Const("last", ir.NewReal([]int{2 * n, 2}, last))))
}

// A network whose few outputs happen to lie close in one rehearsal, but scatter beyond
// what may be given up, gets more bits: runs that are off by more are one in a hundred
// or fewer.
func TestFewOutputsAreDrawnAgain(t *testing.T) {
	b := newBuilder(t)
	b.g.Outputs = []*ir.Value{twoScores(b)}
	calibration := b.samples(2)
	made, err := Compile(b.g, Options{Calibration: calibration})
	if err != nil {
		t.Fatal(err)
	}
	if far := farOff(t, b.g, made.Fixed, calibration); far > 2 {
		t.Errorf("%d of 200 runs are off by more than 1 %%, in a ring of %d bits", far, ringOf(made.Fixed))
	}
}

// farOff counts runs, of 200, in which an output is off by more than 1 % of the largest.
func farOff(t *testing.T, real, fixed *ir.Graph, inputs [][]*num.Tensor) (far int) {
	t.Helper()
	largest, want := 0.0, make([][]float32, len(inputs))
	for i, in := range inputs {
		out, err := ir.Eval(real, in, ir.EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want[i] = ir.Floats(out[0])
		for _, x := range want[i] {
			largest = max(largest, math.Abs(float64(x)))
		}
	}
	for k := range 200 {
		i, off := k%len(inputs), 0.0
		r, err := ir.Simulate(fixed, inputs[i], ir.SimOptions{Rounding: ir.Stochastic, Seed: uint64(5000 + k)})
		if err != nil {
			t.Fatal(err)
		}
		for j, x := range r.Outputs[0].Floats() {
			off = max(off, math.Abs(float64(x-want[i][j])))
		}
		if off > 0.01*largest {
			far++
		}
	}
	return far
}

// Only outputs with few numbers are drawn again, and the largest deviation of all is
// what counts.
func TestDraws(t *testing.T) {
	row := func(n int) []float32 { return make([]float32, n) }
	for _, c := range []struct {
		sizes   []int
		numbers int
		n       int
		few     int
	}{
		{[]int{64}, 1000, 0, 0}, {[]int{1}, cheapNumbers, 32, 1}, {[]int{10, 32}, cheapNumbers, 4, 1}, {[]int{2, 5}, cheapNumbers, 16, 2},
		{[]int{1}, 1000, 512, 1}, {[]int{10, 32}, 1000, 52, 1}, {[]int{1}, cheapNumbers / 200, 100, 1},
	} {
		tr := &trials{numbers: c.numbers}
		for range 2 {
			var outs [][]float32
			for _, n := range c.sizes {
				outs = append(outs, row(n))
			}
			tr.want = append(tr.want, outs)
		}
		if n, few := tr.draws(); n != c.n || len(few) != c.few {
			t.Errorf("outputs of %v numbers, %d in all: %d draws of %v, want %d of %d outputs", c.sizes, c.numbers, n, few, c.n, c.few)
		}
	}
	tr := &trials{want: [][][]float32{{{1, -2}}, {{4, 0}}}}
	if off := strays(tr.off([]float32{1.1, -2.2}, 0, 0)); math.Abs(off-farther*math.Sqrt(0.0015625)) > 1e-6 {
		t.Errorf("off by %g, want 2.3 times the root mean square of 0.025 and 0.05", off)
	}
	silent := &trials{want: [][][]float32{{{0}}}}
	if off := silent.off([]float32{0}, 0, 0)[0]; off != 0 {
		t.Errorf("an output of zeros is off by %g", off)
	}
}
