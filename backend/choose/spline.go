package choose

import (
	"fmt"
	"math"
	"slices"

	"secc.example/secc/backend/plan"
)

// FitSpline fits a function of real numbers between two formats: within half an
// ulp if so many pieces allow that, else within the least power of two of it
// that they allow. Among the grids that the knots may lie on it takes the one
// that costs the fewest bytes: a coarse grid leaves fewer bits to compare, a fine one
// needs fewer pieces. Where the function is not finite or leaves the format, the
// nearest value of the format is fitted.
func FitSpline(f func(float64) float64, in, out plan.SlotType, pieces int) (*plan.Spline, error) {
	if err := fitsSpline(in, out); err != nil {
		return nil, err
	}
	return newFit(f, in, out).spline(in, out, min(pieces, plan.MaxPieces)), nil
}

// fitsSpline refuses formats that a spline cannot be fitted between.
func fitsSpline(in, out plan.SlotType) error {
	if in.Bits < 3 || in.Bits > 30 || out.Bits < 2 || out.Bits > 40 {
		return fmt.Errorf("no spline from %d to %d bits", in.Bits, out.Bits)
	}
	return nil
}

// spline fits one of so many pieces at most.
func (t *fit) spline(in, out plan.SlotType, pieces int) *plan.Spline {
	for tolerance := 0.5; ; tolerance *= 2 {
		var best *plan.Spline
		least := int64(math.MaxInt64)
		for grid := int64(1); grid < int64(1)<<(in.Bits-2); grid *= 4 {
			knots, ok := t.greedy(tolerance, pieces, grid)
			if !ok {
				continue
			}
			s := t.quantise(knots)
			if t.refine(s, grid); t.step > 1 && s.Error > 2*tolerance {
				continue // a knot had to lie elsewhere than on this grid
			}
			cost := plan.CostFunc(1<<10, in.Bits, out.Bits, &plan.Func{Spline: s})
			if b := cost.ToServer() + cost.ToClient(); b <= least {
				best, least = s, b
			}
		}
		if best != nil {
			return best
		}
	}
}

// fit is the function at evenly spaced arguments (all of them, when they are few).
type fit struct {
	at      func(x int64) float64 // the function, in ulps
	y       []float64             // what it is at the samples
	first   int64                 // argument of y[0]
	step    int64
	outBits int
	reached map[reach]int // what reach found
}

// reach is a question that is asked once for every grid, and for every number of pieces.
type reach struct {
	lo        int
	tolerance float64
}

// maxSamples bounds the arguments at which a function is tried.
const maxSamples = 1 << 18

func newFit(f func(float64) float64, in, out plan.SlotType) *fit {
	top := int64(1) << (in.Bits - 2)
	t := &fit{step: 1, outBits: out.Bits, reached: map[reach]int{}}
	for (2*top-1)/t.step > maxSamples {
		t.step *= 2
	}
	t.first = t.step - top // zero is always among the samples: functions may be what they are only there
	limit := math.Ldexp(1, out.Bits-2) - 1
	t.at = func(x int64) float64 {
		y := math.Ldexp(f(math.Ldexp(float64(x), -in.Frac)), out.Frac)
		if math.IsNaN(y) {
			y = 0
		}
		return min(max(y, -limit), limit)
	}
	for x := t.first; x < top; x += t.step {
		t.y = append(t.y, t.at(x))
	}
	return t
}

// line is the chord of samples [lo, hi), moved to the middle of its errors.
func (t *fit) line(lo, hi int) (slope, offset, err float64) {
	slope = t.chord(lo, hi)
	least, most := extremes(t.y[lo:hi], slope)
	return slope, (least + most) / 2, (most - least) / 2
}

// extremes are the least and most of y less slope times the index. No y is NaN.
func extremes(y []float64, slope float64) (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	for i, v := range y {
		d := v - slope*float64(i)
		if d < least {
			least = d
		}
		if d > most {
			most = d
		}
	}
	return least, most
}

// within reports whether the line of samples [lo, hi) is as near as that. Most lines that are
// not show it at a few samples already.
func (t *fit) within(lo, hi int, tolerance float64) bool {
	const few = 32
	slope := t.chord(lo, hi)
	if stride := (hi - lo) / few; stride > 1 {
		least, most := math.Inf(1), math.Inf(-1)
		for i := lo; i < hi; i += stride {
			d := t.y[i] - slope*float64(i-lo)
			least, most = min(least, d), max(most, d)
		}
		if (most-least)/2 > tolerance {
			return false
		}
	}
	least, most := extremes(t.y[lo:hi], slope)
	return (most-least)/2 <= tolerance
}

// chord is the slope from the first to the last of samples [lo, hi).
func (t *fit) chord(lo, hi int) float64 {
	if hi-lo < 2 {
		return 0
	}
	return (t.y[hi-1] - t.y[lo]) / float64(hi-1-lo)
}

// greedy makes every piece as long as the tolerance and the grid allow; it
// gives up when they become too many, or when no piece fits a cell of the grid.
// knots holds the first sample of each piece but the first.
func (t *fit) greedy(tolerance float64, pieces int, grid int64) (knots []int, ok bool) {
	for lo := 0; ; {
		hi := t.reach(lo, tolerance)
		if hi == len(t.y) {
			return knots, true
		}
		if hi = t.align(hi, grid); hi <= lo || len(knots)+2 > pieces {
			return nil, false
		}
		knots = append(knots, hi)
		lo = hi
	}
}

// align is the last sample up to i whose argument is a multiple of grid.
func (t *fit) align(i int, grid int64) int {
	x := (t.first + int64(i)*t.step) &^ (grid - 1)
	return int((x - t.first) / t.step)
}

// reach is the end of the longest piece from lo, found by doubling and halving.
func (t *fit) reach(lo int, tolerance float64) int {
	q := reach{lo, tolerance}
	hi, ok := t.reached[q]
	if !ok {
		hi = t.longest(lo, tolerance)
		t.reached[q] = hi
	}
	return hi
}

func (t *fit) longest(lo int, tolerance float64) int {
	fits := func(hi int) bool {
		return t.within(lo, hi, tolerance) && (hi-lo > fewSamples || t.between(lo, hi) <= tolerance)
	}
	good, size := lo+1, 2
	for lo+size <= len(t.y) && fits(lo+size) {
		good, size = lo+size, 2*size
	}
	bad := min(lo+size, len(t.y)+1)
	for bad-good > 1 {
		if mid := (good + bad) / 2; fits(mid) {
			good = mid
		} else {
			bad = mid
		}
	}
	return good
}

// fewSamples is up to how many samples make a piece whose line is tried between them
// too: through two of them there is always a line, also across a jump.
const fewSamples = 3

// between is the largest error of the line of samples [lo, hi) between these.
func (t *fit) between(lo, hi int) (worst float64) {
	if t.step == 1 {
		return 0
	}
	slope, offset, _ := t.line(lo, hi)
	for i := lo; i < hi-1; i++ {
		for _, part := range [...]int64{1, t.step / 2, t.step - 1} {
			y := offset + slope*(float64(i-lo)+float64(part)/float64(t.step))
			worst = max(worst, math.Abs(y-t.at(t.first+int64(i)*t.step+part)))
		}
	}
	return worst
}

// quantise turns pieces into integers and measures their error at every sample.
func (t *fit) quantise(knots []int) *plan.Spline {
	s := &plan.Spline{}
	bounds := append(append([]int{0}, knots...), len(t.y))
	widest := 1
	flat := true
	for i := range len(bounds) - 1 {
		widest = max(widest, bounds[i+1]-bounds[i])
		slope, _, _ := t.line(bounds[i], bounds[i+1])
		flat = flat && slope == 0
	}
	if !flat { // half a piece times the slope's rounding stays below 1/8 ulp
		s.Frac = 2
		for int64(widest)*t.step > 1<<(s.Frac-1) && s.Wide(t.outBits) < 60 {
			s.Frac++
		}
	}
	for i := range len(bounds) - 1 {
		lo, hi := bounds[i], bounds[i+1]
		slope, offset, _ := t.line(lo, hi)
		mid := float64(hi-1-lo) / 2
		a := math.Round(math.Ldexp(slope/float64(t.step), s.Frac))
		at := t.first + int64(lo)*t.step // c such that the line is right in the middle of the piece
		c := math.Round(math.Ldexp(offset+slope*mid, s.Frac) - a*(float64(at)+mid*float64(t.step)))
		s.Slope, s.Offset = append(s.Slope, int64(a)), append(s.Offset, int64(c))
		if i > 0 {
			s.Knots = append(s.Knots, at)
		}
	}
	for i, piece := 0, 0; i < len(t.y); i++ {
		x := t.first + int64(i)*t.step
		for piece < len(s.Knots) && x >= s.Knots[piece] {
			piece++
		}
		y := math.Ldexp(float64(s.Slope[piece]*x+s.Offset[piece]), -s.Frac)
		s.Error = max(s.Error, math.Abs(y-t.y[i]))
	}
	return s
}

// refine looks between samples, where there are more arguments than those: it moves each
// knot to where the next piece begins to be the better one, as far as the grid allows,
// and measures the error at all arguments around it. A function that jumps does so exactly
// then, and one that differs at zero alone differs there alone.
func (t *fit) refine(s *plan.Spline, grid int64) {
	if t.step == 1 {
		return
	}
	off := func(piece int, x int64) float64 {
		return math.Abs(math.Ldexp(float64(s.Slope[piece]*x+s.Offset[piece]), -s.Frac) - t.at(x))
	}
	coarse := slices.Clone(s.Knots)
	for i, knot := range coarse {
		for x := knot - grid; x > knot-t.step && off(i+1, x) < off(i, x); x -= grid {
			s.Knots[i] = x
		}
	}
	for _, knot := range coarse {
		for x := knot - t.step + 1; x < knot+t.step; x++ {
			piece := 0
			for piece < len(s.Knots) && x >= s.Knots[piece] {
				piece++
			}
			s.Error = max(s.Error, off(piece, x))
		}
	}
}
