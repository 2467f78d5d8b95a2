package backend

import (
	"math"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// Which bounds of a clip count stands in plans, for the runtime, and in the IR, for the simulator.
func TestClipsHaveTheSameBounds(t *testing.T) {
	for _, bits := range []int{8, 16, 18} {
		e := ir.Elem{Bits: bits, Frac: 3}
		top := math.Ldexp(1, bits-2-e.Frac)
		ends := []float64{0, top / 2, top - .25, top - .125, top, 1.5 * top, 2 * top, 9 * top, math.Inf(1)}
		for _, low := range ends {
			for _, high := range ends {
				a := &ir.ClipAttrs{Min: -low, Max: high}
				c := plan.Clip{Sign: plan.Sign{Bits: bits}}
				var below, above bool
				c.Min, c.Max, below, above = a.Bounds(e)
				if b, o := c.Bounded(); b != below || o != above {
					t.Errorf("i%d.%d, bounds %v and %v: the plan counts %v and %v, the simulator %v and %v", bits, e.Frac, -low, high, b, o, below, above)
				}
			}
		}
	}
}
