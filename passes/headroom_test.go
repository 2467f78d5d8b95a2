package passes

import (
	"math"
	"testing"

	"secc.example/secc/ir"
)

// Formats are checked to the bit: a value of half of what its ring holds, with a
// sign and a bit to spare, is the largest that is let through.
func TestHeadroomToTheBit(t *testing.T) {
	b := newBuilder(t)
	e := ir.Elem{Bits: 16, Frac: 8}
	x := b.must(b.g.FixedInput("x", []int{1, 1, 4, 4}, e))
	relu := b.op(ir.OpRelu, &ir.CompareAttrs{Hi: 12}, x)
	pool := b.op(ir.OpMaxPool, &ir.PoolAttrs{Kernel: []int{2, 2}, CompareAttrs: ir.CompareAttrs{Hi: 12}}, x)
	wide := b.op(ir.OpExtend, &ir.ExtendAttrs{Bits: 20, NonNeg: true}, x)
	unit := math.Ldexp(1, -e.Frac)
	for name, test := range map[string]struct {
		v      *ir.Value // whose check it is
		lo, hi float64   // of x, in units of the last place
		good   bool
	}{
		"a format's largest":                 {x, 0, 1 << 14, true},
		"one more":                           {x, 0, 1<<14 + 1, false},
		"a format's smallest":                {x, -1 << 14, 0, true},
		"one less":                           {x, -1<<14 - 1, 0, false},
		"the largest of a comparison":        {relu, 0, 1<<11 - 1, true},
		"one more than a comparison takes":   {relu, 0, 1 << 11, false},
		"the smallest of a comparison":       {relu, -1<<11 + 1, 0, true},
		"one less than a comparison takes":   {relu, -1 << 11, 0, false},
		"the largest difference":             {pool, -1 << 10, 1<<10 - 1, true},
		"a difference too large by one":      {pool, -1 << 10, 1 << 10, false},
		"never negative":                     {wide, 0, 1 << 12, true},
		"negative where none was to be seen": {wide, -1, 1 << 12, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := &ir.Graph{Values: []*ir.Value{test.v}}
			cfg := NewConfig(Options{})
			cfg.ranges = map[*ir.Value]span{x: {lo: test.lo * unit, hi: test.hi * unit}}
			if test.v != x {
				cfg.ranges[test.v] = span{}
			}
			if err := headroom(g, cfg); (err == nil) != test.good {
				t.Error(err)
			}
		})
	}
}
