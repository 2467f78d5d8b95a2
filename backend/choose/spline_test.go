package choose

import (
	"math"
	"testing"

	"secc.example/secc/backend/plan"
)

// The stated error is the largest there is, at every argument of the format.
func TestSplineErrorIsTrue(t *testing.T) {
	for name, f := range map[string]func(float64) float64{
		"sigmoid": func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
		"tanh":    math.Tanh, "exp": math.Exp, "floor": math.Floor, "log": math.Log,
		"sign": func(x float64) float64 { return math.Copysign(1, x) },
	} {
		in, out := plan.SlotType{Bits: 14, Frac: 8}, plan.SlotType{Bits: 14, Frac: 7}
		s, err := FitSpline(f, in, out, 48)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(in.Bits, out.Bits); err != nil {
			t.Fatal(err)
		}
		worst, limit := 0.0, math.Ldexp(1, out.Bits-2)-1
		for x := int64(-1<<12 + 1); x < 1<<12; x++ {
			want := math.Ldexp(f(math.Ldexp(float64(x), -in.Frac)), out.Frac)
			if math.IsNaN(want) {
				want = 0
			}
			want = min(max(want, -limit), limit)
			worst = max(worst, math.Abs(math.Ldexp(float64(s.Eval(x)), -s.Frac)-want))
		}
		if math.Abs(worst-s.Error) > 1e-9 {
			t.Errorf("%s: stated error %g, measured %g", name, s.Error, worst)
		}
		if limit := map[string]float64{"log": 9, "exp": 1.1}[name]; worst > max(limit, 0.7) {
			t.Errorf("%s: error of %.2f ulp with %d pieces", name, worst, len(s.Slope))
		}
	}
}

func TestSplineIsDeterministic(t *testing.T) {
	in, out := plan.SlotType{Bits: 16, Frac: 10}, plan.SlotType{Bits: 16, Frac: 12}
	a, _ := FitSpline(math.Tanh, in, out, 64)
	b, _ := FitSpline(math.Tanh, in, out, 64)
	if len(a.Knots) != len(b.Knots) || a.Error != b.Error {
		t.Error("two fits differ")
	}
}

// Functions that jump do so exactly in rings of which not every number is tried, and one
// that is something at zero alone is so there and nowhere else.
func TestSplineJumpsExactlyInWideRings(t *testing.T) {
	truth := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	for _, bits := range []int{19, 20, 22} {
		for name, f := range map[string]func(float64) float64{
			"is_zero": func(x float64) float64 { return truth(x == 0) },
			"step":    func(x float64) float64 { return truth(x >= 0) },
			"sign":    func(x float64) float64 { return truth(x > 0) - truth(x < 0) },
		} {
			in, out := plan.SlotType{Bits: bits, Frac: 7}, plan.SlotType{Bits: bits, Frac: 10}
			s, err := FitSpline(f, in, out, 64)
			if err != nil {
				t.Fatal(err)
			}
			for x := int64(-40); x <= 40; x++ {
				got, want := math.Ldexp(float64(s.Eval(x)), -s.Frac-10), f(float64(x)/128)
				if got != want || s.Error != 0 {
					t.Errorf("%s in %d bits: %g at %d, want %g; error %g", name, bits, got, x, want, s.Error)
				}
			}
		}
	}
}
