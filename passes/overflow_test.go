package passes

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"secc.example/secc/ir"
)

// gumbel draws n largest magnitudes of a value whose law is known.
func gumbel(r *rand.Rand, n int, location, scale float64) span {
	s := span{}
	for range n {
		x := location - scale*math.Log(-math.Log(r.Float64()))
		s.maxima = append(s.maxima, x)
		s.hi = math.Max(s.hi, x)
	}
	return s
}

// What is stated on overflow is above the truth nearly always, however few inputs
// it is estimated from, and near it where there are many.
func TestOverflowIsBoundedFromAbove(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const location, scale, runs = 10., 1., 400
	for _, limit := range []float64{15, 18, 21} {
		truth := 1 - math.Exp(-math.Exp(-(limit-location)/scale))
		for _, n := range []int{2, 4, 6, 8, 16, 64} {
			held, logs := 0, 0.0
			for range runs {
				p := gumbel(r, n, location, scale).overflows(limit)
				if p >= truth {
					held++
				}
				logs += math.Log10(p / truth)
			}
			if held < runs*85/100 {
				t.Errorf("limit %g, %d inputs: the estimate holds in %d of %d cases", limit, n, held, runs)
			}
			if n == 64 && logs/runs > 1.5 {
				t.Errorf("limit %g, 64 inputs: the estimate is 10^%.1f times the truth", limit, logs/runs)
			}
		}
	}
}

// Margins fall with the number of inputs, and never below what small surprises take.
func TestMarginsFollowTheNumberOfInputs(t *testing.T) {
	last := math.Inf(1)
	for _, n := range []int{1, 2, 4, 8, 16, 64, 1000} {
		s := span{hi: 5}
		for i := range n {
			s.maxima = append(s.maxima, 5-float64(i%2))
		}
		m := s.margin(100, 1e-4)
		if m > last || m < leastMargin {
			t.Errorf("%d inputs: a margin of %.2f, fewer had %.2f", n, m, last)
		}
		last = m
	}
	if m := (span{hi: 5, maxima: []float64{5}}).margin(100, 1e-4); m < 6 {
		t.Errorf("one input: a margin of %.2f, want 6 or more", m)
	}
	many := span{hi: 1, maxima: make([]float64, 10000)}
	for i := range many.maxima {
		many.maxima[i] = 1
	}
	if m := many.margin(1, 0.9); m != 1.2 {
		t.Errorf("nothing is uncertain: a margin of %.2f, want 1.2", m)
	}
	if m, want := (span{maxima: []float64{0, 0}}).margin(10, 1e-4), widestMargin(2); m != want {
		t.Errorf("nothing seen: a margin of %.2f, want %.2f", m, want)
	}
}

func TestFewInputsAreWarnedOf(t *testing.T) {
	b := newBuilder(t)
	b.g.Outputs = []*ir.Value{networks()["lenet"](b)}
	for _, n := range []int{1, 6, 15, 16} {
		made, err := Compile(b.g, Options{Calibration: b.samples(n)})
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(made.Warnings, "\n")
		if few := n < 16; strings.Contains(text, "fitted to") != few || few && !strings.Contains(text, "add "+map[int]string{1: "15", 6: "10", 15: "1"}[n]+" typical") {
			t.Errorf("%d inputs: %q", n, text)
		}
	}
}

// Headroom holds a bit to spare, no more and no less, and looks at every kind of promise.
func TestHeadroomIsOneBit(t *testing.T) {
	fresh := func() (*ir.Graph, *Config) {
		b := newBuilder(t)
		x := b.op(ir.OpRelu, nil, b.conv(b.input(1, 2, 6, 6), 3, 3, 1, 1))
		x = b.op(ir.OpMaxPool, &ir.PoolAttrs{Kernel: []int{2, 2}, Strides: []int{2, 2}}, x)
		b.g.Outputs = []*ir.Value{b.conv(x, 2, 3, 1, 1)}
		cfg := NewConfig(Options{Calibration: b.samples(16)})
		if err := scale(b.g, cfg); err != nil {
			t.Fatal(err)
		}
		if err := headroom(b.g, cfg); err != nil {
			t.Fatal(err)
		}
		return b.g, cfg
	}
	for _, c := range []struct {
		op    ir.Op
		spoil func(v *ir.Value, s *span)
		want  string
	}{
		{ir.OpConv, func(v *ir.Value, s *span) { s.hi = math.Ldexp(1.01, v.Type.Elem.Bits-2-v.Type.Elem.Frac) }, "take more than"},
		{ir.OpConv, func(v *ir.Value, s *span) { s.hi, s.lo = 0, -math.Ldexp(0.99, v.Type.Elem.Bits-2-v.Type.Elem.Frac) }, ""},
		{ir.OpMaxPool, func(_ *ir.Value, s *span) { s.lo = -0.001 }, "extended as non-negative"},
	} {
		g, cfg := fresh()
		for _, v := range g.Values {
			if v.Op == c.op {
				s := cfg.ranges[v]
				c.spoil(v, &s)
				cfg.ranges[v] = s
				break
			}
		}
		if err := headroom(g, cfg); (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.op, err, c.want)
		}
	}
}
