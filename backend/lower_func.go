package backend

import (
	"fmt"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// pieceCounts are the sizes of spline that are tried in turn.
var pieceCounts = [...]int{64, 128, plan.MaxPieces}

// Lines are good enough within goodError ulps; beyond worstError the network
// is refused rather than computed wrongly.
const goodError, worstError = 4, 32

// square lowers x*x to a product, which is exact and cheaper than a spline, if
// the formats allow it: the product has twice x's fraction bits.
func (l *lowering) square(v *ir.Value, x plan.Slot) (plan.Slot, bool) {
	in, out := v.Args[0].Type.Elem, v.Type.Elem
	shift := 2*in.Frac - out.Frac
	wide := out.Bits + shift
	if shift < 0 || wide > 62 || wide < in.Bits {
		return 0, false
	}
	if wide > in.Bits {
		e := &plan.Extend{From: in.Bits, To: wide}
		x = l.emitAs(v, v.Type.Shape, ir.Elem{Bits: wide, Frac: in.Frac}, plan.Step{Proto: plan.ProtoExtend, Extend: e}, x)
	}
	return l.emit(v, plan.Step{Proto: plan.ProtoMul, Mul: &plan.Mul{Shift: shift}}, x, x), true
}

// function lowers an elementwise function to lines between the two formats.
func (l *lowering) function(v *ir.Value, a *ir.FuncAttrs, x plan.Slot) (plan.Slot, error) {
	f, ok := a.Func()
	if !ok {
		return 0, fmt.Errorf("no function %q", a.Name)
	}
	if a.Name == "square" || a.Name == "pow" && a.Alpha == 2 {
		if y, ok := l.square(v, x); ok {
			return y, nil
		}
	}
	key := fitted{*a, v.Args[0].Type.Elem, v.Type.Elem, v.Type.N()}
	best, ok := l.fitted[key]
	if !ok {
		var err error
		if best, err = FitFunc(f, key.in, key.out, key.n, l.options.Profile); err != nil {
			return 0, fmt.Errorf("%s: %w", a.Name, err)
		}
		l.fitted[key] = best
	}
	best.Name, best.Alpha, best.Beta = a.Name, a.Alpha, a.Beta
	return l.emit(v, plan.Step{Proto: plan.ProtoFunc, Func: &best}, x), nil
}

// fitted is what lines depend on.
type fitted struct {
	attrs   ir.FuncAttrs
	in, out ir.Elem
	n       int
}

// FitFunc makes the lines of both protocols and keeps those that are accurate
// enough and take the fewest seconds for n elements: a spline's knots may lie anywhere
// and it is cheap with few of them; lines named by bits are cheap with many.
func FitFunc(f func(float64) float64, in, out ir.Elem, n int, p Profile) (plan.Func, error) {
	from, to := plan.SlotType{Bits: in.Bits, Frac: in.Frac}, plan.SlotType{Bits: out.Bits, Frac: out.Frac}
	spline, err := fitSpline(f, from, to)
	if err != nil {
		return plan.Func{}, err
	}
	best := plan.Func{Spline: spline}
	if plan.FitsPiecewise(from, to) && len(spline.Knots) > 0 {
		if named := plan.FitPiecewise(f, from, to, p.flightBits(n)); named != nil {
			if other := (plan.Func{Piecewise: named}); betterFunc(&other, &best, n, from, to, p) {
				best = other
			}
		}
	}
	if best.Error() > worstError {
		return best, fmt.Errorf("from %v to %v: the best lines leave an error of %.0f ulp", in, out, best.Error())
	}
	return best, nil
}

// Bounds of what a flight is worth in bits an element: below the first a function has
// the fewest bits that it can have, beyond the last it has the fewest flights.
const leastFlight, mostFlight = 10, 110

// flightBits is what crosses in one latency, an element, to a factor of two.
func (p Profile) flightBits(n int) float64 {
	bits := float64(leastFlight)
	for one := p.RTT.Seconds() / 2 * p.Bandwidth / float64(n); bits < one && bits < mostFlight; {
		bits *= 2
	}
	return min(bits, mostFlight)
}

// fitSpline tries more pieces until they are good enough.
func fitSpline(f func(float64) float64, in, out plan.SlotType) (best *plan.Spline, err error) {
	for _, pieces := range pieceCounts {
		s, err := plan.FitSpline(f, in, out, pieces)
		if err != nil {
			return nil, err
		}
		if best == nil || s.Error < best.Error {
			best = s
		}
		if best.Error <= goodError {
			break
		}
	}
	return best, nil
}

// betterFunc reports whether n elements are better computed by a, which names segments
// by bits, than by b, a spline: in fewer seconds where both are good enough, else more
// accurately. What jumps between constants has to stay exact.
func betterFunc(a, b *plan.Func, n int, in, out plan.SlotType, p Profile) bool {
	if b.Spline.Flat() && !a.Piecewise.Exact() {
		return false
	}
	if a.Error() > goodError || b.Error() > goodError {
		return a.Error() < b.Error()
	}
	price := func(f *plan.Func) float64 {
		c := plan.CostFunc(n, in.Bits, out.Bits, f)
		return p.Seconds(c) + p.makeCOTs(c.COTs)
	}
	return price(a) < price(b)
}
