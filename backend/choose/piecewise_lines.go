package choose

import (
	"maps"
	"math"
	"math/bits"
	"slices"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
)

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
		if d < least {
			least = d
		}
		if d > most {
			most = d
		}
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
	floor := l.shaped(p)
	if floor >= l.bound {
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
	if floor+l.leastFor(p, n.terms) >= l.bound {
		return false
	}
	p.Terms = nil
	for _, m := range slices.Sorted(maps.Keys(n.terms)) {
		v := n.terms[m]
		p.Terms = append(p.Terms, wire.Term{Bits: m, Slope: v[0], Offset: v[1], Step: v[2]})
	}
	return len(p.Terms) > 0
}

// leastFor is what some products of bits add at least to the price of a description that has none: a bit
// opened each way for each, and the flights of the longest beyond those of the gate.
func (l *lines) leastFor(p *plan.Piecewise, terms map[uint32]coefficients) float64 {
	products, longest := 0, 0
	for m := range terms {
		n := bits.OnesCount32(m)
		longest = max(longest, n)
		if n > 1 {
			products++
		}
	}
	levels := 0
	for n := longest; n > 1; n = (n + 1) / 2 {
		levels++ // of one product in one flight
		if n == 3 {
			break // or of three
		}
	}
	gate := *p
	gate.Triples = false
	return 2*float64(products) + l.flight*float64(max(levels-len(gate.Monomials().Levels), 0))
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
