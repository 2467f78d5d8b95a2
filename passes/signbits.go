package passes

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// Comparing fewer bits. A relu that drops the lowest d bits before it compares
// may take a value below 2^d for negative: it gives 0 for something small. How
// large a d a network bears is found by trying: every comparison drops as many
// bits as keep 2^d a fixed number of octaves below the values it sees, and the
// smallest such number is taken for which the simulated network still answers
// like the real one. Then groups of comparisons drop a bit more, and another, in turn,
// as long as the answers bear it: some are far less sensitive than others.

const (
	signTrials  = 6  // octaves tried: 2, 3, ... below the typical value
	signSamples = 8  // calibration inputs simulated at most
	signLeast   = 5  // bits that stay at least
	signGroups  = 8  // groups of comparisons that then try to drop more
	signTries   = 24 // of those, in all
)

// dropDeviation turns an acceptable drop in accuracy into a deviation of the
// outputs, relative to their spread. The margin between the two largest is
// mostly of the order of the spread or more, and if small margins are as
// frequent as large ones, noise of 1 % of it swaps them in 0.6 % of all cases.
// Formats alone may take most of it.
const (
	formatDeviation = 0.8
	dropDeviation   = 1
	deepDeviation   = 0.85 // of that, where groups go deeper than others: a search that comes close to its limit on few inputs is beyond it on others
)

// signBits drops low bits of comparisons if the target is cost.
func signBits(g *ir.Graph, cfg *Config) error {
	if cfg.Target != TargetCost || cfg.Exact {
		return nil
	}
	t, err := newTrials(g, cfg)
	if err != nil {
		return err
	}
	cfg.trials = t
	s := &signSearch{trials: t, all: comparisons(g), ranges: cfg.ranges, count: cfg.count(stageSigns, len(t.inputs)*(1+signTrials+signTries))}
	enough := anything
	if cfg.grows {
		enough.error = formatDeviation * cfg.MaxDrop
	}
	base, err := t.compare(enough, 0, nil, s.count)
	if err != nil {
		return err
	}
	cfg.rounding = base.error
	if !base.keeps(enough) {
		cfg.outgrown = true // whatever the search found would be thrown away
		return nil
	}
	s.limit = answer{error: math.Max(1.25*base.error, dropDeviation*cfg.MaxDrop), agree: base.agree}
	return s.run()
}

const stageSigns = "signs of comparisons"

// signSearch finds the bits to drop.
type signSearch struct {
	*trials
	all    []*ir.Value // comparisons, the late ones first
	ranges map[*ir.Value]span
	limit  answer
	count  *counter

	reached answer // with equal depths
}

func (s *signSearch) run() error {
	groups := s.groups()
	stops := s.stops(groups)
	for octaves := 2; octaves < 2+signTrials; octaves++ {
		setLow(s.all, s.ranges, octaves)
		a, err := s.compare(s.limit, 0, stops, s.count)
		if err != nil {
			return err
		}
		if a.keeps(s.limit) {
			s.reached = a
			s.count.skip(len(s.inputs) * (1 + signTrials - octaves))
			return s.deepen(groups, octaves)
		}
	}
	setLow(s.all, s.ranges, 64)
	return nil
}

// groups cuts the comparisons into runs of about equal numbers of elements:
// dropping a bit saves about as many bytes in each.
func (s *signSearch) groups() [][]*ir.Value {
	return inParts(s.all, signGroups, func(v *ir.Value) int { return v.Args[0].Type.N() })
}

// inParts cuts values into runs of about equal sizes.
func inParts(all []*ir.Value, parts int, size func(v *ir.Value) int) (groups [][]*ir.Value) {
	total, sum := 0, 0
	for _, v := range all {
		total += size(v)
	}
	var now []*ir.Value
	for _, v := range all {
		now, sum = append(now, v), sum+size(v)
		if sum*parts >= total*(len(groups)+1) {
			groups, now = append(groups, now), nil
		}
	}
	return groups
}

// deepen lets groups drop more bits, one at a time, as long as the answers bear it.
func (s *signSearch) deepen(groups [][]*ir.Value, octaves int) error {
	depth, base := slices.Repeat([]int{octaves}, len(groups)), lowsOf(s.g)
	limit := answer{error: math.Max(deepDeviation*s.limit.error, s.reached.error), agree: s.limit.agree}
	tries, err := takeTurns(len(groups), signTries, func(i int) (bool, error) {
		group := groups[i]
		before := make([]int, len(group))
		for j, v := range group {
			before[j] = compared(v).Lo
		}
		setLow(group, s.ranges, depth[i]-1)
		a, err := s.compare(limit, s.changed(base), nil, s.count)
		if err == nil && depth[i] > 1 && a.keeps(limit) {
			depth[i]--
			return true, nil
		}
		for j, v := range group {
			compared(v).Lo = before[j]
		}
		return false, err
	})
	s.count.skip(len(s.inputs) * (signTries - tries))
	return err
}

// takeTurns tries n things in turn, each as long as it works, at most so many times
// in all; it returns how many times it was.
func takeTurns(n, most int, try func(i int) (bool, error)) (tries int, err error) {
	open := make([]int, n)
	for i := range open {
		open[i] = i
	}
	for len(open) > 0 {
		var next []int
		for _, i := range open {
			if tries == most {
				return tries, nil
			}
			tries++
			ok, err := try(i)
			if err != nil {
				return tries, err
			}
			if ok {
				next = append(next, i)
			}
		}
		open = next
	}
	return tries, nil
}

// lowsOf lists the bits that comparisons drop; -1 for a value that compares nothing.
func lowsOf(g *ir.Graph) []int {
	low := make([]int, len(g.Values))
	for i, v := range g.Values {
		low[i] = -1
		if c := compared(v); c != nil {
			low[i] = c.Lo
		}
	}
	return low
}

// changed is the place in the graph of the first comparison that drops other bits than in base.
func (s *signSearch) changed(base []int) int {
	for i, low := range lowsOf(s.g) {
		if low != base[i] {
			return i
		}
	}
	return len(base)
}

// stops are the places from which deepen will want to go on: the first
// comparison of each group.
func (s *signSearch) stops(groups [][]*ir.Value) []int {
	var at []int
	for _, group := range groups {
		at = append(at, slices.IndexFunc(s.g.Values, func(v *ir.Value) bool { return slices.Contains(group, v) }))
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// comparisons lists the values that read signs, the smallest first: these are
// the late ones, whose mistakes pass through few operators.
func comparisons(g *ir.Graph) (all []*ir.Value) {
	for _, v := range g.Values {
		if compared(v) != nil {
			all = append(all, v)
		}
	}
	slices.SortStableFunc(all, func(a, b *ir.Value) int { return a.Args[0].Type.N() - b.Args[0].Type.N() })
	return all
}

// compared gives the bits a sign is read from; nil where none is, or where none may be dropped.
func compared(v *ir.Value) *ir.CompareAttrs {
	switch a := v.Attrs.(type) {
	case *ir.CompareAttrs:
		return a
	case *ir.ClipAttrs:
		return &a.CompareAttrs
	case *ir.PoolAttrs:
		if v.Op == ir.OpMaxPool {
			return &a.CompareAttrs
		}
	}
	return nil
}

// setLow makes comparisons drop the bits that lie the given number of octaves
// below their typical argument.
func setLow(all []*ir.Value, ranges map[*ir.Value]span, octaves int) {
	for _, v := range all {
		c, e := compared(v), v.Args[0].Type.Elem
		s, known := ranges[v.Args[0]]
		if !known || s.rms() == 0 {
			continue
		}
		d := int(math.Floor(math.Log2(s.rms()))) + e.Frac - octaves
		c.Lo = max(0, min(d, c.High(e)-signLeast))
	}
}
