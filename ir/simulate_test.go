package ir

import (
	"fmt"
	"math"
	"testing"

	"secc.example/secc/ir/num"
)

// simulate parses and runs a fixed graph; every output must be revealed ints.
func simulate(t testing.TB, text string, opt SimOptions, in ...[]float32) [][]int64 {
	t.Helper()
	g := parse(t, text)
	if err := Verify(g, Fixed); err != nil {
		t.Fatal(err)
	}
	ts := make([]*num.Tensor, len(in))
	for i, x := range in {
		ts[i] = NewReal(g.Inputs[i].Type.Shape, x)
	}
	res, err := Simulate(g, ts, opt)
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]int64, len(res.Outputs))
	for i, o := range res.Outputs {
		out[i] = o.Ints
	}
	return out
}

// TestFixedKnownAnswers: one line an operator, worked out by hand.
func TestFixedKnownAnswers(t *testing.T) {
	for _, c := range []struct {
		op   string // computes %9 from %1 (shared i8.4, four elements of [1,2,2])
		want string
	}{
		{"%9 = neg(%1)", "[-5 -24 1 8]"},
		{"%9 = add(%1, %1)", "[10 48 -2 -16]"},
		{"%9 = relu(%1)", "[5 24 0 0]"},
		{"%9 = relu(%1) {hi=5}", "[5 0 0 0]"}, // 24 is negative in 5 bits
		{"%2 = const {data=[0,1]} : server i2.0[2]\n%9 = relu(%1, %2)", "[5 24 -1 -8]"},
		{"%9 = abs(%1)", "[5 24 1 8]"},
		{"%9 = clip(%1) {min=-0.25 max=1}", "[5 16 -1 -4]"},
		{"%9 = clip(%1) {min=-Inf max=1}", "[5 16 -1 -8]"},
		{"%9 = clip(%1) {max=100}", "[5 24 0 0]"},
		{"%9 = sum(%1) {axes=[2]}", "[29 -9]"},
		{"%9 = reduce_max(%1) {axes=[1]}", "[5 24]"},
		{"%9 = argmax(%1) {axes=[2]}", "[1 0]"},
		{"%9 = max_pool(%1) {kernel=[2]}", "[24 -1]"},
		{"%9 = max_pool(%1) {kernel=[2] pads_begin=[1]}", "[5 24 -1 -1]"},
		{"%9 = sum_pool(%1) {kernel=[2] pads_begin=[1]}", "[5 29 -1 -9]"},
		{"%9 = extend(%1) {bits=12}", "[5 24 -1 -8]"},
		{"%9 = reduce(%1) {bits=5}", "[5 -8 -1 -8]"},
		{"%9 = rescale(%1) {frac=0}", "[5 24 -1 -8]"},
		{"%9 = truncate(%1) {shift=1 bits=8}", "[3 12 0 -4]"}, // halves round up
		{"%9 = truncate(%1) {shift=3 bits=5}", "[1 3 0 -1]"},
		{"%2 = extend(%1) {bits=10}\n%9 = mul(%2, %2) {shift=2}", "[6 -112 0 16]"}, // 144 wraps in 8 bits
		{"%2 = const {data=[3]} : public i4.1[1]\n%9 = mul(%1, %2) {shift=1}", "[8 36 -1 -12]"},
		{"%2 = const {data=[2,-3]} : server i4.1[2]\n%3 = const {data=[1,0]} : server i8.5[2]\n%9 = batch_norm(%1, %2, %3)", "[11 49 3 24]"},
		{"%2 = const {data=[2]} : server i4.2[1]\n%9 = prelu(%1, %2) {shift=2}", "[5 24 0 -4]"},
		{"%9 = pad(%1) {before=[0,0,1] after=[0,0,0] value=-1.03}", "[-16 5 24 -16 -1 -8]"},
		{"%9 = transpose(%1) {perm=[0,2,1]}", "[5 -1 24 -8]"},
		{"%9 = func(%1) {name=exp out=i8.4}", "[22 72 15 10]"},
		{"%9 = func(%1) {name=exp out=i8.5}", "[44 127 30 19]"}, // e^1.5 * 32 = 143 saturates
		{"%9 = matmul(%1, %1)", "[1 -72 3 40]"},
	} {
		text := "%10 = input : client i8.4[1,2,2]\n%11 = const {all=0} : server i8.4[1,2,2]\n%1 = add(%10, %11)\n" +
			c.op + "\n%12 = reveal(%9)\nreturn %12\n"
		got := simulate(t, text, SimOptions{}, []float32{5. / 16, 1.5, -1. / 16, -0.5})
		if fmt.Sprint(got[0]) != c.want {
			t.Errorf("%s gives %v, want %s", c.op, got[0], c.want)
		}
	}
}

// shared turns the client's input %1 into the shared value %2 of n elements in format e.
func shared(n int, e string) string {
	return fmt.Sprintf("%%1 = input : client %s[%d]\n%%3 = const {all=0} : server %s[%d]\n%%2 = add(%%1, %%3)\n", e, n, e, n)
}

// TestStochasticShift: unbiased, within one ulp without noise, of the stated deviation with it.
func TestStochasticShift(t *testing.T) {
	const n, shift = 200000, 6
	text := shared(n, "i20.0") + `%4 = const {data=[1]} : server i2.0[1]
%5 = mul(%2, %4) {shift=6}
%6 = reveal(%5)
return %6
`
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%1000 - 500)
	}
	for _, c := range []struct{ noise, deviation, limit float64 }{{-1, math.Sqrt(1. / 6), 1}, {0, 0.42, 1.4}} {
		got := simulate(t, text, SimOptions{Rounding: Stochastic, Seed: 7, Noise: c.noise}, x)[0]
		sum, squares, worst := 0.0, 0.0, 0.0
		for i, y := range got {
			e := float64(y) - float64(x[i])/(1<<shift)
			sum, squares, worst = sum+e, squares+e*e, math.Max(worst, math.Abs(e))
		}
		mean, sd := sum/n, math.Sqrt(squares/n)
		if math.Abs(mean) > 0.005 || math.Abs(sd-c.deviation) > 0.006 || worst > c.limit {
			t.Errorf("noise %v: mean %.4f, deviation %.4f (want %.4f), worst %.2f", c.noise, mean, sd, c.deviation, worst)
		}
	}
	exact := simulate(t, shared(n, "i20.0")+"%4 = truncate(%2) {shift=6 bits=14 exact}\n%5 = reveal(%4)\nreturn %5\n", SimOptions{Rounding: Stochastic}, x)[0]
	for i, y := range exact {
		if want := math.Floor(float64(x[i])/64 + 0.5); float64(y) != want {
			t.Fatalf("exact: %v/64 gives %d, want %v", x[i], y, want)
		}
	}
}

// TestFunctionsRoundByChance: a function's results are unbiased, within one ulp, and those
// that the format has stay; where the argument is not shared they are the nearest.
func TestFunctionsRoundByChance(t *testing.T) {
	const each = 20000
	values := []float64{-3, -0.75, 0, 0.5, 1.25, 2}
	x := make([]float32, 0, each*len(values))
	for _, v := range values {
		for range each {
			x = append(x, float32(v))
		}
	}
	for what, arg := range map[string]string{"shared": "%2", "the client's": "%1"} {
		text := shared(len(x), "i12.4") + "%4 = func(" + arg + ") {name=exp out=i12.4}\n%5 = reveal(%4)\nreturn %5\n"
		if arg == "%1" {
			text = shared(len(x), "i12.4") + "%4 = func(%1) {name=exp out=i12.4}\n%5 = add(%4, %3)\n%6 = reveal(%5)\nreturn %6\n"
		}
		got := simulate(t, text, SimOptions{Rounding: Stochastic, Seed: 11}, x)[0]
		for i, v := range values {
			want, sum := 16*math.Exp(v), 0.0
			for _, y := range got[i*each:][:each] {
				sum += float64(y)
				if math.Abs(float64(y)-want) >= 1 || arg == "%1" && float64(y) != math.Round(want) {
					t.Fatalf("%s argument, exp(%v): %d, real value %.3f", what, v, y, want)
				}
			}
			if mean := sum / each; arg == "%2" && math.Abs(mean-want) > 0.02 {
				t.Errorf("%s argument, exp(%v): %.3f on average, real value %.3f", what, v, mean, want)
			}
		}
	}
}

// TestLowBitsOfSign: a dropped low bit can only cost elements below 2^Lo, with
// the probability the protocol has: (2^Lo - 1 - x) / 2^Lo.
func TestLowBitsOfSign(t *testing.T) {
	const lo, each = 4, 20000
	values := []int{-112, -100, -16, -15, -1, 0, 1, 5, 14, 15, 16, 17, 127}
	x := make([]float32, 0, each*len(values))
	for _, v := range values {
		for range each {
			x = append(x, float32(v))
		}
	}
	for _, hi := range []int{8, 10} {
		text := shared(len(x), "i10.0") + fmt.Sprintf("%%4 = relu(%%2) {lo=%d hi=%d}\n%%5 = reveal(%%4)\nreturn %%5\n", lo, hi)
		got := simulate(t, text, SimOptions{Rounding: Stochastic, Seed: 3}, x)[0]
		for i, v := range values {
			kept := 0
			for _, y := range got[i*each:][:each] {
				if y != 0 {
					kept++
				}
			}
			want := 1.0
			switch {
			case v <= 0:
				want = 0
			case v < 1<<lo:
				want = 1 - float64((1<<lo)-1-v)/(1<<lo)
			}
			if p := float64(kept) / each; math.Abs(p-want) > 0.015 || (want == 0 || want == 1) && p != want {
				t.Errorf("bits [%d,%d) of %d: kept with probability %.3f, want %.3f", lo, hi, v, p, want)
			}
		}
	}
}

// TestSignExhaustive holds the sign model to the protocol's definition: every
// value and every sharing of a small ring, against integer arithmetic.
func TestSignExhaustive(t *testing.T) {
	const k = 7
	for lo := range k - 1 {
		for hi := lo + 1; hi <= k; hi++ {
			for x := -1 << (k - 1); x < 1<<(k-1); x++ {
				checkSharings(t, k, lo, hi, x)
			}
		}
	}
}

func checkSharings(t *testing.T, k, lo, hi, x int) {
	ring := 1 << hi
	fits := x >= 1<<lo-ring/2 && x < ring/2
	for s := range 1 << k {
		server, client := (s%ring)>>lo, (((x-s)%ring+ring)%ring)>>lo
		positive := (server+client)%(ring>>lo) < ring>>lo/2
		got := num.SignOfShares(uint64(s), uint64(x-s), lo, hi)
		if got != positive {
			t.Fatalf("x=%d s=%d [%d,%d): %v, want %v", x, s, lo, hi, got, positive)
		}
		if fits && positive != (x >= 0) && (x < 0 || x >= 1<<lo) {
			t.Fatalf("x=%d s=%d [%d,%d): wrong far from zero", x, s, lo, hi)
		}
	}
}

// TestExtend: inside the promise extension is exact whatever the sharing;
// outside it errs as often as the protocol does, by the ring's size.
func TestExtend(t *testing.T) {
	const each = 2000
	for _, c := range []struct {
		attr   string
		offset int
	}{{"", 64}, {" non_neg", 0}} {
		x := []float32{}
		for v := -128; v < 128; v++ {
			for range each {
				x = append(x, float32(v))
			}
		}
		text := shared(len(x), "i8.0") + "%4 = extend(%2) {bits=12" + c.attr + "}\n%5 = reveal(%4)\nreturn %5\n"
		got := simulate(t, text, SimOptions{Rounding: Stochastic, Seed: 5}, x)[0]
		for v := -128; v < 128; v++ {
			want, sum := expectedExtension(v, c.offset), 0
			for _, y := range got[(v+128)*each:][:each] {
				if (int(y)-v)%256 != 0 {
					t.Fatalf("%d extends to %d: not the same residue", v, y)
				}
				sum += int(y)
			}
			mean := float64(sum) / each
			inside := v+c.offset >= 0 && v+c.offset < 128
			if math.Abs(mean-want) > 25 || inside && mean != float64(v) {
				t.Errorf("extend%s of %d is %.1f on average, want %.1f", c.attr, v, mean, want)
			}
		}
	}
}

// expectedExtension averages the protocol's result over all sharings of an 8-bit v.
func expectedExtension(v, offset int) float64 {
	sum := 0
	for server := range 256 {
		client := (v + offset - server + 512) % 256
		y := server + client - offset
		if server >= 128 || client >= 128 {
			y -= 256
		}
		sum += y
	}
	return float64(sum) / 256
}

// TestClientInputHasNoSharingError: the client's own value is shared as (0, x).
func TestClientInputHasNoSharingError(t *testing.T) {
	x := make([]float32, 1000)
	for i := range x {
		x[i] = float32(i % 16)
	}
	got := simulate(t, "%1 = input : client i10.0[1000]\n%2 = relu(%1) {lo=4} : shared i10.0[1000]\n%3 = reveal(%2)\nreturn %3\n", SimOptions{Rounding: Stochastic}, x)[0]
	for i, y := range got {
		if float32(y) != x[i] {
			t.Fatalf("relu(%v) = %d", x[i], y)
		}
	}
}

// TestWideProducts: operands beyond 32 bits take the portable kernel and stay exact.
func TestWideProducts(t *testing.T) {
	text := `%5 = input : client i60.0[1,2]
%2 = const {data=[68719476736,1]} : server i60.0[2,1]
%1 = expand(%5) {shape=[8,2]}
%3 = matmul(%1, %2) {shift=4}
%4 = reveal(%3)
return %4
`
	if got := simulate(t, text, SimOptions{}, []float32{1 << 20, 1 << 33})[0][0]; got != 1<<52+1<<29 {
		t.Errorf("got %d", got)
	}
}

func TestQuantize(t *testing.T) {
	for _, c := range []struct {
		e    Elem
		x    float64
		want int64
	}{
		{Elem{8, 4}, 0.03125, 1}, // half away from zero
		{Elem{8, 4}, -0.03125, -1},
		{Elem{8, 4}, 0.031, 0},
		{Elem{8, 4}, 1e9, 127},
		{Elem{8, 4}, -1e9, -128},
		{Elem{8, 4}, math.Inf(1), 127},
		{Elem{8, 4}, math.NaN(), 0},
		{Elem{8, -2}, 10, 3},
		{Elem{64, 0}, 1e30, math.MaxInt64},
		{Elem{64, 0}, -1e30, math.MinInt64},
		{Elem{1, 0}, -1, -1},
		{Elem{1, 0}, 1, 0},
	} {
		if got := c.e.Quantize(c.x); got != c.want {
			t.Errorf("%v of %v is %d, want %d", c.e, c.x, got, c.want)
		}
	}
}

// TestSimulateErrors: what the simulator cannot run is an error that names it.
func TestSimulateErrors(t *testing.T) {
	g := parse(t, "%1 = input \"img\" : client i8.0[2]\n%2 = reveal(%1)\nreturn %2\n")
	if _, err := Simulate(g, []*num.Tensor{NewReal([]int{3}, make([]float32, 3))}, SimOptions{}); err == nil {
		t.Error("an input of the wrong shape is accepted")
	}
	if _, err := Simulate(g, nil, SimOptions{}); err == nil {
		t.Error("a missing input is accepted")
	}
	if _, err := Simulate(g, []*num.Tensor{{Shape: []int{2}, Data: make([]float32, 3)}}, SimOptions{}); err == nil {
		t.Error("an input of another type is accepted")
	}
	r := parse(t, realText)
	in := NewReal(r.Inputs[0].Type.Shape, make([]float32, r.Inputs[0].Type.N()))
	if _, err := Simulate(r, []*num.Tensor{in}, SimOptions{}); err != nil {
		t.Errorf("a real graph simulates as itself: %v", err)
	}
	if _, err := Eval(parse(t, fixedText), []*num.Tensor{NewReal([]int{1, 2, 4, 4}, make([]float32, 32))}, EvalOptions{}); err == nil {
		t.Error("a fixed graph evaluates on real numbers")
	}
}
