package passes

import (
	"maps"
	"math"
	"slices"
	"testing"

	"secc.example/secc/ir"
)

// layered is a network whose functions matter to different degrees: what the second one
// makes is added to sixteen times as much. A sum of both is the output.
func layered(b *builder) *ir.Value {
	fn := func(name string, x *ir.Value) *ir.Value { return b.op(ir.OpFunc, &ir.FuncAttrs{Name: name}, x) }
	dense := func(scale float64, x *ir.Value, out int) *ir.Value {
		return b.op(ir.OpMatMul, nil, x, b.weights(scale/math.Sqrt(float64(x.Type.Shape[1])), x.Type.Shape[1], out))
	}
	x := fn("gelu", dense(1, b.input(1, 64), 256))
	aside := dense(1./16, fn("silu", dense(1, x, 256)), 64)
	return dense(1, b.op(ir.OpAdd, nil, dense(1, x, 64), aside), 100)
}

// functionBits lists what the functions of a compiled graph take and give.
func functionBits(g *ir.Graph) map[string][2]ir.Elem {
	bits := map[string][2]ir.Elem{}
	for _, v := range g.Values {
		if v.Op == ir.OpFunc {
			bits[v.Attrs.(*ir.FuncAttrs).Name] = [2]ir.Elem{v.Args[0].Type.Elem, v.Type.Elem}
		}
	}
	return bits
}

// What a function may add of noise depends on what the answers make of it, and all
// together add no more than their part of what may be given up. In a ring this wide nothing
// else is off.
func TestFunctionsAreAsQuietAsAnswersNeed(t *testing.T) {
	for _, drop := range []float64{0.01, 0.002} {
		b := newBuilder(t)
		b.g.Outputs = []*ir.Value{layered(b)}
		fixed, cfg, err := formatted(b.g, Options{Calibration: b.samples(16), Bits: 22, MaxDrop: drop, RevealStochastic: true})
		if err != nil {
			t.Fatal(err)
		}
		a, err := cfg.rehearse(fixed)
		if err != nil {
			t.Fatal(err)
		}
		bits := functionBits(fixed)
		t.Logf("within %g: off by %.3g, formats %v", drop, a.error, bits)
		// Two functions alone may both be rounded the same way.
		if most := functionDeviation * drop * math.Exp2(evenRounding); a.error > most || a.error < most/4 {
			t.Errorf("outputs are off by %.3g, functions may add %.3g", a.error, most)
		}
		loud, quiet := bits["gelu"], bits["silu"]
		if quiet[0].Bits >= loud[0].Bits || quiet[1].Frac >= loud[1].Frac {
			t.Errorf("within %g: %v where it matters, %v where it hardly does; want fewer bits", drop, loud, quiet)
		}
	}
}

// Noise is measured where there are inputs to measure with, and not in functions that take
// what they need anyway; without, functions are quiet enough for most networks.
func TestNoiseIsMeasuredOnInputs(t *testing.T) {
	for what, c := range map[string]struct {
		options  func(b *builder) Options
		measured int
	}{
		"inputs":      {func(b *builder) Options { return Options{Calibration: b.samples(2), Bits: 18} }, 2},
		"random ones": {func(b *builder) Options { return Options{Calibration: b.samples(2), Made: true, Bits: 18} }, 0},
		"none":        {func(b *builder) Options { return Options{} }, 0},
		"accuracy":    {func(b *builder) Options { return Options{Calibration: b.samples(2), Target: TargetAccuracy, Bits: 18} }, 0},
		"exact":       {func(b *builder) Options { return Options{Calibration: b.samples(2), Exact: true, Bits: 18} }, 0},
	} {
		b := newBuilder(t)
		b.g.Outputs = []*ir.Value{layered(b)}
		_, cfg, err := formatted(b.g, c.options(b))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(cfg.seen.quiets); n != c.measured {
			t.Errorf("%s: %d functions measured, want %d", what, n, c.measured)
		}
	}
}

// Groups hold all functions of a kind, in order, of about as many elements.
func TestGroupsOfFunctions(t *testing.T) {
	b := newBuilder(t)
	var vs []*ir.Value
	x := b.input(1, 8)
	for range 10 {
		x = b.op(ir.OpFunc, &ir.FuncAttrs{Name: "gelu"}, x)
		vs = append(vs, x)
	}
	for parts, want := range map[int][]int{1: {10}, 3: {4, 3, 3}, 10: {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}} {
		var got []int
		var all []*ir.Value
		for _, group := range inParts(vs, parts, elementsOf) {
			got, all = append(got, len(group)), append(all, group...)
		}
		if !slices.Equal(got, want) || !slices.Equal(all, vs) {
			t.Errorf("%d parts of ten: %v, want %v", parts, got, want)
		}
	}
}

// What the client computes of an answer does not hide its noise, and where numbers are
// chosen among none is so small that it could not decide.
func TestNoiseIsJudgedByWhatIsRevealed(t *testing.T) {
	quietsOf := func(last func(b *builder, y *ir.Value) *ir.Value) quiets {
		b := newBuilder(t)
		b.g.Outputs = []*ir.Value{last(b, layered(b))}
		_, cfg, err := formatted(b.g, Options{Calibration: b.samples(2), Bits: 18, Force: true})
		if err != nil {
			t.Fatal(err)
		}
		return cfg.seen.quiets
	}
	plain := quietsOf(func(_ *builder, y *ir.Value) *ir.Value { return y })
	certain := quietsOf(func(b *builder, y *ir.Value) *ir.Value { return b.op(ir.OpSoftmax, &ir.AxisAttrs{Axis: 1}, y) })
	if len(plain) != 2 || !maps.Equal(plain, certain) {
		t.Errorf("functions in front of a softmax of the client: %v, without it %v", certain, plain)
	}
	chosen := quietsOf(func(b *builder, y *ir.Value) *ir.Value {
		return b.op(ir.OpArgMax, &ir.ReduceAttrs{Axes: []int{1}}, y)
	})
	if len(chosen) != 2 {
		t.Errorf("%d functions measured, want 2", len(chosen))
	}
	for _, q := range chosen {
		if q < quiet {
			t.Errorf("functions that a class is chosen by: %v, want %v at least", chosen, quiet)
		}
	}
}
