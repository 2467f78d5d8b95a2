package choose

import (
	"fmt"

	"secc.example/secc/backend/plan"
)

// pieceCounts are the sizes of spline that are tried in turn.
var pieceCounts = [...]int{64, 128, plan.MaxPieces}

// Lines are good enough within goodError ulps; beyond worstError the network
// is refused rather than computed wrongly.
const goodError, worstError = 4, 32

// FitFunc makes the lines of both protocols and keeps those that are accurate
// enough and take the fewest seconds for n elements: a spline's knots may lie anywhere
// and it is cheap with few of them; lines named by bits are cheap with many.
func (p Profile) FitFunc(f func(float64) float64, in, out plan.SlotType, n int) (plan.Func, error) {
	spline, err := goodSpline(f, in, out)
	if err != nil {
		return plan.Func{}, err
	}
	best := plan.Func{Spline: spline}
	if FitsPiecewise(in, out) && len(spline.Knots) > 0 {
		if named := FitPiecewise(f, in, out, p.flightBits(n)); named != nil {
			if other := (plan.Func{Piecewise: named}); betterFunc(&other, &best, n, in, out, p) {
				best = other
			}
		}
	}
	if best.Error() > worstError {
		return best, fmt.Errorf("from (%d, %d) to (%d, %d): the best lines leave an error of %.0f ulp: keep what it is taken of in a narrower range (whole periods of sin and cos can be subtracted before export), or compute it before the network and feed it", in.Bits, in.Frac, out.Bits, out.Frac, best.Error())
	}
	return best, nil
}

// Bounds of what a flight is worth in bits an element: below the first a function has
// the fewest bits that it can have, beyond the last it has the fewest flights.
const leastFlight, mostFlight = 10, 400

// flightBits is what crosses in one latency, an element, to a factor of two.
func (p Profile) flightBits(n int) float64 {
	bits := float64(leastFlight)
	for one := p.RTT.Seconds() / 2 * p.Bandwidth / float64(n); bits < one && bits < mostFlight; {
		bits *= 2
	}
	return min(bits, mostFlight)
}

// goodSpline tries more pieces until they are good enough.
func goodSpline(f func(float64) float64, in, out plan.SlotType) (best *plan.Spline, err error) {
	if err := fitsSpline(in, out); err != nil {
		return nil, err
	}
	t := newFit(f, in, out)
	for _, pieces := range pieceCounts {
		s := t.spline(in, out, pieces)
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
