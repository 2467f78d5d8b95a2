package passes

import (
	"math"
	"slices"

	"secc/ir"
)

// Comparing fewer bits. A relu that drops the lowest d bits before it compares
// may take a value below 2^d for negative: it gives 0 for something small. How
// large a d a network bears is found by trying: every comparison drops as many
// bits as keep 2^d a fixed number of octaves below the values it sees, and the
// smallest such number is taken for which the simulated network still answers
// like the real one. As many of the late comparisons as that leaves room for
// then drop one bit more.

const (
	signTrials  = 6 // octaves tried: 2, 3, ... below the typical value
	signSamples = 8 // calibration inputs simulated at most
	signLeast   = 5 // bits that stay at least
	signRefine  = 3 // steps in finding how many comparisons may drop one bit more
)

// dropDeviation turns an acceptable drop in accuracy into a deviation of the
// outputs, relative to their spread. The margin between the two largest is
// mostly of the order of the spread or more, and if small margins are as
// frequent as large ones, noise of 1 % of it swaps them in 0.6 % of all cases.
// Formats alone may take most of it.
const (
	formatDeviation = 0.8
	dropDeviation   = 1
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
	s := &signSearch{trials: t, all: comparisons(g), ranges: cfg.ranges, count: cfg.count(stageSigns, len(t.inputs)*(2+signTrials+signRefine))}
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
}

func (s *signSearch) run() error {
	for octaves := 2; octaves < 2+signTrials; octaves++ {
		setLow(s.all, s.ranges, octaves)
		a, err := s.compare(s.limit, 0, s.stops(), s.count)
		if err != nil {
			return err
		}
		if ok := a.keeps(s.limit); ok && octaves > 2 {
			s.count.skip(len(s.inputs) * (1 + signTrials - octaves)) // of octaves; each of refine's is simulated or known
			return refine(len(s.all), func(fine int) (bool, error) { return s.bears(fine, octaves) })
		} else if ok {
			return nil
		}
	}
	setLow(s.all, s.ranges, 64)
	return nil
}

// bears tells whether the first of the comparisons may drop a bit more than the others.
func (s *signSearch) bears(fine, octaves int) (bool, error) {
	setLow(s.all[:fine], s.ranges, octaves-1)
	setLow(s.all[fine:], s.ranges, octaves)
	a, err := s.compare(s.limit, s.first(fine), nil, s.count)
	return a.keeps(s.limit), err
}

// first is the place in the graph of the first of so many comparisons.
func (s *signSearch) first(fine int) int {
	for i, v := range s.g.Values {
		if slices.Contains(s.all[:fine], v) {
			return i
		}
	}
	return len(s.g.Values)
}

// stops are the places from which refine will want to go on.
func (s *signSearch) stops() []int {
	var at []int
	for k := range signRefine {
		at = append(at, s.first(len(s.all)-len(s.all)>>(k+1)))
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// refine finds how many of n comparisons, the first ones, may drop one bit
// more: none may be refused, all are. It leaves the graph as it finds it good.
func refine(n int, bears func(fine int) (bool, error)) error {
	good, bad := 0, n
	for range signRefine {
		fine := (good + bad) / 2
		ok, err := bears(fine)
		if err != nil {
			return err
		}
		if ok {
			good = fine
		} else {
			bad = fine
		}
	}
	_, err := bears(good)
	return err
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
