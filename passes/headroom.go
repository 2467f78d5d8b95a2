package passes

import (
	"fmt"
	"math"
	"slices"

	"secc.example/secc/ir"
)

// headroom checks formats without regard to how they were found: every value
// holds its calibrated range with a bit to spare, every extension and comparison
// sees values small enough for its promise.
func headroom(g *ir.Graph, cfg *Config) error {
	read := readers(g)
	for _, v := range g.Values {
		e := v.Type.Elem
		s, known := cfg.ranges[v]
		if e.IsReal() || ir.IsConst(v) || !known || v.Op == ir.OpReduce && onlyFactors(read[v]) {
			continue // what is multiplied by weights counts modulo the ring: the product has a range of its own
		}
		if biggest := math.Ldexp(s.abs(), e.Frac); biggest > math.Ldexp(1, e.Bits-2) {
			return fmt.Errorf("node %q (%s): calibrated values up to %g take more than the %d bits of %v", v.Name, v.Op, s.abs(), e.Bits-2, e)
		}
		if err := promises(v, cfg.ranges); err != nil {
			return fmt.Errorf("node %q (%s): %w", v.Name, v.Op, err)
		}
	}
	return nil
}

func onlyFactors(readers []*ir.Value) bool {
	return !slices.ContainsFunc(readers, func(y *ir.Value) bool { return y == nil || !isProduct(y) || y.Op == ir.OpPRelu })
}

// promises checks what a value's operator assumes of its argument.
func promises(v *ir.Value, ranges map[*ir.Value]span) error {
	if len(v.Args) == 0 {
		return nil
	}
	s, known := ranges[v.Args[0]]
	if !known {
		return nil
	}
	e := v.Args[0].Type.Elem
	low, high := math.Ldexp(s.lo, e.Frac), math.Ldexp(s.hi, e.Frac)
	switch a := v.Attrs.(type) {
	case *ir.ExtendAttrs:
		if a.NonNeg && low < 0 {
			return fmt.Errorf("is extended as non-negative, calibration saw %g", s.lo)
		}
	case *ir.CompareAttrs:
		if top := math.Ldexp(1, a.High(e)-1); math.Max(-low, high) >= top {
			return fmt.Errorf("values up to %g are compared on %d bits of %v", s.abs(), a.High(e), e)
		}
	case *ir.PoolAttrs:
		if top := math.Ldexp(1, a.High(e)-1); v.Op == ir.OpMaxPool && high-low >= top {
			return fmt.Errorf("differences up to %g are compared on %d bits of %v", s.hi-s.lo, a.High(e), e)
		}
	}
	return nil
}
