package backend

import (
	"math"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/ir"
)

// What was fitted for one plan is not fitted again for the next.
func TestLinesAreFittedOnce(t *testing.T) {
	lan, err := choose.ParseProfile("lan")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	f := func(x float64) float64 { asked++; return math.Tanh(x) }
	key := fitted{ir.FuncAttrs{Name: "tanh"}, ir.Elem{Bits: 8, Frac: 4}, ir.Elem{Bits: 8, Frac: 5}, 9, lan}
	l := NewLines()
	for _, c := range []struct {
		n   int
		new bool
	}{{9, true}, {9, false}, {10, true}, {9, false}} {
		before := asked
		key.n = c.n
		got, err := l.fit(f, key)
		if err != nil || got.Error() > 1 || got.Name != "" {
			t.Fatalf("%v, error %g", err, got.Error())
		}
		if fresh := asked > before; fresh != c.new {
			t.Errorf("%d elements: fitted %v, want %v", c.n, fresh, c.new)
		}
	}
}
