package plan

import (
	"slices"

	"secc.example/secc/backend/plan/wire"
)

// Piecewise is a function of one fixed-point number made of lines on segments that
// the top bits of the number name. It is public. Error is as in Spline.
type Piecewise struct {
	wire.Piecewise
	Error float64
}

// Exact reports that results are the function's and are not rounded.
func (p *Piecewise) Exact() bool { return p.Error == 0 && p.Frac == 0 }

// CostPiecewise: the adder with the widening of x beside it, the products of
// bits, one flight of multiplexers and conversions, and the widening of lines.
func CostPiecewise(n int, f *wire.Piecewise) Cost {
	c := CostCarries(n, f.Naming())
	if to := f.Operand(); to > f.Bits {
		c = c.Beside(costTerms(n, nil, []int{to - f.Bits}))
	}
	return c.Add(CostNamed(n, f))
}

// CostNamed is what follows once the bits of the name are there.
func CostNamed(n int, f *wire.Piecewise) (c Cost) {
	monomials := f.Monomials()
	for level := range monomials.Levels {
		opened, ots := monomials.Opened(level)
		one := costJoins(n, ots, monomials.JoinsKept(level))
		if f.Prepared {
			early := monomials.Corrections(level)
			opened -= early
			one.Early = Flight{int64(early) * plane(n), int64(early) * plane(n)}
		}
		one.Flights = crossing(int64(opened) * plane(n))
		c = c.Add(one.withWork(UnitAND, 0))
	}
	muxes := f.SlopeWidths()
	if bend := f.Bend(); bend.Width > 0 {
		muxes = append(muxes, bend.Width)
	}
	byClient := slices.Clone(muxes)
	for _, w := range append(slices.Concat(f.OffsetWidths(), f.StepWidths()), f.Jump().Width) {
		byClient = append(byClient, toArith(w)...)
	}
	for at, size := 0, f.Slab(); at < n; at += size {
		c = c.Add(costTerms(min(n-at, size), muxes, byClient))
	}
	return c.Add(costWhole(n, f))
}

// costWhole is what makes the results of lines: their extension, and the gate.
func costWhole(n int, f *wire.Piecewise) (c Cost) {
	beyond := f.Wide() - f.Ring
	switch {
	case f.Gate == 0 && beyond == 0:
		return c
	case f.Gate == 0:
		return CostExtend(n, &Extend{From: f.Ring, To: f.Wide()})
	}
	byClient := []int{f.Wide()}
	if beyond > 0 {
		byClient = append(byClient, beyond, beyond)
	}
	for at := 0; at < n; at += wire.GateSlab {
		c = c.Add(costTerms(min(n-at, wire.GateSlab), []int{f.Wide()}, byClient))
	}
	return c
}
