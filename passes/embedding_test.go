package passes

import (
	"testing"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// Tokens choose rows of a table: the client makes them one-hot, or looks them up where the
// table is public; what chooses by a value in shares is compared. All are the same network.
func TestEmbeddings(t *testing.T) {
	const rows, width = 7, 3
	ids := [][]*num.Tensor{{ir.NewReal([]int{1, 4}, []float32{0, 6, 3, 3})}, {ir.NewReal([]int{1, 4}, []float32{-1, -7, 5, 0})}}
	for name, c := range map[string]struct {
		public bool
		ops    string
		fed    int
	}{
		"a table of the server's": {false, "one_hot", 4 * rows},
		"a published table":       {true, "lookup", 4 * width},
	} {
		b := newBuilder(t)
		x := b.input(1, 4)
		table := b.weights(1, rows, width)
		if c.public {
			table = b.must(b.g.PublicConst("table", ir.NewReal([]int{rows, width}, data(table))))
		}
		b.g.Outputs = []*ir.Value{b.dense(b.op(ir.OpLookup, nil, x, table), 2)}
		before := ir.Print(b.g)
		head, rest, err := SplitHead(b.g, func(v *ir.Value) bool { return v.Type.Holder == ir.Public })
		if err != nil {
			t.Fatal(err)
		}
		if got := opsOf(head); got != c.ops || elements(rest.Inputs) != c.fed || ir.Print(b.g) != before {
			t.Errorf("%s: the client computes %q and encodes %d elements, want %q and %d", name, got, elements(rest.Inputs), c.ops, c.fed)
		}
		if got := len(OneHots(head)); (got == 1) == c.public {
			t.Errorf("%s: %d one-hot rows are told of", name, got)
		}
		sameInParts(t, b.g, head, rest, ids)
	}
}

// Indices in shares become one-hot by comparisons, those of an arg-max by half as many.
func TestEmbeddingOfShares(t *testing.T) {
	for name, c := range map[string]struct {
		of    func(*builder, *ir.Value) *ir.Value
		steps int
	}{
		"an arg-max": {func(b *builder, x *ir.Value) *ir.Value {
			return b.op(ir.OpArgMax, &ir.ReduceAttrs{Axes: []int{1}}, b.dense(x, 5))
		}, 2 * (5 + 1)},
		"a floor": {func(b *builder, x *ir.Value) *ir.Value {
			return b.op(ir.OpFunc, &ir.FuncAttrs{Name: "floor"}, b.op(ir.OpClip, &ir.ClipAttrs{Min: -4.5, Max: 4.5}, b.dense(x, 2)))
		}, 4 * (2*5 + 1)},
	} {
		b := newBuilder(t)
		b.g.Outputs = []*ir.Value{b.dense(b.op(ir.OpLookup, nil, c.of(b, b.input(2, 6)), b.weights(1, 5, 3)), 2)}
		got, _ := b.g.Clone()
		if err := decompose(got, nil); err != nil {
			t.Fatal(err)
		}
		got.RemoveDead()
		steps := 0
		for _, v := range got.Values {
			if a, ok := v.Attrs.(*ir.FuncAttrs); ok && a.Name == "step" {
				steps += v.Type.N()
			}
		}
		if steps != c.steps {
			t.Errorf("%s: %d comparisons, want %d", name, steps, c.steps)
		}
		sameInParts(t, b.g, nil, got, b.samples(5))
	}
}
