package passes

import (
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// headCases are graphs with what of them the client makes: the operators of the head,
// in order, and the elements that enter the network.
func headCases() map[string]struct {
	make func(*builder) *ir.Value
	ops  string
	fed  int
} {
	affine := func(b *builder, x *ir.Value, k float32) *ir.Value { return b.op(ir.OpMul, nil, x, b.number(k)) }
	return map[string]struct {
		make func(*builder) *ir.Value
		ops  string
		fed  int
	}{
		"a logarithm": {func(b *builder) *ir.Value {
			return b.dense(b.op(ir.OpFunc, &ir.FuncAttrs{Name: "log"}, b.op(ir.OpMax, nil, b.input(1, 8), b.number(1e-3))), 3)
		}, "max func", 8},
		"a scaling": {func(b *builder) *ir.Value { return b.dense(affine(b, b.input(1, 8), 1./255), 3) }, "mul", 8},
		"nothing but places": {func(b *builder) *ir.Value {
			return b.dense(b.op(ir.OpReshape, &ir.ReshapeAttrs{Shape: []int{1, 8}}, b.input(2, 4)), 3)
		}, "", 8},
		"a scaling beside the input itself": {func(b *builder) *ir.Value {
			x := b.input(1, 8)
			return b.op(ir.OpAdd, nil, b.dense(x, 3), b.dense(affine(b, x, 2), 3))
		}, "", 8},
		"a logarithm beside the input itself": {func(b *builder) *ir.Value {
			x := b.input(1, 8)
			return b.op(ir.OpAdd, nil, b.dense(x, 3), b.dense(b.op(ir.OpFunc, &ir.FuncAttrs{Name: "softplus"}, x), 3))
		}, "func", 16},
		"a score of the row": {func(b *builder) *ir.Value {
			x := b.input(1, 8)
			along := func() *ir.ReduceAttrs { return &ir.ReduceAttrs{Axes: []int{1}, Keep: true} }
			d := b.op(ir.OpSub, nil, x, affine(b, b.op(ir.OpSum, along(), x), 1./8))
			v := b.op(ir.OpFunc, &ir.FuncAttrs{Name: "rsqrt"}, affine(b, b.op(ir.OpSum, along(), b.op(ir.OpMul, nil, d, d)), 1./8))
			return b.dense(b.op(ir.OpMul, nil, d, v), 3)
		}, "sum mul sub mul sum mul func mul", 8},
		"a secret number": {func(b *builder) *ir.Value {
			return b.dense(b.op(ir.OpFunc, &ir.FuncAttrs{Name: "log"}, b.op(ir.OpMax, nil, b.input(1, 8), b.weights(1))), 3)
		}, "", 8},
		"padding in front of a product": {func(b *builder) *ir.Value {
			x := affine(b, b.input(1, 4), 3)
			return b.dense(b.op(ir.OpPad, &ir.PadAttrs{Before: []int{0, 2}, After: []int{0, 2}, Value: 0.5}, x), 3)
		}, "mul", 4},
	}
}

// number is a public number.
func (b *builder) number(x float32) *ir.Value {
	return b.must(b.g.PublicConst("c", ir.NewReal([]int{}, []float32{x})))
}

// dense multiplies the last dimension by weights.
func (b *builder) dense(x *ir.Value, out int) *ir.Value {
	n := x.Type.Shape[len(x.Type.Shape)-1]
	return b.op(ir.OpMatMul, nil, x, b.weights(0.3, n, out))
}

// What only reads inputs and public numbers is the client's, if it would cost a protocol
// or costs no elements; the two parts together are the network.
func TestSplitHead(t *testing.T) {
	for name, c := range headCases() {
		t.Run(name, func(t *testing.T) {
			b := newBuilder(t)
			b.g.Outputs = []*ir.Value{c.make(b)}
			before := ir.Print(b.g)
			head, rest, err := SplitHead(b.g, func(v *ir.Value) bool { return v.Type.Holder == ir.Public })
			if err != nil {
				t.Fatal(err)
			}
			if ir.Print(b.g) != before {
				t.Error("the graph was changed")
			}
			if err := ir.Verify(rest, ir.Real); err != nil {
				t.Fatal(err)
			}
			if got := opsOf(head); got != c.ops || elements(rest.Inputs) != c.fed {
				t.Errorf("the client computes %q and encodes %d elements, want %q and %d", got, elements(rest.Inputs), c.ops, c.fed)
			}
			sameInParts(t, b.g, head, rest, b.samples(3))
		})
	}
}

// opsOf lists what a head computes.
func opsOf(head *ir.Graph) string {
	var ops []string
	if head != nil {
		for _, v := range head.Values {
			if v.Op != ir.OpInput && v.Op != ir.OpConst {
				ops = append(ops, string(v.Op))
			}
		}
	}
	return strings.Join(ops, " ")
}

// sameInParts compares a graph with its parts, the client's as the plan describes it.
func sameInParts(t *testing.T, whole, head, rest *ir.Graph, samples [][]*num.Tensor) {
	t.Helper()
	for _, in := range samples {
		fed := in
		if head != nil {
			h, err := backend.LowerHead(head)
			if err != nil {
				t.Fatal(err)
			}
			var raw [][]float32
			for _, x := range in {
				raw = append(raw, ir.Floats(x))
			}
			out, err := h.Eval(raw)
			if err != nil {
				t.Fatal(err)
			}
			fed = nil
			for i, x := range out {
				fed = append(fed, ir.NewReal(rest.Inputs[i].Type.Shape, slices.Clone(x)))
			}
		}
		want, err := ir.Eval(whole, in, ir.EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ir.Eval(rest, fed, ir.EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			a, b := ir.Floats(want[i]), ir.Floats(got[i])
			for j := range a {
				if d := a[j] - b[j]; d > 1e-4 || d < -1e-4 {
					t.Fatalf("output %d element %d is %g in parts, %g as a whole", i, j, b[j], a[j])
				}
			}
		}
	}
}
