package plan

import (
	"fmt"
	"math"
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

// Work is the ring in which the pieces are computed: Z_2^Wide.
func (s *Spline) Wide(outBits int) int { return outBits + s.Frac }

func (s *Spline) check(in, out int) error {
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

// FitSpline fits a function of real numbers between two formats: within half an
// ulp if so many pieces allow that, else within the least power of two of it
// that they allow. Among the grids that the knots may lie on it takes the one
// that costs the fewest bytes: a coarse grid leaves fewer bits to compare, a fine one
// needs fewer pieces. Where the function is not finite or leaves the format, the
// nearest value of the format is fitted.
func FitSpline(f func(float64) float64, in, out SlotType, pieces int) (*Spline, error) {
	if in.Bits < 3 || in.Bits > 30 || out.Bits < 2 || out.Bits > 40 {
		return nil, fmt.Errorf("no spline from %d to %d bits", in.Bits, out.Bits)
	}
	t := newFit(f, in, out)
	pieces = min(pieces, MaxPieces)
	for tolerance := 0.5; ; tolerance *= 2 {
		var best *Spline
		least := int64(math.MaxInt64)
		for grid := int64(1); grid < int64(1)<<(in.Bits-2); grid *= 4 {
			knots, ok := t.greedy(tolerance, pieces, grid)
			if !ok {
				continue
			}
			s := t.quantise(knots)
			cost := CostFunc(1<<10, in.Bits, out.Bits, &Func{Spline: s})
			if b := cost.ToServer() + cost.ToClient(); b <= least {
				best, least = s, b
			}
		}
		if best != nil {
			return best, nil
		}
	}
}

// fit is the function at evenly spaced arguments (all of them, when they are few).
type fit struct {
	y       []float64 // in ulps of the result
	first   int64     // argument of y[0]
	step    int64
	outBits int
}

// maxSamples bounds the arguments at which a function is tried.
const maxSamples = 1 << 18

func newFit(f func(float64) float64, in, out SlotType) *fit {
	top := int64(1) << (in.Bits - 2)
	t := &fit{first: -top + 1, step: 1, outBits: out.Bits}
	for (2*top-1)/t.step > maxSamples {
		t.step *= 2
	}
	limit := math.Ldexp(1, out.Bits-2) - 1
	for x := t.first; x < top; x += t.step {
		y := math.Ldexp(f(math.Ldexp(float64(x), -in.Frac)), out.Frac)
		if math.IsNaN(y) {
			y = 0
		}
		t.y = append(t.y, min(max(y, -limit), limit))
	}
	return t
}

// line is the chord of samples [lo, hi), moved to the middle of its errors.
func (t *fit) line(lo, hi int) (slope, offset, err float64) {
	slope = t.chord(lo, hi)
	least, most := math.Inf(1), math.Inf(-1)
	for i := lo; i < hi; i++ {
		d := t.y[i] - slope*float64(i-lo)
		least, most = min(least, d), max(most, d)
	}
	return slope, (least + most) / 2, (most - least) / 2
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
	fits := func(hi int) bool {
		_, _, err := t.line(lo, hi)
		return err <= tolerance
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

// quantise turns pieces into integers and measures their error at every sample.
func (t *fit) quantise(knots []int) *Spline {
	s := &Spline{}
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
