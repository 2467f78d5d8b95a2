package passes

import (
	"slices"
	"testing"

	"secc.example/secc/ir"
)

// A pad's number stands in the public plan, so no constant of the server's is multiplied into it,
// though the mask below the pad becomes a term of a plain sum; pads by zeros let factors through.
func TestPadsKeepTheirNumber(t *testing.T) {
	for value, below := range map[float64]bool{-3: false, 0: true} {
		b := newBuilder(t)
		x := b.input(1, 4)
		sum := b.op(ir.OpSub, nil, x, b.must(constant(b.g, "mask", []int{1, 4}, []float32{0, 1e9, 0, 1e9})))
		pad := b.op(ir.OpPad, &ir.PadAttrs{Before: []int{0, 1}, After: []int{0, 1}, Value: value}, sum)
		b.g.Outputs = []*ir.Value{b.op(ir.OpSoftmax, &ir.AxisAttrs{Axis: 1}, b.op(ir.OpMul, nil, pad, b.must(constant(b.g, "factor", []int{}, []float32{0.37}))))}
		g, err := plainSums(b.g)
		if err != nil {
			t.Fatal(err)
		}
		var pads []*ir.Value
		for _, v := range g.Values {
			if p, ok := v.Attrs.(*ir.PadAttrs); ok {
				pads = append(pads, v)
				if p.Value != value {
					t.Errorf("a pad by %g is one by %g", value, p.Value)
				}
			}
		}
		if len(pads) != 1 || slices.ContainsFunc(g.Values, func(v *ir.Value) bool { return v.Op == ir.OpMul && slices.Contains(v.Args, pads[0]) }) == below {
			t.Errorf("pad by %g: the factor is not where it should be:\n%v", value, g)
		}
	}
}
