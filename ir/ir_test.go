package ir

import (
	"strings"
	"testing"
)

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

// TestWindows: counts along one dimension, as PyTorch and ONNX give them.
func TestWindows(t *testing.T) {
	for _, c := range []struct {
		in, kernel, stride, dilation, before, after int
		floor, ceil                                 int
	}{
		{56, 3, 2, 1, 0, 0, 27, 28},
		{112, 3, 2, 1, 1, 1, 56, 57},
		{3, 2, 3, 1, 0, 1, 1, 1}, // a second window would start in the padding behind
		{7, 3, 2, 1, 0, 0, 3, 3},
		{10, 3, 3, 2, 1, 0, 3, 3},
	} {
		for _, ceil := range []bool{false, true} {
			want := c.floor
			if ceil {
				want = c.ceil
			}
			n, err := windows(c.in, c.kernel, c.stride, c.dilation, c.before, c.after, ceil)
			if err != nil || n != want {
				t.Errorf("%+v, ceil %v: %d, %v", c, ceil, n, err)
			}
		}
	}
	if _, err := windows(3, 5, 1, 1, 0, 1, false); err == nil {
		t.Error("a kernel larger than its input is accepted")
	}
}

// TestInferErrors: what cannot be is refused with a reason, and the graph stays as it was.
func TestInferErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"conv(%1, %2) {group=3}", "in 3 groups"},
		{"conv(%1, %2) {strides=[1]}", "strides [1]"},
		{"conv(%1, %2) {strides=[0,1]}", "strides [0 1]"},
		{"conv(%1, %2) {pads_begin=[-1,0]}", "pads [-1 0]"},
		{"conv(%1, %2, %2)", "bias of shape"},
		{"conv(%1, %3)", "want N,C"},
		{"conv(%1, %2) {dilations=[9,9]}", "spatial dimension 0"},
		{"conv(%1, %2) {shift=3}", "shift of real"},
		{"conv(%1)", "1 arguments"},
		{"matmul(%1, %3)", "inner dimensions"},
		{"add(%1, %4)", "do not broadcast"},
		{"concat(%1, %4) {axis=1}", "ranks differ"},
		{"concat(%1, %1) {axis=7}", "axis 7"},
		{"transpose(%1) {perm=[0,1,2,2]}", "permutation"},
		{"reshape(%1) {shape=[-1]}", "no or too many"},
		{"slice(%1) {start=[0,0,0,0] size=[1,2,6,7]}", "elements 0 to 6 of 6"},
		{"slice(%1) {start=[0,0,0,0] size=[1,2,6,6] step=[1,1,0,1]}", "step 0"},
		{"pad(%1) {before=[0,0,0,0] after=[0,0,0,6] mode=reflect}", "padding of 6"},
		{"pad(%1) {before=[0,0,0,0] after=[0,0,0,0] mode=odd}", "mode"},
		{"gather(%1) {axis=1 index=[2]}", "index 2"},
		{"expand(%1) {shape=[2,6,6]}", "broadcast"},
		{"expand(%1) {shape=[268435456,2,6,6]}", "too many elements"},
		{"max_pool(%1) {kernel=[1,1] pads_begin=[1,1]}", "hold nothing"},
		{"max_pool(%1) {kernel=[9,9]}", "kernel 9"},
		{"sum(%1) {axes=[1,-3]}", "twice"},
		{"argmax(%1) {axes=[1,2]}", "want one"},
		{"argmax(%1) {axes=[1] k=3}", "3 largest of 2"},
		{"func(%1) {name=frobnicate}", "no function"},
		{"clip(%1) {min=2 max=1}", "bounds"},
		{"clip(%1) {min=NaN max=1}", "bounds"},
		{"batch_norm(%1, %4, %4)", "want [2]"},
		{"prelu(%1, %4)", "slope of shape"},
		{"relu(%1, %4)", "one element a channel"},
		{"extend(%1) {bits=9}", "no fixed-point format"},
		{"reveal(%1)", "no fixed-point format"},
	} {
		text := "%1 = input : client real[1,2,6,6]\n%2 = const {all=1} : server real[3,2,3,3]\n" +
			"%3 = const {all=1} : server real[3,2]\n%4 = const {all=1} : server real[5]\n%5 = " + c.line + "\nreturn %5\n"
		if _, err := Parse(text, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s gives %v, want %q", c.line, err, c.want)
		}
	}
	g := parse(t, "%1 = input : client real[1]\nreturn %1\n")
	if _, err := g.New(OpNeg, "", nil); err == nil || len(g.Values) != 1 {
		t.Errorf("after %v the graph has %d values", err, len(g.Values))
	}
	if _, err := g.New(OpConst, "", &ConstAttrs{}); err == nil {
		t.Error("New makes a constant")
	}
}
