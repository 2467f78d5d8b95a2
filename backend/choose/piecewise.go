package choose

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
)

// How lines named by bits are fitted. On each side of zero, magnitudes v = x or -x-1
// have a cell [2^e, 2^(e+1)) for each exponent from some e on and one cell [0, 2^e)
// below, cells are cut into a power of two of equal segments, and from some
// magnitude on one line is enough. A cell is the product of the bits above it and
// not at all of those below, so what is wide costs little, and so do widths
// that double away from zero.

// tolerances are the errors tried in turn, in ulps, and lineShare the parts of
// them that lines may have before they are rounded.
var (
	tolerances = [...]float64{0.75, 1, 2, 4}
	lineShare  = [...]float64{0.85, 0.65, 0.45}
)

// Limits of the search.
const (
	mostCuts     = 14  // no segment is smaller than 2^-mostCuts of its cell
	mostSegments = 512 // a side
	mostFrac     = 24
)

// side is one side of zero: cells from zero on, and the magnitude from which one
// line is enough.
type side struct {
	cells []cell
	tail  int64
}

// cell is [from, from+2^width) cut into parts, of which the smallest are 2^-cuts
// of it. The lowest begins at 0.
type cell struct {
	from        int64
	width, cuts int
	parts       []part
}

// part is [from, from+2^width), from a multiple of its size.
type part struct {
	from  int64
	width int
}

// segment is a stretch of samples and the line on it.
type segment struct {
	lo, hi        int
	from, to      int64 // its arguments
	slope, offset int64 // in units of 2^SlopeShift and 2^OffsetShift
}

// segmentFit is a fit in progress.
type segmentFit struct {
	*fit
	in, out plan.SlotType
	top     int64 // magnitudes are below it
	odd     bool  // the function turns around its value at zero
	centre  float64
	guards  []int // bits below an ulp that offsets may have
	errors  map[[2]int]float64
	adders  map[int]adder
	flight  float64
	bound   float64 // what is not cheaper nobody wants
	uneven  bool    // cells are cut finer only where the function needs it
}

// FitPiecewise fits a function between two formats by lines that the top bits of the
// argument name: the cheapest description whose error is within the least tolerance
// that can be kept. A flight counts as so many bits an element. It returns nil where no
// tolerance can be kept, such as where the function jumps, and where one line will do.
// The formats must be such that FitsPiecewise holds.
func FitPiecewise(f func(float64) float64, in, out plan.SlotType, flight float64) *plan.Piecewise {
	t := &segmentFit{fit: newFit(f, in, out), in: in, out: out, top: 1 << (in.Bits - 2), flight: flight, errors: map[[2]int]float64{}, adders: map[int]adder{}}
	t.symmetry()
	turns := t.odd
	for _, tolerance := range tolerances {
		var best *plan.Piecewise
		least := math.Inf(1)
		for _, t.odd = range []bool{turns, false} {
			if p, c := t.cheapest(tolerance); c < least {
				best, least = p, c
			}
			if !turns {
				break
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// FitsPiecewise reports formats that lines named by bits can be fitted between.
func FitsPiecewise(in, out plan.SlotType) bool {
	return in.Bits >= 5 && in.Bits <= 26 && out.Bits >= 3 && out.Bits <= 36
}

// symmetry finds out whether y(-x) + y(x) is the same for all x, and whether all
// results are whole ulps, which are not rounded then.
func (t *segmentFit) symmetry() {
	n := len(t.y)
	t.odd = t.step == 1
	t.centre = t.y[n/2]
	t.guards = []int{2, 3}
	if !slices.ContainsFunc(t.y, func(y float64) bool { return y != math.Trunc(y) }) {
		t.guards = []int{0}
	}
	for i := range n / 2 {
		if math.Abs(t.y[i]+t.y[n-1-i]-2*t.centre) > 1e-6 {
			t.odd = false
		}
	}
}

// cheapest tries the shapes of cells and the formats of lines. With t.odd one side is
// the other turned around, which saves products of bits; but the sides are x and -x-1, not
// x and -x, so that steep lines may not be turned.
func (t *segmentFit) cheapest(tolerance float64) (best *plan.Piecewise, least float64) {
	least = math.Inf(1)
	t.bound = least
	for _, sides := range t.shapes(tolerance) {
		for _, guard := range t.guards {
			for _, p := range t.quantised(sides, guard, tolerance) {
				if c := t.shaped(p); c < least && p.Check(t.in.Bits, t.out.Bits) == nil {
					least, best = c, p
					t.bound = least
				}
			}
		}
	}
	return best, least
}

// shapes are the cells to try, those of few segments first: they are likely to be cheap, and what is
// dearer than something known is not looked at closely.
func (t *segmentFit) shapes(tolerance float64) (all [][2]side) {
	seen := map[string]bool{}
	for _, share := range lineShare {
		for e := range 2 * (t.in.Bits - 1) {
			t.uneven = e >= t.in.Bits-1
			sides, ok := t.shape(e%(t.in.Bits-1), share*tolerance)
			if key := fmt.Sprint(sides); ok && !seen[key] {
				seen[key] = true
				all = append(all, sides)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b [2]side) int { return cmp.Compare(products(a), products(b)) })
	return all
}

// products is about how many products of bits name the segments.
func products(sides [2]side) (n int) {
	for _, d := range sides {
		for _, c := range d.cells {
			n += 1 << c.cuts
		}
	}
	return n
}

// shaped gives a description the adder and the products that suit it and says what
// it costs, in bits an element.
func (t *segmentFit) shaped(p *plan.Piecewise) float64 {
	a := t.adder(p.Low)
	p.Leaf, p.Arity, p.Cross = a.leaf, a.arity, a.cross
	least, triples := math.Inf(1), false
	for _, p.Triples = range []bool{false, true} {
		if c := t.price(plan.CostNamed(priced, &p.Piecewise)); c < least {
			least, triples = c, p.Triples
		}
	}
	p.Triples = triples
	return a.price + least + float64(max(p.Operand()-p.Bits, 0))
}

// adder is the shape of adder that suits a lowest named bit.
type adder struct {
	leaf, arity int
	cross       bool
	price       float64
}

func (t *segmentFit) adder(low int) adder {
	best, ok := t.adders[low]
	if ok {
		return best
	}
	best.price = math.Inf(1)
	for leaf := 1; leaf <= wire.MaxLeaf; leaf++ {
		for arity := 2; arity <= wire.MaxArity; arity++ {
			for _, cross := range []bool{false, true} {
				if cross && leaf == 1 {
					continue
				}
				w := wire.NewPrefixes(low, t.in.Bits-2-low, wire.Tree{Leaf: leaf, Arity: arity, Cross: cross})
				if c := t.price(plan.CostCarries(priced, w)); c < best.price {
					best = adder{leaf, arity, cross, c}
				}
			}
		}
	}
	t.adders[low] = best
	return best
}

// priced is how many elements are priced.
const priced = 1 << 10

// price is a cost in bits an element, OTs and flights included.
func (t *segmentFit) price(c plan.Cost) float64 {
	const cot = 0.7
	return (8*float64(c.ToServer()+c.ToClient())+cot*float64(c.COTs.ServerSends+c.COTs.ClientSends))/priced + t.flight*float64(len(c.Flights))
}

// shape cuts both sides, with one cell below 2^e, so that a line is within the
// tolerance on every segment.
func (t *segmentFit) shape(e int, tolerance float64) (sides [2]side, ok bool) {
	for s := range sides {
		if t.odd && s == 1 {
			sides[1] = sides[0]
			break
		}
		if sides[s], ok = t.shapeSide(s, e, tolerance); !ok {
			return sides, false
		}
	}
	return sides, len(sides[0].cells)+len(sides[1].cells) > 0
}

func (t *segmentFit) shapeSide(s, e int, tolerance float64) (d side, ok bool) {
	d.tail = t.tail(s, tolerance)
	if d.tail == 0 {
		return d, true
	}
	low := min(e, bits.Len64(uint64(d.tail))-1)
	all := 0
	for exp := low; exp == low || int64(1)<<exp < d.tail; exp++ {
		c := cell{from: 1 << exp, width: exp}
		if exp == low {
			c = cell{from: 0, width: low}
			exp-- // [2^low, ...) is next
			low = -1
		}
		if ok = t.cut(s, &c, tolerance); !ok {
			return d, false
		}
		if all += len(c.parts); all > mostSegments {
			return d, false
		}
		d.cells = append(d.cells, c)
	}
	return d, true
}

// tail is the least power of two, or 0, from which one line is within the tolerance.
func (t *segmentFit) tail(s int, tolerance float64) int64 {
	if t.errorOf(t.samples(s, 0, t.top)) <= tolerance {
		return 0
	}
	from := t.top
	for from > 1 && t.errorOf(t.samples(s, from/2, t.top)) <= tolerance {
		from /= 2
	}
	return from
}

// cut cuts a cell so that a line is within the tolerance on every part: in
// halves where it is not, and all parts alike unless they may be uneven.
func (t *segmentFit) cut(s int, c *cell, tolerance float64) bool {
	if !t.halve(s, c, part{c.from, c.width}, tolerance) {
		return false
	}
	least := c.width
	for _, p := range c.parts {
		least = min(least, p.width)
	}
	c.cuts = c.width - least
	if t.uneven {
		return true
	}
	if 1<<c.cuts > mostSegments {
		return false
	}
	c.parts = c.parts[:0]
	for from := c.from; from < c.from+1<<c.width; from += 1 << least {
		c.parts = append(c.parts, part{from, least})
	}
	return true
}

func (t *segmentFit) halve(s int, c *cell, p part, tolerance float64) bool {
	if t.errorOf(t.samples(s, p.from, p.from+1<<p.width)) <= tolerance {
		c.parts = append(c.parts, p)
		return len(c.parts) <= mostSegments
	}
	half := p.width - 1
	if half < 0 || int64(1)<<half < t.step || c.width-half > mostCuts {
		return false
	}
	return t.halve(s, c, part{p.from, half}, tolerance) && t.halve(s, c, part{p.from + 1<<half, half}, tolerance)
}

// samples are those of magnitudes [from, to) on side s.
func (t *segmentFit) samples(s int, from, to int64) (lo, hi int) {
	if s == 1 {
		from, to = -to, -from
	}
	at := func(x int64) int { return int(min(max((x-t.first+t.step-1)/t.step, 0), int64(len(t.y)))) }
	return at(from), at(to)
}

func (t *segmentFit) errorOf(lo, hi int) float64 {
	if hi <= lo {
		return 0
	}
	e, ok := t.errors[[2]int{lo, hi}]
	if !ok {
		_, _, e = t.line(lo, hi)
		t.errors[[2]int{lo, hi}] = e
	}
	return e
}
