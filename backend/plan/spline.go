package plan

import (
	"fmt"
	"math"

	"secc.example/secc/backend/plan/wire"
)

// Spline is a function of one fixed-point number made of straight pieces:
//
//	y = (Slope[i]*x + Offset[i]) / 2^Frac   for Knots[i-1] <= x < Knots[i]
//
// x and y in ulps of their formats. It is public. Error bounds, in ulps of the
// result and before it is rounded, how far y is from the function that was
// fitted, over all |x| < 2^(k-2).
type Spline struct {
	Knots         []int64
	Slope, Offset []int64
	Frac          int
	Error         float64
}

// MaxPieces bounds the pieces of a spline.
const MaxPieces = 256

// Eval is the spline at x, in units of 2^-Frac.
func (s *Spline) Eval(x int64) int64 {
	i := 0
	for i < len(s.Knots) && x >= s.Knots[i] {
		i++
	}
	return s.Slope[i]*x + s.Offset[i]
}

// Flat reports whether every piece is a constant.
func (s *Spline) Flat() bool {
	for _, a := range s.Slope {
		if a != 0 {
			return false
		}
	}
	return true
}

// Wide is the ring in which the pieces are computed: Z_2^Wide.
func (s *Spline) Wide(outBits int) int { return outBits + s.Frac }

// Check says whether the spline is one from in to out bits.
func (s *Spline) Check(in, out int) error {
	if len(s.Knots) >= MaxPieces || len(s.Slope) != len(s.Knots)+1 || len(s.Offset) != len(s.Slope) {
		return fmt.Errorf("spline of %d knots, %d slopes, %d offsets", len(s.Knots), len(s.Slope), len(s.Offset))
	}
	if s.Frac < 0 || s.Wide(out) > 62 || in < 3 || in > 62 || !(s.Error >= 0 && s.Error < math.Inf(1)) {
		return fmt.Errorf("spline from %d to %d bits with %d fraction bits", in, out, s.Frac)
	}
	for i, k := range s.Knots {
		if top := int64(1) << (in - 2); k <= -top || k >= top || i > 0 && k <= s.Knots[i-1] {
			return fmt.Errorf("knot %d is %d", i, k)
		}
	}
	return nil
}

// Tree is how a spline's comparisons are made: the client's choices serve all knots.
func (f *Func) Tree() wire.Tree { return wire.Tree{Leaf: LeafOf(f.Leaf), ClientChooses: true} }

// costSpline: the widening of x, a comparison with every knot, and a multiplexer
// (or, between constants, a conversion) for each.
func costSpline(n, inBits, outBits int, f *Func) Cost {
	s := f.Spline
	var c Cost
	if len(s.Knots) == 0 && s.Flat() {
		return c
	}
	if wide := s.Wide(outBits); !s.Flat() && wide > inBits {
		c = CostExtend(n, &Extend{From: inBits, To: wide})
	}
	if len(s.Knots) == 0 {
		return c
	}
	c = c.Add(costAbove(n, inBits-1, f.Tree(), s.Knots, 0))
	var byServer, byClient []int
	for range s.Knots {
		if s.Flat() {
			byClient = append(byClient, toArith(outBits)...)
		} else {
			byServer, byClient = append(byServer, s.Wide(outBits)), append(byClient, s.Wide(outBits))
		}
	}
	for size := wire.StepSlab(len(s.Knots)); n > 0; n -= size {
		c = c.Add(costTerms(min(n, size), byServer, byClient))
	}
	return c
}
