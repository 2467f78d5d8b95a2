package ir

import (
	"fmt"
	"testing"
)

// TestClipNearBounds: with low bits dropped a clip errs by less than 2^Lo, just
// above its lower and its upper bound and nowhere else.
func TestClipNearBounds(t *testing.T) {
	const lo, each = 3, 400
	x := []float32{}
	for v := -100; v <= 100; v++ {
		for range each {
			x = append(x, float32(v))
		}
	}
	for _, c := range []struct {
		attrs           string
		low, high       int
		errLow, errHigh int // errors are allowed in [errLow, errLow+2^lo) and [errHigh, ...)
	}{
		{"min=-20 max=50", -20, 50, -20, 50},
		{"min=-20 max=Inf", -20, 1000, -20, 1000},
		{"min=-Inf max=50", -1000, 50, -1000, 50 - 1<<lo + 1},
	} {
		text := shared(len(x), "i10.0") + "%4 = clip(%2) {" + c.attrs + " lo=3}\n%5 = reveal(%4)\nreturn %5\n"
		got := simulate(t, text, SimOptions{Rounding: Stochastic, Seed: 9}, x)[0]
		wrong := 0
		for i, y := range got {
			v := int(x[i])
			d := int(y) - min(max(v, c.low), c.high)
			if d == 0 {
				continue
			}
			wrong++
			near := v >= c.errLow && v < c.errLow+1<<lo || v >= c.errHigh && v < c.errHigh+1<<lo
			if !near || d >= 1<<lo || d <= -1<<lo {
				t.Fatalf("%s: clip(%d) = %d", c.attrs, v, y)
			}
		}
		if wrong == 0 {
			t.Errorf("%s: dropping %d bits never shows", c.attrs, lo)
		}
	}
}

// A bound beyond what activations reach changes nothing, though the ring holds it and not the
// distance to it.
func TestClipOutOfReach(t *testing.T) {
	const top = 1 << 8
	x := []float32{}
	for v := 1 - top; v < top; v++ {
		x = append(x, float32(v))
	}
	for _, bounds := range [][2]int{{0, top - 1}, {0, top}, {0, top + top/2}, {0, 2*top - 1}, {0, 3 * top}, {-top, 5}, {-top - top/2, 5}, {-2 * top, 5}, {-top, top}} {
		text := shared(len(x), "i10.0") + fmt.Sprintf("%%4 = clip(%%2) {min=%d max=%d}\n%%5 = reveal(%%4)\nreturn %%5\n", bounds[0], bounds[1])
		for i, y := range simulate(t, text, SimOptions{}, x)[0] {
			if want := min(max(int(x[i]), bounds[0]), bounds[1]); int(y) != want {
				t.Fatalf("bounds %d: clip(%v) = %v", bounds, x[i], y)
			}
		}
	}
}
