package main

import (
	"math/rand/v2"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
	"secc.example/secc/runtime"
)

// branches is a network of four unequal branches that start side by side: a
// clip, a max-pool, a relu and a convolution, and after each a convolution of its own.
func branches(t *testing.T) *ir.Graph {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 1))
	g := &ir.Graph{Name: "branches"}
	must := func(v *ir.Value, err error) *ir.Value {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	conv := func(name string, x *ir.Value, cout, k int) *ir.Value {
		cin := x.Type.Shape[1]
		w := make([]float32, cout*cin*k*k)
		for i := range w {
			w[i] = float32(r.NormFloat64()) / float32(k)
		}
		a := &ir.ConvAttrs{Group: 1, Strides: []int{1, 1}, Dilations: []int{1, 1}, PadsBegin: []int{k / 2, k / 2}, PadsEnd: []int{k / 2, k / 2}}
		return must(g.New(ir.OpConv, name, a, x, must(g.Const(name+".w", ir.NewReal([]int{cout, cin, k, k}, w)))))
	}
	x := must(g.Input("x", []int{1, 2, 9, 9}))
	a, b, c, d := conv("a", x, 3, 3), conv("b", x, 2, 1), conv("c", x, 4, 3), conv("d", x, 2, 3)
	a = must(g.New(ir.OpClip, "clip", &ir.ClipAttrs{Min: -1, Max: 2}, a))
	b = must(g.New(ir.OpMaxPool, "pool", &ir.PoolAttrs{Kernel: []int{3, 3}, Strides: []int{1, 1}, Dilations: []int{1, 1}, PadsBegin: []int{1, 1}, PadsEnd: []int{1, 1}}, b))
	c = must(g.New(ir.OpRelu, "relu", &ir.CompareAttrs{}, c))
	y := must(g.New(ir.OpConcat, "all", &ir.AxisAttrs{Axis: 1}, conv("a2", a, 2, 3), conv("b2", b, 3, 1), conv("c2", c, 2, 3), conv("d2", d, 2, 1)))
	g.Outputs = []*ir.Value{conv("out", y, 3, 9)}
	return g
}

// What starts in one round runs side by side: the answer is right, bytes and
// rounds of every operator are those predicted, and the rounds are fewer than one
// after the other.
func TestUnequalBranchesRunSideBySide(t *testing.T) {
	g := branches(t)
	real, _ := g.Clone()
	r := rand.New(rand.NewPCG(3, 2))
	n := &network{}
	var o passes.Options
	for range 4 {
		x := make([]float32, 162)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		n.cases = append(n.cases, x)
		o.Calibration = append(o.Calibration, []*num.Tensor{ir.NewReal([]int{1, 2, 9, 9}, x)})
	}
	var err error
	if n.Result, err = passes.Compile(g, o); err != nil {
		t.Fatal(err)
	}
	one, side := plan.Depth{}, 0
	for _, wave := range n.Plan.Waves() {
		side = max(side, len(wave))
		for _, call := range wave {
			one = one.After(n.Plan.CallCost(call).Flights)
		}
	}
	values, server, client := n.secure(t, 0)
	if got := client.Total.Online.Rounds; side < 4 || got >= one.Rounds()-10 {
		t.Errorf("%d calls side by side at most, %d rounds; %d one after the other", side, got, one.Rounds())
	}
	compareCost(t, "server", n.Plan, server)
	compareCost(t, "client", n.Plan, client)
	out, err := runtime.Decode(n.Plan, values)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ir.Eval(real, []*num.Tensor{o.Calibration[0][0]}, ir.EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	compareLogits(t, "branches", out[0].Values, ir.Floats(want[0]), 0.01)
}
