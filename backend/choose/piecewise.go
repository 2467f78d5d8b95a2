package choose

import (
	"fmt"
	"maps"
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
	uneven  bool // cells are cut finer only where the function needs it
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
	seen := map[string]bool{}
	for _, share := range lineShare {
		for e := range 2 * (t.in.Bits - 1) {
			t.uneven = e >= t.in.Bits-1
			sides, ok := t.shape(e%(t.in.Bits-1), share*tolerance)
			if key := fmt.Sprint(sides); !ok || seen[key] {
				continue
			} else {
				seen[key] = true
			}
			for _, guard := range t.guards {
				p := t.quantised(sides, guard, tolerance)
				if p == nil {
					continue
				}
				for _, inner := range t.inner() {
					q := *p
					q.Inner = inner
					narrow(&q)
					if c := t.shaped(&q); c < least && q.Check(t.in.Bits, t.out.Bits) == nil {
						least, best = c, &q
					}
				}
			}
		}
	}
	return best, least
}

// narrow leaves out the bits of slopes and offsets that the ring does not hold: steep
// lines that are far from zero have large offsets.
func narrow(p *plan.Piecewise) {
	slope, offset := min(p.SlopeBits, p.Wide()-p.SlopeShift), min(p.OffsetBits, p.Wide()-p.OffsetShift)
	if slope == p.SlopeBits && offset == p.OffsetBits || slope < 0 || offset < 0 {
		return
	}
	terms := p.Terms
	p.SlopeBits, p.OffsetBits, p.Terms = slope, offset, nil
	for _, t := range terms {
		if t.Slope, t.Offset = t.Slope&(1<<slope-1), t.Offset&(1<<offset-1); t.Slope|t.Offset != 0 {
			p.Terms = append(p.Terms, t)
		}
	}
}

// inner are the rings that results may be computed in: the one asked for, and one
// that is just wide enough.
func (t *segmentFit) inner() []int {
	most := 0.0
	for _, y := range t.y {
		most = max(most, math.Abs(y))
	}
	if narrow := bits.Len64(uint64(most)+2*uint64(tolerances[len(tolerances)-1])) + 2; narrow < t.out.Bits {
		return []int{t.out.Bits, narrow}
	}
	return []int{t.out.Bits}
}

// shaped gives a description the adder and the products that suit it and says what
// it costs, in bits an element.
func (t *segmentFit) shaped(p *plan.Piecewise) float64 {
	a := t.adder(p.Low)
	p.Leaf, p.Arity = a.leaf, a.arity
	least, triples := math.Inf(1), false
	for _, p.Triples = range []bool{false, true} {
		if c := t.price(plan.CostNamed(priced, t.out.Bits, &p.Piecewise)); c < least {
			least, triples = c, p.Triples
		}
	}
	p.Triples = triples
	return a.price + least + float64(max(p.Operand()-p.Bits, 0))
}

// adder is the shape of adder that suits a lowest named bit.
type adder struct {
	leaf, arity int
	price       float64
}

func (t *segmentFit) adder(low int) adder {
	best, ok := t.adders[low]
	if ok {
		return best
	}
	best.price = math.Inf(1)
	for leaf := 1; leaf <= 4; leaf++ {
		for arity := 2; arity <= wire.MaxArity; arity++ {
			w := wire.NewPrefixes(low, t.in.Bits-2-low, wire.Tree{Leaf: leaf, Arity: arity})
			if c := t.price(plan.CostCarries(priced, w)); c < best.price {
				best = adder{leaf, arity, c}
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

// lines is the segments of both sides: those of the cells in order, then the tail's.
type lines struct {
	*segmentFit
	sides            [2]side
	segments         [2][]segment
	tolerance, worst float64
}

// quantised rounds lines to the fewest slope bits that keep the tolerance.
func (t *segmentFit) quantised(sides [2]side, guard int, tolerance float64) *plan.Piecewise {
	for slope := 0; slope <= mostFrac; slope++ {
		p := &plan.Piecewise{}
		p.Bits, p.Frac = t.in.Bits, max(slope, guard)
		p.SlopeShift, p.OffsetShift = p.Frac-slope, p.Frac-guard
		l := &lines{segmentFit: t, sides: sides, tolerance: tolerance}
		if l.round(p); l.worst <= tolerance {
			return l.describe(p)
		}
	}
	return nil
}

// round fits a line of the description's format to every segment.
func (l *lines) round(p *plan.Piecewise) {
	for s := range l.sides {
		for _, c := range l.sides[s].cells {
			for _, q := range c.parts {
				l.add(p, s, q.from, q.from+1<<q.width)
			}
		}
		l.add(p, s, l.sides[s].tail, l.top)
	}
}

func (l *lines) add(p *plan.Piecewise, s int, from, to int64) {
	g := segment{}
	g.lo, g.hi = l.samples(s, from, to)
	if l.worst > l.tolerance {
		return // nobody will read it
	}
	if g.lo < g.hi {
		g.slope = int64(math.Round(math.Ldexp(l.chord(g.lo, g.hi)/float64(l.step), p.Frac-p.SlopeShift)))
	}
	least, most := l.deviations(g, p)
	if g.lo < g.hi {
		g.offset = int64(math.Round(math.Ldexp((least+most)/2, p.Frac-p.OffsetShift)))
	}
	if s == 1 && l.odd { // slopes are the same, offsets the mirror image's
		twin := l.segments[0][len(l.segments[1])]
		g.slope, g.offset = twin.slope, l.mirror(p)-twin.offset
		least, most = l.deviations(g, p)
	}
	if g.lo < g.hi {
		at := math.Ldexp(float64(g.offset), p.OffsetShift-p.Frac)
		l.worst = max(l.worst, math.Abs(least-at), math.Abs(most-at))
	}
	l.segments[s] = append(l.segments[s], g)
}

// mirror is the odd number nearest to twice the centre: then one side's offset is
// the complement of the other's.
func (l *lines) mirror(p *plan.Piecewise) int64 {
	return 2*int64(math.Floor(math.Ldexp(l.centre, p.Frac-p.OffsetShift))) + 1
}

// deviations are the least and most of y less slope*x on a segment, in ulps.
func (l *lines) deviations(g segment, p *plan.Piecewise) (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	slope := math.Ldexp(float64(g.slope), p.SlopeShift-p.Frac)
	for i := g.lo; i < g.hi; i++ {
		d := l.y[i] - slope*float64(l.first+int64(i)*l.step)
		least, most = min(least, d), max(most, d)
	}
	return least, most
}

// describe makes the table of the lines.
func (l *lines) describe(p *plan.Piecewise) *plan.Piecewise {
	slopes, offsets := span{}, span{}
	for s := range l.segments {
		for _, g := range l.segments[s] {
			slopes.add(g.slope)
			offsets.add(g.offset)
		}
	}
	if l.odd { // as many below the centre as above
		offsets.add(l.mirror(p) - offsets.least)
		offsets.add(l.mirror(p) - offsets.most)
		offsets.least = (l.mirror(p) - 1<<offsets.bits() + 1) / 2
	}
	p.SlopeBits, p.Slope = slopes.bits(), slopes.least<<p.SlopeShift
	p.OffsetBits, p.Offset = offsets.bits(), offsets.least<<p.OffsetShift
	p.Low = l.lowest()
	if p.OffsetBits+p.OffsetShift > 60 || p.SlopeBits+p.SlopeShift > 60 {
		return nil
	}
	p.Positive = len(l.sides[1].cells) == 0
	n := normalForm{named: p.Named(), low: p.Low, terms: map[uint32][2]uint64{}}
	for s := range l.segments {
		values := make([][2]uint64, len(l.segments[s]))
		for i, g := range l.segments[s] {
			values[i] = [2]uint64{uint64(g.slope - slopes.least), uint64(g.offset - offsets.least)}
		}
		n.side(l.sides[s], values, (s == 1) != p.Positive)
	}
	p.Flip = n.flip()
	for _, m := range slices.Sorted(maps.Keys(n.terms)) {
		p.Terms = append(p.Terms, wire.Term{Bits: m, Slope: n.terms[m][0], Offset: n.terms[m][1]})
	}
	p.Error = l.worst
	return p
}

// lowest is the lowest bit of any name.
func (l *lines) lowest() int {
	low := l.in.Bits - 3
	for _, d := range l.sides {
		for _, c := range d.cells {
			low = min(low, c.width-c.cuts)
		}
	}
	return low
}

// span is the range of some numbers.
type span struct {
	least, most int64
	any         bool
}

func (s *span) add(x int64) {
	if !s.any {
		s.least, s.most, s.any = x, x, true
	}
	s.least, s.most = min(s.least, x), max(s.most, x)
}

func (s *span) bits() int { return bits.Len64(uint64(s.most - s.least)) }

// normalForm collects, for every product of bits of the name, the bits of slope [0] and
// offset [1] that it changes.
type normalForm struct {
	named, low int
	terms      map[uint32][2]uint64
}

func (n *normalForm) add(mask uint32, v [2]uint64) {
	old := n.terms[mask]
	if v[0], v[1] = v[0]^old[0], v[1]^old[1]; v == [2]uint64{} {
		delete(n.terms, mask)
		return
	}
	n.terms[mask] = v
}

// flip turns bits of the name round, one after the other, where that leaves fewer
// products, and says which: a product with 1+b is one without b, and one with.
func (n *normalForm) flip() (mask uint32) {
	for i := range n.named {
		b := uint32(1) << i
		turned := normalForm{n.named, n.low, maps.Clone(n.terms)}
		for m, v := range n.terms {
			if m&b != 0 {
				turned.add(m&^b, v)
			}
		}
		if len(turned.terms) < len(n.terms) {
			n.terms, mask = turned.terms, mask|b
		}
	}
	return mask
}

// side adds the values of one side's segments, the tail's last. marked says that
// the top bit of the name is set there.
func (n *normalForm) side(d side, values [][2]uint64, marked bool) {
	tail := values[len(values)-1]
	n.where(marked, 0, tail)
	at := 0
	for _, c := range d.cells {
		some := make([][2]uint64, 0, 1<<c.cuts)
		for _, q := range c.parts {
			v := [2]uint64{values[at][0] ^ tail[0], values[at][1] ^ tail[1]}
			some = append(some, slices.Repeat([][2]uint64{v}, 1<<(q.width-c.width+c.cuts))...)
			at++
		}
		above := n.above(c.width)
		if c.from > 0 { // the bit at c.width is not like the sign, those above are
			n.cell(marked, n.above(c.width+1), c, some)
		}
		n.cell(marked, above, c, some)
	}
}

// above is the product of the bits of the name from a bit of x on.
func (n *normalForm) above(bit int) uint32 {
	at := max(bit-n.low, 0)
	return (1<<n.named - 1) &^ (1<<at - 1)
}

// cell adds a function of the bits that cut a cell, in normal form: the part of
// a set of bits is the sum over all of its subsets.
func (n *normalForm) cell(marked bool, prefix uint32, c cell, values [][2]uint64) {
	form := make([][2]uint64, len(values))
	for u := range form {
		form[u] = values[len(values)-1-u] // a set bit of the name is a bit of the magnitude that is not set
	}
	for b := 1; b < len(form); b <<= 1 {
		for u := range form {
			if u&b != 0 {
				form[u][0] ^= form[u^b][0]
				form[u][1] ^= form[u^b][1]
			}
		}
	}
	for u, v := range form {
		n.where(marked, prefix|uint32(u)<<(c.width-c.cuts-n.low), v)
	}
}

// where adds a product on one side of zero.
func (n *normalForm) where(marked bool, mask uint32, v [2]uint64) {
	n.add(mask|1<<n.named, v)
	if !marked {
		n.add(mask, v)
	}
}
