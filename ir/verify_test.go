package ir

import (
	"slices"
	"strings"
	"testing"
)

func TestVerifyRejects(t *testing.T) {
	find := func(g *Graph, op Op) *Value {
		return g.Values[slices.IndexFunc(g.Values, func(v *Value) bool { return v.Op == op })]
	}
	for _, c := range []struct {
		name, text string
		phase      Phase
		spoil      func(g *Graph)
		want       string
	}{
		{"order", realText, Real, func(g *Graph) { slices.Reverse(g.Values) }, "stand before"},
		{"dangling", realText, Real, func(g *Graph) { g.Values = slices.DeleteFunc(g.Values, func(v *Value) bool { return v.Op == OpMax }) }, "stand before"},
		{"type", realText, Real, func(g *Graph) { find(g, OpMax).Type.Shape[3] = 9 }, "has type"},
		{"holder", realText, Real, func(g *Graph) { find(g, OpMax).Type.Holder = Public }, "has type"},
		{"arity", realText, Real, func(g *Graph) { find(g, OpAdd).Args = nil }, "0 arguments"},
		{"nil argument", realText, Real, func(g *Graph) { find(g, OpAdd).Args[1] = nil }, "missing"},
		{"attributes", realText, Real, func(g *Graph) { find(g, OpClip).Attrs = &PoolAttrs{} }, "attributes are"},
		{"nil attributes", realText, Real, func(g *Graph) { find(g, OpClip).Attrs = (*ClipAttrs)(nil) }, "attributes are"},
		{"number", realText, Real, func(g *Graph) { find(g, OpAdd).ID = 1 }, "number is used twice"},
		{"unlisted input", realText, Real, func(g *Graph) { g.Inputs = nil }, "1 inputs among"},
		{"no outputs", realText, Real, func(g *Graph) { g.Outputs = nil }, "no output"},
		{"foreign output", realText, Real, func(g *Graph) { g.Outputs[0] = &Value{} }, "output 0"},
		{"fixed in real", fixedText, Real, func(*Graph) {}, "real phase"},
		{"protocol too early", fixedText, Fixed, func(g *Graph) { find(g, OpRelu).Proto = "relu" }, "before selection"},
		{"no protocol", fixedText, Selected, func(*Graph) {}, "no protocol"},
		{"real in fixed", realText, Fixed, func(*Graph) {}, "no fixed-point format"},
		{"unrevealed", fixedText, Fixed, func(g *Graph) { g.Outputs = append(g.Outputs, find(g, OpRelu)) }, "reveal it first"},
		{"shift", fixedText, Fixed, func(g *Graph) { find(g, OpConv).Attrs.(*ConvAttrs).Shift = 7 }, "has type"},
		{"bias format", fixedText, Fixed, func(g *Graph) { find(g, OpConv).Args[2].Type.Elem.Frac = 15 }, "bias has format"},
		{"add formats", fixedText, Fixed, func(g *Graph) { g.Values[21].Args[0] = find(g, OpConv) }, "formats differ"},
		{"compared bits", fixedText, Fixed, func(g *Graph) { find(g, OpRelu).Attrs.(*CompareAttrs).Hi = 17 }, "compared bits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := parse(t, c.text)
			c.spoil(g)
			err := Verify(g, c.phase)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestVerifySelected(t *testing.T) {
	g := parse(t, fixedText)
	for _, v := range g.Values {
		if v.Type.Holder == Shared || v.Op == OpReveal {
			v.Proto = "some protocol"
		}
	}
	if err := Verify(g, Selected); err != nil {
		t.Error(err)
	}
	h := parse(t, Print(g))
	if err := Verify(h, Selected); err != nil || Print(h) != Print(g) {
		t.Errorf("protocols do not survive the text: %v", err)
	}
}

func TestSort(t *testing.T) {
	g := parse(t, realText)
	shuffled := slices.Clone(g.Values)
	slices.Reverse(shuffled)
	g.Values = shuffled
	if err := g.Sort(); err != nil {
		t.Fatal(err)
	}
	if err := Verify(g, Real); err != nil {
		t.Error(err)
	}
	sorted := Print(g)
	if err := g.Sort(); err != nil || Print(g) != sorted {
		t.Error("sorting a sorted graph changes it")
	}
	g.Values[5].Args[0] = g.Values[len(g.Values)-1]
	if err := g.Sort(); err == nil || !strings.Contains(err.Error(), "depends on itself") {
		t.Errorf("a cycle gives %v", err)
	}
}

func TestRewriting(t *testing.T) {
	g := parse(t, `graph ""
%1 = input "x" : client real[4]
%2 = neg(%1)
%3 = relu(%2)
%4 = abs(%1)
return %3, %2
`)
	neg := g.Values[1]
	twice := must(t)(g.New(OpAdd, "twice", nil, neg, neg))
	g.ReplaceUses(neg, twice)
	if err := g.Sort(); err != nil {
		t.Fatal(err)
	}
	if n := g.RemoveDead(); n != 1 {
		t.Errorf("%d dead values, want 1", n)
	}
	if err := Verify(g, Real); err != nil {
		t.Error(err)
	}
	want := `graph ""
%1 = input "x" : client real[4]
%2 = neg(%1) : client real[4]
%5 = add(%2, %2) "twice" : client real[4]
%3 = relu(%5) : client real[4]
return %3, %5
`
	if got := Print(g); got != want {
		t.Errorf("got\n%s", got)
	}
	if n := g.Uses()[neg]; n != 2 {
		t.Errorf("%d uses, want 2", n)
	}
}

// TestCloneIsDeep: changing a clone leaves the original alone.
func TestCloneIsDeep(t *testing.T) {
	g := parse(t, realText)
	c, to := g.Clone()
	for _, v := range c.Values {
		if len(v.Type.Shape) > 0 {
			v.Type.Shape[0] = 77
		}
		if a, ok := v.Attrs.(*ConvAttrs); ok {
			a.Strides[0] = 77
		}
		if len(v.Args) > 0 {
			v.Args[0] = nil
		}
	}
	if Print(g) != realText {
		t.Error("the original changed")
	}
	if len(to) != len(g.Values) || to[g.Outputs[0]] != c.Outputs[0] {
		t.Error("the map does not lead to the copies")
	}
}
