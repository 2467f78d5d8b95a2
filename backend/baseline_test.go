package backend

import (
	"testing"

	"secc/backend/plan"
	"secc/ir"
)

// oneConv is a graph of one k x k convolution and one relu.
func oneConv(t *testing.T, in, out, side, k int) *ir.Graph {
	g := &ir.Graph{Name: "g"}
	must := func(v *ir.Value, err error) *ir.Value {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	x := must(g.Input("x", []int{1, in, side, side}))
	w := must(g.Const("w", ir.NewReal([]int{out, in, k, k}, make([]float32, out*in*k*k))))
	pad := []int{k / 2, k / 2}
	c := must(g.New(ir.OpConv, "c", &ir.ConvAttrs{PadsBegin: pad, PadsEnd: pad}, x, w))
	g.Outputs = []*ir.Value{must(g.New(ir.OpRelu, "r", nil, c))}
	return g
}

// The cross terms cost l(l+1)/2 bits a multiplication once the OTs are spread
// over many positions; two of them twice that; Winograd a quarter of 3x3.
func TestLadderFormulas(t *testing.T) {
	const side, channels = 256, 8
	g := oneConv(t, channels, channels, side, 3)
	steps, layers := Ladder(g, Baseline{Ring: 37}, &plan.Report{})
	macs := float64(side * side * channels * channels * 9)
	if layers[0].MACs != int64(macs) || layers[1].Elems != side*side*channels {
		t.Errorf("counts %d MACs, %d comparisons", layers[0].MACs, layers[1].Elems)
	}
	within := func(what string, got int64, want, slack float64) {
		if r := float64(got) / want; r < 1-slack || r > 1+slack {
			t.Errorf("%s: %d bytes, want about %.0f", what, got, want)
		}
	}
	term := macs * 37 * 38 / 2 / 8
	within("two terms", steps[0].Linear, 2*term, 0.01)
	within("one term", steps[1].Linear, term, 0.01)
	xop := float64(side*side*(channels/2*9+channels*channels)) * 37 * 38 / 2 / 8
	within("X-operator", steps[2].Linear, xop, 0.01)
	within("Winograd", steps[3].Linear, xop-float64(side*side*channels/2*9)*(1-36./144)*37*38/2/8, 0.02)
	for i := 1; i < len(steps)-1; i++ {
		if steps[i].Bytes > steps[i-1].Bytes {
			t.Errorf("%q costs more than %q", steps[i].Step, steps[i-1].Step)
		}
	}
}
