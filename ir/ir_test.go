package ir

import "testing"

// must unwraps a constructor in tests.
func must(t testing.TB) func(*Value, error) *Value {
	return func(v *Value, err error) *Value {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestInferShapes(t *testing.T) {
	g, ok := &Graph{}, must(t)
	x := ok(g.Input("x", []int{1, 3, 8, 8}))
	w := ok(g.Const("w", NewReal([]int{4, 3, 3, 3}, make([]float32, 108))))
	c := ok(g.New(OpConv, "conv", &ConvAttrs{PadsBegin: []int{1, 1}, PadsEnd: []int{1, 1}, Strides: []int{2, 2}}, x, w))
	if got := c.Type.String(); got != "shared real[1,4,4,4]" {
		t.Error(got)
	}
	f := ok(g.New(OpReshape, "flat", &ReshapeAttrs{[]int{1, 64}}, c))
	if got := f.Type.String(); got != "shared real[1,64]" {
		t.Error(got)
	}
	if _, err := g.New(OpReshape, "bad", &ReshapeAttrs{[]int{1, 63}}, c); err == nil {
		t.Error("reshape to fewer elements is accepted")
	}
}
