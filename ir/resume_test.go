package ir

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"secc.example/secc/ir/num"
)

// droppers gives the comparisons of a fixed graph, after making each drop bits.
func droppers(g *Graph, lo int) (all []*CompareAttrs) {
	for _, v := range g.Values {
		switch a := v.Attrs.(type) {
		case *CompareAttrs:
			all = append(all, a)
		case *PoolAttrs:
			if v.Op == OpMaxPool {
				all = append(all, &a.CompareAttrs)
			}
		}
	}
	for _, a := range all {
		a.Lo = lo
	}
	return all
}

func finish(t *testing.T, p *Paused) (string, map[*Value]Range) {
	t.Helper()
	r, err := p.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(r.Outputs[0].Floats()), r.Ranges
}

// TestResumedEqualsWhole: wherever a simulation stops, and however often it goes
// on from there, with other comparisons too, it ends as one without a stop.
func TestResumedEqualsWhole(t *testing.T) {
	g, in := squeezeNet(t, 40, 10)
	q := quantize(t, g, in, 14, 8)
	all := droppers(q, 5)
	opt := SimOptions{Rounding: Stochastic, Seed: 3}
	kept := opt
	kept.Weights = new(PackedWeights)
	whole := func() (string, map[*Value]Range) {
		r, err := Simulate(q, in, opt)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(r.Outputs[0].Floats()), r.Ranges
	}
	want, ranges := whole()
	last := all[len(all)-1]
	last.Lo = 9
	other, _ := whole()
	if want == other {
		t.Fatal("the last comparison does not matter")
	}
	p, err := Start(q, in, kept)
	if err != nil {
		t.Fatal(err)
	}
	for at := 1; at < len(q.Values); at += 7 {
		last.Lo = 5
		if p, err = p.Advance(at); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			last.Lo = 5
			if got, r := finish(t, p); got != want || !maps.Equal(r, ranges) {
				t.Fatalf("stopped before value %d: another result", at)
			}
			if q.Values[at].Op == OpReveal { // the last comparison is behind
				break
			}
			last.Lo = 9
			if got, _ := finish(t, p); got != other {
				t.Fatalf("stopped before value %d: the later comparison has no effect", at)
			}
		}
	}
}

// TestStaleMemoryDoesNotShow: results that start in memory of other tensors are
// those that start in new memory.
func TestStaleMemoryDoesNotShow(t *testing.T) {
	g, in := squeezeNet(t, 40, 10)
	b := &netBuilder{t: t, g: g} // a product without a bias starts at zero
	weights := func(shape ...int) *Value { return must(t)(g.Const("w", NewReal(shape, b.random(Numel(shape), 0.2)))) }
	g.Outputs = append(g.Outputs, b.new(OpConv, nil, g.Inputs[0], weights(5, 3, 3, 3)))
	q := quantize(t, g, in, 14, 8)
	droppers(q, 4)
	run := func() string {
		r, err := Simulate(q, in, SimOptions{Rounding: Stochastic, Seed: 3, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		e, err := Eval(g, in, EvalOptions{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(r.Outputs[0].Floats(), Floats(e[0]), r.Outputs[1].Floats(), Floats(e[1]))
	}
	forget()
	want := run()
	for range 3 {
		spoil(t, g, in, q)
		if run() != want {
			t.Fatal("memory of another tensor shows")
		}
	}
}

// forget drops all memory that is kept for the next evaluation.
func forget() {
	num.Forget()
}

// spoil leaves memory full of other numbers.
func spoil(t *testing.T, g *Graph, in []*num.Tensor, q *Graph) {
	junk := make([]float32, len(Floats(in[0])))
	for i := range junk {
		junk[i] = float32(i%17) - 8.5
	}
	other := []*num.Tensor{NewReal(in[0].Shape, junk)}
	if _, err := Simulate(q, other, SimOptions{Rounding: Nearest, Workers: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := Eval(g, other, EvalOptions{Workers: 1}); err != nil {
		t.Fatal(err)
	}
}

// TestSignsByTheirDefinition compares operators on rows with what each element
// is by definition: the sign of a sharing that element or comparison number i draws.
func TestSignsByTheirDefinition(t *testing.T) {
	const n, c = 1536, 3
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i*i*31%1021 - 510)
	}
	head := fmt.Sprintf("%%1 = input : client i12.0[1,%d,16,32]\n%%3 = const {all=0} : server i12.0[1,%d,16,32]\n%%2 = add(%%1, %%3)\n%%8 = const {data=[0,1,0]} : server i2.0[3]\n", c, c)
	for _, lohi := range []string{"", "lo=6 ", "lo=6 hi=10 ", "hi=9 "} {
		for _, op := range []string{
			"relu(%2) {" + lohi + "}", "relu(%2, %8) {" + lohi + "}", "abs(%2) {" + lohi + "}",
			"clip(%2) {" + lohi + "min=-100 max=200}", "clip(%2) {" + lohi + "min=-100}", "clip(%2) {" + lohi + "min=-Inf max=60}",
			"max_pool(%2) {" + lohi + "kernel=[3,3] strides=[2,2] pads_begin=[1,1]}", "max_pool(%2) {" + lohi + "kernel=[2,3] dilations=[2,1]}",
			"reduce_max(%2) {" + lohi + "axes=[1,3]}", "max(%2, %1) {" + lohi + "}",
		} {
			text := head + "%9 = " + op + "\n%10 = reveal(%9)\nreturn %10\n"
			opt := SimOptions{Rounding: Stochastic, Seed: 5}
			got := simulate(t, text, opt, x)[0]
			g := parse(t, text)
			for _, v := range g.Values {
				if v.ID != 9 {
					continue
				}
				want := byDefinition(&simulation{opt: opt}, v, x)
				for i := range want {
					if Wrap(want[i], 12) != got[i] {
						t.Fatalf("%s: element %d is %d, want %d", op, i, got[i], want[i])
					}
				}
			}
		}
	}
}

// byDefinition computes one operator element by element.
func byDefinition(s *simulation, v *Value, x []float32) []int64 {
	in, shape := toInts(x), v.Args[0].Type.Shape
	var out []int64
	switch a := v.Attrs.(type) {
	case *CompareAttrs:
		sign := s.signer(v, *a, 0)
		for i, y := range in {
			switch {
			case v.Op == OpAbs:
				out = append(out, pickInt(sign.Positive(i, y), y, -y))
			case v.Op == OpMax: // of a value and itself
				out = append(out, y)
			default:
				flip := len(v.Args) == 2 && i/(shape[2]*shape[3])%shape[1] == 1
				out = append(out, pickInt(sign.Positive(i, y) != flip, y, 0))
			}
		}
	case *ClipAttrs:
		low, high, hasLow, hasHigh := a.Bounds(v.Type.Elem)
		first, second := s.signer(v, a.CompareAttrs, 0), s.signer(v, a.CompareAttrs, 1)
		for i, y := range in {
			switch {
			case hasLow && hasHigh:
				z := pickInt(first.Positive(i, y-low) != second.Positive(i, y-high), y, low)
				out = append(out, z+pickInt(second.Positive(i, y-high), high-low, 0))
			case hasLow:
				out = append(out, pickInt(first.Positive(i, y-low), y, low))
			default:
				out = append(out, pickInt(first.Positive(i, high-y), y, high))
			}
		}
	case *PoolAttrs:
		n := 0
		for d := 1; d >= 0; d-- { // rows first, then columns
			l := num.Line{N: shape[2+d], Out: v.Type.Shape[2+d], Kernel: a.Kernel[d], Stride: a.Strides[d], Dilation: a.Dilations[d], Before: a.PadsBegin[d]}
			inner := 1
			if d == 0 {
				inner = v.Type.Shape[3]
			}
			in = tournament(s.signer(v, a.CompareAttrs, 0), &n, in, inner, l)
		}
		out = in
	case *ReduceAttrs:
		n := 0
		in = tournament(s.signer(v, a.CompareAttrs, 0), &n, in, 1, num.Line{N: shape[3], Out: 1, Kernel: shape[3], Stride: 1, Dilation: 1})
		out = tournament(s.signer(v, a.CompareAttrs, 0), &n, in, shape[2], num.Line{N: shape[1], Out: 1, Kernel: shape[1], Stride: 1, Dilation: 1})
	}
	return out
}

// tournament takes maxima along the middle of [outer][l.N][inner]; comparisons
// are numbered by result, then tap, then place in inner.
func tournament(sign num.Signer, n *int, in []int64, inner int, l num.Line) []int64 {
	var out []int64
	for o := range len(in) / (l.N * inner) {
		for j := range l.Out {
			best, empty := make([]int64, inner), true
			for t := range l.Kernel {
				p := j*l.Stride - l.Before + t*l.Dilation
				if p < 0 || p >= l.N {
					continue
				}
				for i := range best {
					y := in[(o*l.N+p)*inner+i]
					if empty {
						best[i] = y
						continue
					}
					if *n++; !sign.Positive(*n, best[i]-y) {
						best[i] = y
					}
				}
				empty = false
			}
			out = append(out, best...)
		}
	}
	return out
}

func toInts(x []float32) []int64 {
	out := make([]int64, len(x))
	for i, y := range x {
		out[i] = int64(y)
	}
	return out
}

func pickInt(c bool, x, y int64) int64 {
	if c {
		return x
	}
	return y
}

// A variant answers like a graph in which the changes are operators, and the graph as it
// would alone, also where changes meet and where a changed value is an output.
func TestVariants(t *testing.T) {
	g := &Graph{Name: "variants"}
	must := func(v *Value, err error) *Value {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	x := must(g.Input("x", []int{1, 4}))
	a := must(g.New(OpRelu, "a", nil, x))
	b := must(g.New(OpNeg, "b", nil, x))
	c := must(g.New(OpAdd, "c", nil, a, b))
	g.Outputs = []*Value{c, b, must(g.New(OpNeg, "d", nil, a))}
	in := []*num.Tensor{NewReal([]int{1, 4}, []float32{1, -2, 3, -4})}
	add := func(by float32, to ...*Value) Variant {
		return Variant{func(v *Value) bool { return slices.Contains(to, v) }, func(_ *Value, x []float32) {
			for i := range x {
				x[i] += by
			}
		}}
	}
	outs, err := EvalVariants(g, in, []Variant{add(10, a), add(100, a, b), add(1000, c), add(5, x), add(1)}, EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	same := []float32{0, 2, 0, 4}
	for i, want := range [][3][]float32{
		{same, {-1, 2, -3, 4}, {-1, 0, -3, 0}},
		{{10, 12, 10, 14}, {-1, 2, -3, 4}, {-11, -10, -13, -10}},
		{{200, 202, 200, 204}, {99, 102, 97, 104}, {-101, -100, -103, -100}},
		{{1000, 1002, 1000, 1004}, {-1, 2, -3, 4}, {-1, 0, -3, 0}},
		{{0, 0, 0, 0}, {-6, -3, -8, -1}, {-6, -3, -8, -1}},
		{same, {-1, 2, -3, 4}, {-1, 0, -3, 0}},
	} {
		for o := range want {
			got := Floats(outs[i][o])
			if !slices.EqualFunc(got, want[o], func(x, y float32) bool { return x == y }) {
				t.Errorf("variant %d, output %d: %v, want %v", i, o, got, want[o])
			}
		}
	}
}
