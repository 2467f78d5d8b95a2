package ir

import (
	"testing"

	"secc.example/secc/ir/num"
)

// FuzzRun evaluates and simulates whatever small graph the parser accepts:
// what Verify lets through must run, and land in its rings.
func FuzzRun(f *testing.F) {
	f.Add(realText)
	f.Add(fixedText)
	f.Fuzz(func(t *testing.T, text string) {
		g, err := Parse(text, nil)
		if err != nil || !small(g) {
			return
		}
		in := make([]*num.Tensor, len(g.Inputs))
		for i, v := range g.Inputs {
			in[i] = NewReal(v.Type.Shape, toFloats(upTo64(v.Type.N())))
		}
		if Verify(g, Real) == nil {
			if _, err := Eval(g, in, EvalOptions{Workers: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if Verify(g, Fixed) != nil {
			return
		}
		for _, r := range []Rounding{Nearest, Stochastic} {
			res, err := Simulate(g, in, SimOptions{Rounding: r, Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range res.Outputs {
				for _, x := range o.Ints {
					if Wrap(x, o.Type.Elem.Bits) != x {
						t.Fatalf("%d in %v", x, o.Type)
					}
				}
			}
		}
	})
}

func upTo64(n int) []int64 {
	x := make([]int64, n)
	for i := range x {
		x[i] = int64(i - n/2)
	}
	return x
}

// small keeps the work of one try bounded.
func small(g *Graph) bool {
	if len(g.Values) > 64 {
		return false
	}
	for _, v := range g.Values {
		work := v.Type.N()
		for _, a := range v.Args {
			work *= a.Type.N()
			if work > 1<<16 || work < 0 {
				return false
			}
		}
		if a, ok := v.Attrs.(*ConvAttrs); ok && Numel(a.Strides)*Numel(a.Dilations) > 1<<8 {
			return false
		}
		if a, ok := v.Attrs.(*PoolAttrs); ok && Numel(a.Kernel) > 1<<12 {
			return false
		}
	}
	return true
}
