package choose

import (
	"math"
	"reflect"
	"testing"

	"secc.example/secc/backend/plan"
)

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func gelu(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }

// measured is the largest error of a description at every argument of the format.
func measured(f func(float64) float64, in, out plan.SlotType, p *plan.Piecewise) (worst float64) {
	limit := math.Ldexp(1, out.Bits-2) - 1
	top := int64(1) << (in.Bits - 2)
	for x := 1 - top; x < top; x++ {
		want := math.Ldexp(f(math.Ldexp(float64(x), -in.Frac)), out.Frac)
		if math.IsNaN(want) {
			want = 0
		}
		want = min(max(want, -limit), limit)
		worst = max(worst, math.Abs(math.Ldexp(float64(p.Eval(x)), -p.Frac)-want))
		if !p.Promised(x) {
			return math.Inf(1) // its extension would be wrong
		}
	}
	return worst
}

// The stated error is the largest there is, and below an ulp for what is smooth.
func TestPiecewiseErrorIsTrue(t *testing.T) {
	narrow, gated := false, false
	for name, f := range map[string]func(float64) float64{
		"tanh": math.Tanh, "sigmoid": sigmoid, "gelu": gelu, "silu": func(x float64) float64 { return x * sigmoid(x) },
		"exp of negatives": func(x float64) float64 { return math.Exp(min(x, 0)) }, "erf": math.Erf,
		"softplus": func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) },
		"log":      math.Log, "sqrt": math.Sqrt, "1/x": func(x float64) float64 { return 1 / x }, "sin": math.Sin,
		"elu": func(x float64) float64 { return max(x, 0) + math.Expm1(min(x, 0)) }, "floor": math.Floor,
		"asin": func(x float64) float64 { return math.Asin(min(max(x, -1), 1)) }, "exp": math.Exp, "cosh": math.Cosh,
	} {
		for _, formats := range [][2]plan.SlotType{
			{{Bits: 16, Frac: 9}, {Bits: 16, Frac: 9}}, {{Bits: 13, Frac: 8}, {Bits: 18, Frac: 10}}, {{Bits: 18, Frac: 12}, {Bits: 14, Frac: 7}},
		} {
			in, out, flight := formats[0], formats[1], 40.
			if in.Bits == 16 {
				flight = 200
			}
			if in.Bits == 18 && name != "tanh" && name != "log" {
				continue // as many arguments as all others together
			}
			p := FitPiecewise(f, in, out, flight)
			if p == nil {
				t.Errorf("%s from %d to %d bits: no fit", name, in.Bits, out.Bits)
				continue
			}
			narrow, gated = narrow || p.Extends(), gated || p.Gate != 0
			if err := p.Check(in.Bits, out.Bits); err != nil {
				t.Fatal(err)
			}
			if worst := measured(f, in, out, p); math.Abs(worst-p.Error) > 1e-9 || worst > 1 {
				t.Errorf("%s from %d to %d bits: stated error %g, measured %g", name, in.Bits, out.Bits, p.Error, worst)
			}
		}
	}
	if !narrow || !gated {
		t.Error("no lines in a narrow ring, or none behind a gate")
	}
}

func silu(x float64) float64 { return x * sigmoid(x) }

// bitsOf is what an element takes, OTs at 0.7 bits each.
func bitsOf(c plan.Cost, n int) float64 {
	return (8*float64(c.ToServer()+c.ToClient()) + 0.7*float64(c.COTs.ServerSends+c.COTs.ClientSends)) / float64(n)
}

// What functions cost, an order of magnitude less than by comparisons.
func TestPiecewiseCosts(t *testing.T) {
	for _, c := range []struct {
		name       string
		f          func(float64) float64
		bits, frac int
		most       float64
		dear       float64 // bits that a flight is worth: for 2^16 elements over a wide network; for few elements
		flights    int     // then
		quick      float64
	}{
		{"tanh", math.Tanh, 16, 9, 560, 160, 7, 800}, {"sigmoid", sigmoid, 16, 9, 490, 160, 7, 800}, {"gelu", gelu, 16, 9, 560, 160, 7, 800},
		{"silu", silu, 16, 9, 620, 200, 7, 1000},
		{"exp of negatives", func(x float64) float64 { return math.Exp(min(x, 0)) }, 16, 9, 565, 160, 7, 1000},
		{"tanh", math.Tanh, 16, 9, 560, 400, 6, 920}, {"silu", silu, 16, 9, 620, 400, 6, 1140},
		{"log", math.Log, 16, 9, 1200, 400, 7, 1690}, {"sqrt", func(x float64) float64 { return math.Sqrt(max(x, 0)) }, 16, 9, 950, 400, 7, 1400},
		{"1/x", func(x float64) float64 { return 1 / x }, 16, 9, 1650, 400, 7, 2150},
		{"exp", math.Exp, 16, 9, 1600, 400, 9, 2100}, {"asin", func(x float64) float64 { return math.Asin(min(max(x, -1), 1)) }, 16, 9, 1000, 400, 9, 1500}, // cut unevenly: longer names
		{"tanh", math.Tanh, 18, 12, 950, 400, 7, 1300}, {"gelu", gelu, 18, 12, 880, 400, 7, 1300},
	} {
		t16 := plan.SlotType{Bits: c.bits, Frac: c.frac}
		p := FitPiecewise(c.f, t16, t16, 10)
		cost := plan.CostPiecewise(1<<10, &p.Piecewise)
		if got := bitsOf(cost, 1<<10); got > c.most || p.Error > 0.75 {
			t.Errorf("%s in (%d, %d): %.0f bits and an error of %.2f ulp", c.name, c.bits, c.frac, got, p.Error)
		}
		fast := FitPiecewise(c.f, t16, t16, c.dear)
		quick := plan.CostPiecewise(1<<10, &fast.Piecewise)
		if got := bitsOf(quick, 1<<10); len(quick.Flights) > c.flights || got > c.quick || fast.Error > 0.75 {
			t.Errorf("%s in (%d, %d): %d flights of %.0f bits where flights are dear", c.name, c.bits, c.frac, len(quick.Flights), got)
		}
	}
}

// Jumps off the grid of segments are left to comparisons.
func TestPiecewiseLeavesJumps(t *testing.T) {
	in := plan.SlotType{Bits: 16, Frac: 9}
	if p := FitPiecewise(func(x float64) float64 { return math.Round(3*x) / 3 * math.Copysign(1, x-0.1) }, in, in, 40); p != nil {
		t.Errorf("fitted with an error of %.2f ulp", p.Error)
	}
	if p := FitPiecewise(math.Floor, in, in, 40); p == nil || !p.Exact() {
		t.Errorf("floor is not exact: %+v", p)
	}
}

func TestPiecewiseIsDeterministic(t *testing.T) {
	in, out := plan.SlotType{Bits: 14, Frac: 9}, plan.SlotType{Bits: 16, Frac: 12}
	if a, b := FitPiecewise(gelu, in, out, 40), FitPiecewise(gelu, in, out, 40); !reflect.DeepEqual(a, b) {
		t.Error("two fits differ")
	}
}
