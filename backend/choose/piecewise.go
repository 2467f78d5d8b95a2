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
				for _, p := range t.quantised(sides, guard, tolerance) {
					if c := t.shaped(p); c < least && p.Check(t.in.Bits, t.out.Bits) == nil {
						least, best = c, p
						t.bound = least
					}
				}
			}
		}
	}
	return best, least
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
	for leaf := 1; leaf <= 4; leaf++ {
		for arity := 2; arity <= wire.MaxArity; arity++ {
			for _, cross := range []bool{false, true} {
				if cross && (leaf == 1 || leaf > wire.MaxCross) {
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

// lines is the segments of both sides: those of the cells in order, then the tail's.
type lines struct {
	*segmentFit
	sides            [2]side
	segments         [2][]segment
	tolerance, worst float64
	gated            bool
	steep            [2]int64 // slopes of both sides that lines are counted from
}

// quantised rounds lines to the fewest slope bits that keep the tolerance, and gives the
// descriptions that evaluate them: in rings of several widths, behind a gate and without.
func (t *segmentFit) quantised(sides [2]side, guard int, tolerance float64) (all []*plan.Piecewise) {
	l, p := t.rounded(lines{segmentFit: t, sides: sides, tolerance: tolerance}, guard, 0)
	if l == nil {
		return nil
	}
	all = l.descriptions(p)
	if t.gate(sides) == 0 {
		return all
	}
	gated := *l
	if gated.gated = true; t.odd { // the tails are others
		gated.segments, gated.worst = [2][]segment{}, 0
		if l, p = t.rounded(gated, guard, p.Frac-p.SlopeShift); l == nil {
			return all
		}
		gated = *l
	}
	return append(all, gated.descriptions(p)...)
}

// rounded rounds lines to the fewest slope bits, from some on, that keep the tolerance; nil if none do.
func (t *segmentFit) rounded(of lines, guard, slope int) (*lines, *plan.Piecewise) {
	for ; slope <= mostFrac; slope++ {
		p := &plan.Piecewise{}
		p.Bits, p.Frac, p.Out = t.in.Bits, max(slope, guard), t.out.Bits
		p.Ring = p.Wide()
		p.SlopeShift, p.OffsetShift = p.Frac-slope, p.Frac-guard
		l := of
		if l.round(p); l.worst <= l.tolerance {
			return &l, p
		}
	}
	return nil, nil
}

// gate is the name's bits that are set where any cell is, by their places in x, and the bit above
// them if only one side has cells.
func (t *segmentFit) gate(sides [2]side) (bits uint32) {
	tail := max(sides[0].tail, sides[1].tail)
	for i := range t.in.Bits - 2 {
		if int64(1)<<i >= tail {
			bits |= 1 << i
		}
	}
	if one := len(sides[0].cells) == 0 || len(sides[1].cells) == 0; one {
		bits |= 1 << (t.in.Bits - 2)
	}
	return bits
}

// round fits a line of the description's format to every segment.
func (l *lines) round(p *plan.Piecewise) {
	for s := range l.sides {
		for _, c := range l.sides[s].cells {
			for _, q := range c.parts {
				l.add(p, s, q.from, q.from+1<<q.width, l.mirror(p))
			}
		}
		sum := l.mirror(p)
		if l.gated {
			sum-- // of what is beyond the gate, from which the others are counted
		}
		l.add(p, s, l.sides[s].tail, l.top, sum)
	}
	if l.worst <= l.tolerance {
		l.steepen()
	}
}

// steepen finds how steep each side is: as its tail is, or, where that is none, as the power of two next to the
// farthest line's slope if that leaves less of the lines.
func (l *lines) steepen() {
	for s, all := range l.segments {
		tail := all[len(all)-1]
		if l.steep[s] = tail.slope; tail.from <= tail.to || len(all) < 2 {
			continue
		}
		far, most := all[len(all)-2].slope, [2]int64{}
		power := int64(1) << max(bits.Len64(uint64(max(far, -far))*4/3)-1, 0)
		if far < 0 {
			power = -power
		}
		for _, g := range all[:len(all)-1] {
			for i, steep := range [...]int64{0, power} {
				most[i] = max(most[i], max(g.slope-steep, steep-g.slope)*(g.to-g.from))
			}
		}
		if most[1] < most[0] {
			l.steep[s] = power
		}
	}
}

// add fits a segment's line; sum is that of its offset and its twin's.
func (l *lines) add(p *plan.Piecewise, s int, from, to, sum int64) {
	g := segment{from: from, to: to - 1}
	if s == 1 {
		g.from, g.to = -to, -from-1
	}
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
		g.slope, g.offset = twin.slope, sum-twin.offset
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

// form is how lines are written: of each segment slope and offset in the ring of lines, and the step.
type form struct {
	ring, shift int       // of the lines; of the steps, which are none in the widest ring
	step        int64     // that of 0, in units of 2^-Frac
	values      [2][]line // of the segments
}

// line is what a segment's terms stand for.
type line struct{ slope, offset, step int64 }

// descriptions are the tables of the lines: in the ring of results, and in rings that
// are just wide enough for what is left of lines once steps and what is steep are taken away.
func (l *lines) descriptions(p *plan.Piecewise) (all []*plan.Piecewise) {
	add := func(f form) {
		q := *p
		if l.describe(&q, f) {
			all = append(all, &q)
		}
	}
	whole := form{ring: p.Wide()}
	for s := range l.segments {
		for _, g := range l.segments[s] {
			v := line{slope: g.slope, offset: g.offset}
			if l.gated {
				v.slope, v.offset = l.less(s, g)
			}
			whole.values[s] = append(whole.values[s], v)
		}
	}
	add(whole)
	spread := l.spread(p)
	for ring := max(bits.Len64(uint64(spread))+1, p.OffsetShift+4); ring < p.Wide() && ring <= bits.Len64(uint64(spread))+3; ring++ {
		if f, ok := l.inRing(p, ring, spread); ok {
			add(f)
		}
	}
	return all
}

// tail is the line far from zero on a side.
func (l *lines) tail(s int) segment { return l.segments[s][len(l.segments[s])-1] }

// less is a line without what is steep and, behind a gate, without all that is beyond it.
func (l *lines) less(s int, g segment) (slope, offset int64) {
	if slope, offset = g.slope-l.steep[s], g.offset; l.gated {
		offset -= l.tail(s).offset
	}
	return slope, offset
}

// sum is that of such an offset and its twin's.
func (l *lines) sum(p *plan.Piecewise) int64 {
	if l.gated {
		return 1
	}
	return l.mirror(p)
}

// ends are what such a line is at its ends, in units of 2^-Frac.
func (l *lines) ends(p *plan.Piecewise, s int, g segment) (least, most int64) {
	slope, offset := l.less(s, g)
	a, b := slope<<p.SlopeShift*g.from+offset<<p.OffsetShift, slope<<p.SlopeShift*g.to+offset<<p.OffsetShift
	return min(a, b), max(a, b)
}

// spread is by how much such a line varies at most, or the sum of its ends differs from
// that of a twin's.
func (l *lines) spread(p *plan.Piecewise) (most int64) {
	for s := range l.segments {
		for _, g := range l.segments[s] {
			if g.from > g.to {
				continue
			}
			a, b := l.ends(p, s, g)
			if l.odd {
				slope, _ := l.less(s, g)
				b += 2 * (max(slope, -slope)<<p.SlopeShift + 1<<p.OffsetShift)
			}
			most = max(most, b-a)
		}
	}
	return most
}

// inRing writes lines that spread so far in a narrow ring. Steps are as large as they may
// be: from the middle of a segment to that of its step is half a step at most, and half a spread more to
// its ends. Of one that turns around, the twin's step and offset are complements.
func (l *lines) inRing(p *plan.Piecewise, ring int, spread int64) (f form, ok bool) {
	room := int64(1)<<(ring-1) - 4 - spread
	if room < 2 {
		return f, false
	}
	f = form{ring: ring, shift: bits.Len64(uint64(room)) - 1}
	if f.shift <= p.OffsetShift {
		return f, false
	}
	origin := l.origin(p)
	f.step = origin + 1<<(f.shift-1)
	for s := range l.segments {
		for i, g := range l.segments[s] {
			v := line{step: l.stepOf(p, s, g, origin, f.shift)}
			if s == 1 && l.odd {
				v.step = -1 - f.values[0][i].step
			}
			v.slope, v.offset = l.less(s, g)
			v.offset -= (f.step + v.step<<f.shift) >> p.OffsetShift
			f.values[s] = append(f.values[s], v)
		}
	}
	return f, true
}

// origin is where steps are counted from: the least middle of a segment, or just above the centre.
func (l *lines) origin(p *plan.Piecewise) int64 {
	if l.odd {
		return (l.sum(p) + 1) / 2 << p.OffsetShift
	}
	least := int64(math.MaxInt64)
	for s := range l.segments {
		for _, g := range l.segments[s] {
			a, b := l.ends(p, s, g)
			least = min(least, (a+b)/2)
		}
	}
	return least >> p.OffsetShift << p.OffsetShift
}

func (l *lines) stepOf(p *plan.Piecewise, s int, g segment, origin int64, shift int) int64 {
	if g.from > g.to {
		return 0
	}
	a, b := l.ends(p, s, g)
	return ((a+b)/2 - origin) >> shift
}

// describe makes the table of the lines in one form; false where that is not possible, or dearer
// than another already.
func (l *lines) describe(p *plan.Piecewise, f form) bool {
	least, ok := l.widths(p, f)
	if !ok {
		return false
	}
	p.Low, p.Error = l.lowest(), l.worst
	p.Positive = len(l.sides[1].cells) == 0
	l.beyond(p)
	p.Terms = []wire.Term{{}}
	if l.shaped(p) >= l.bound {
		return false
	}
	n := normalForm{named: p.Named(), low: p.Low, gate: p.Gate, terms: map[uint32]coefficients{}}
	for s := range f.values {
		marked := (s == 1) != p.Positive
		if !marked && p.Gate>>p.Named() > 0 {
			continue
		}
		values := make([]coefficients, len(f.values[s]))
		for i, v := range f.values[s] {
			values[i] = coefficients{
				uint64(v.slope-least.slope) & mask(p.SlopeBits), uint64(v.offset-least.offset) & mask(p.OffsetBits), uint64(v.step-least.step) & mask(p.StepBits),
			}
		}
		n.side(l.sides[s], values, marked)
	}
	p.Flip = n.flip()
	p.Terms = nil
	for _, m := range slices.Sorted(maps.Keys(n.terms)) {
		v := n.terms[m]
		p.Terms = append(p.Terms, wire.Term{Bits: m, Slope: v[0], Offset: v[1], Step: v[2]})
	}
	return len(p.Terms) > 0
}

// widths counts the bits of slopes, offsets and steps, and gives the numbers that they begin at.
func (l *lines) widths(p *plan.Piecewise, f form) (least line, ok bool) {
	var slopes, offsets, steps span
	for s := range f.values {
		for _, v := range f.values[s] {
			slopes.add(v.slope)
			offsets.add(v.offset)
			steps.add(v.step)
		}
	}
	p.Ring = f.ring
	if l.odd { // as many below the centre as above
		sum := l.sum(p)
		if p.Extends() {
			sum = -1
		}
		offsets.centre(sum)
		steps.centre(-1)
	}
	p.SlopeBits, p.Slope = min(slopes.bits(), p.Ring-p.SlopeShift), slopes.least<<p.SlopeShift
	p.OffsetBits, p.Offset = min(offsets.bits(), p.Ring-p.OffsetShift), offsets.least<<p.OffsetShift
	if p.Extends() {
		p.StepShift = f.shift
		p.StepBits = min(steps.bits(), p.Wide()-p.StepShift)
		p.Step = f.step + steps.least<<p.StepShift
	}
	ok = p.OffsetBits+p.OffsetShift <= 60 && p.SlopeBits+p.SlopeShift <= 60 && p.SlopeBits >= 0 && p.OffsetBits >= 0 && p.StepBits >= 0
	return line{slopes.least, offsets.least, steps.least}, ok
}

// beyond adds what lines are counted from. Side 0 is x >= 0.
func (l *lines) beyond(p *plan.Piecewise) {
	for s := range l.sides {
		if p.Extends() || l.gated {
			p.Steep[1-s] = l.steep[s] << p.SlopeShift
		}
		if l.gated {
			p.Beyond[1-s] = l.tail(s).offset << p.OffsetShift
		}
	}
	if l.gated {
		p.Gate = l.gate(l.sides) >> p.Low
	}
}

// mask is so many bits that are set.
func mask(bits int) uint64 { return 1<<bits - 1 }

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

// centre widens the range to one of all the numbers of some bits, in which two numbers whose sum is
// sum are complements.
func (s *span) centre(sum int64) {
	s.add(sum - s.least)
	s.add(sum - s.most)
	s.least = (sum - 1<<s.bits() + 1) / 2
}

// coefficients are the bits of slope, offset and step.
type coefficients [3]uint64

func (c coefficients) plus(d coefficients) coefficients {
	return coefficients{c[0] ^ d[0], c[1] ^ d[1], c[2] ^ d[2]}
}

// normalForm collects, for every product of bits of the name, the bits of the coefficients
// that it changes.
type normalForm struct {
	named, low int
	gate       uint32 // bits that are set wherever that matters
	terms      map[uint32]coefficients
}

func (n *normalForm) add(mask uint32, v coefficients) {
	if v = v.plus(n.terms[mask]); v == (coefficients{}) {
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
		turned := normalForm{n.named, n.low, n.gate, maps.Clone(n.terms)}
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
func (n *normalForm) side(d side, values []coefficients, marked bool) {
	tail := values[len(values)-1]
	n.where(marked, 0, tail)
	at := 0
	for _, c := range d.cells {
		some := make([]coefficients, 0, 1<<c.cuts)
		for _, q := range c.parts {
			v := values[at].plus(tail)
			some = append(some, slices.Repeat([]coefficients{v}, 1<<(q.width-c.width+c.cuts))...)
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
func (n *normalForm) cell(marked bool, prefix uint32, c cell, values []coefficients) {
	form := make([]coefficients, len(values))
	for u := range form {
		form[u] = values[len(values)-1-u] // a set bit of the name is a bit of the magnitude that is not set
	}
	for b := 1; b < len(form); b <<= 1 {
		for u := range form {
			if u&b != 0 {
				form[u] = form[u].plus(form[u^b])
			}
		}
	}
	for u, v := range form {
		n.where(marked, prefix|uint32(u)<<(c.width-c.cuts-n.low), v)
	}
}

// where adds a product on one side of zero.
func (n *normalForm) where(marked bool, mask uint32, v coefficients) {
	n.add((mask|1<<n.named)&^n.gate, v)
	if !marked {
		n.add(mask&^n.gate, v)
	}
}
