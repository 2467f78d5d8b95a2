package plan

import (
	"slices"

	"secc.example/secc/backend/plan/wire"
)

// How prepared inferences compare. The client's operand is known in the preparation, for whatever is
// compared is moved first unless it is fixed: so leaves are tables, and multiplexers masked. What is
// cheapest online is then not what is cheapest in one phase, and trees are chosen anew.

// prepared is a copy of the plan for prepared inferences, whose comparisons may be changed.
func (p *Plan) prepared() *Plan {
	q := *p
	q.Rounds = make([][]Step, len(p.Rounds))
	for r := range p.Rounds {
		q.Rounds[r] = slices.Clone(p.Rounds[r])
	}
	q.widen()
	trees := map[shape]wire.Tree{}
	last := q.lastFixed()
	for r := range q.Rounds {
		for i := range q.Rounds[r] {
			q.prepare(&q.Rounds[r][i], r >= last, trees)
		}
	}
	q.label(last)
	return &q
}

// shape is what a tree is chosen by: the bits compared, and whether what it makes goes to the client
// without being moved.
type shape struct {
	bits int
	last bool
}

// prepare makes a step one of prepared inferences.
func (p *Plan) prepare(s *Step, last bool, trees map[shape]wire.Tree) {
	if f, ok := s.Attrs.(*Func); ok && f.Piecewise != nil {
		s.Attrs = f.prepared()
	}
	if s.Sign() == nil {
		return
	}
	s.Attrs = copied(s.Attrs)
	c := s.Sign()
	c.Tree.Prepared = true
	if !s.mask(p).Fits() {
		return
	}
	m := shape{c.compared(), last}
	if _, ok := trees[m]; !ok {
		trees[m] = aheadTree(m)
	}
	c.Tree = trees[m]
}

// lastFixed is the last round with a step whose operand is to be fixed.
func (p *Plan) lastFixed() (last int) {
	for r := range p.Rounds {
		if slices.ContainsFunc(p.Rounds[r], func(s Step) bool { return s.Linear() != nil || s.Sign() != nil }) {
			last = r
		}
	}
	return last
}

// prepared is a copy whose corrections of pads are sent in the preparation.
func (f *Func) prepared() *Func {
	g, lines := *f, *f.Piecewise
	lines.Prepared, g.Piecewise = true, &lines
	return &g
}

// mask is the largest masked multiplexer of a comparison.
func (s *Step) mask(p *Plan) wire.Mask {
	switch a := s.Attrs.(type) {
	case *Relu:
		return a.mask()
	case *ArgMax:
		return wire.Mask{Widths: []int{a.Bits, p.Slots[s.Out[0]].Bits}, Alone: a.Tree.Labelled}
	}
	return wire.Mask{Widths: []int{s.Sign().Bits}, Alone: s.Sign().Tree.Labelled}
}

// What a bit sent in the preparation, and a flight of the online run, weigh in bits of each element that are
// sent online.
const (
	aheadWeight  = 1. / 8
	flightWeight = 4
)

// aheadTree is the tree of comparisons of some bits.
func aheadTree(m shape) (best wire.Tree) {
	least := 0.
	for leaf := 2; leaf <= wire.MaxLeaf; leaf++ {
		for arity := 2; arity <= wire.MaxArity; arity++ {
			t := wire.Tree{Leaf: leaf, Arity: arity, Prepared: true, Known: true}
			c := CostCarries(8, wire.NewCarries(m.bits, 0, 1, t)) // a byte for a bit of each element
			before := float64(c.Ahead+c.Early.ToServer+c.Early.ToClient) + float64(c.COTs.All())/8
			price := float64(c.ToServer()+c.ToClient()) + aheadWeight*before + flightWeight*float64(m.rounds(c.Flights))
			if best.Leaf == 0 || price < least {
				best, least = t, price
			}
		}
	}
	return best
}

// rounds is how many messages follow one upon another from the server's first to the one that moves
// the result or shows it, with these flights in between. It is not their number: the server sends
// its half of the first level of joins with its first message, so that a second level takes
// none where the result is moved.
func (m shape) rounds(flights []Flight) int {
	d := Depth{}.After(flights).After(crossing(1))
	if m.last {
		return d.After([]Flight{{ToClient: 1}}).Client
	}
	return d.After([]Flight{{ToServer: 1}}).Server
}

// label lets comparisons send what they select at once, where that saves flights enough for its bytes. Which
// is decided wave by wave, for calls that run side by side end together.
func (p *Plan) label(last int) {
	in := map[*Step]bool{} // in a round from which nothing is moved
	for r := last; r < len(p.Rounds); r++ {
		for i := range p.Rounds[r] {
			in[&p.Rounds[r][i]] = true
		}
	}
	worth := p.worthOfFlight()
	for _, wave := range p.Waves() {
		var all labelling
		for _, call := range wave {
			if len(p.onlineCost(call).Flights) > 0 && !all.add(p, call, in[call[0]]) {
				all.calls = nil
				break
			}
		}
		if all.more > worth*int64(all.saved) {
			continue
		}
		for i, call := range all.calls {
			for _, s := range call {
				s.Sign().Tree = all.trees[i]
			}
		}
	}
}

// labelling is what labels change for calls that run side by side.
type labelling struct {
	calls [][]*Step
	trees []wire.Tree
	more  int64 // bytes that are sent online
	saved int   // messages that wait for one another
}

// add tries labels for a call and reports whether they save anything.
func (l *labelling) add(p *Plan, call []*Step, last bool) bool {
	c := call[0].Sign()
	if c == nil || !c.Tree.Tabled() {
		return false
	}
	before, old, levels := p.CallCost(call), c.Tree, 1
	more := -before.ToServer() - before.ToClient()
	switch a := call[0].Attrs.(type) {
	case *Relu:
		if last {
			return false
		}
		for _, s := range call {
			more -= p.MoveBytes(s.Out[0]) // moved at once
		}
	case *MaxPool:
		levels = len(a.Pool.LevelSizes()) - 1
	case *ArgMax:
		levels = len(wire.TopK(p.Slots[call[0].In[0]].N()/(p.Slots[call[0].Out[0]].N()/a.K), a.K).Levels) - 1
	default:
		return false
	}
	saved := levels * (shape{c.compared(), false}.rounds(CostCarries(8, wire.NewCarries(c.compared(), 0, 1, old)).Flights) - 2)
	tree := p.labelledTree(call[0])
	if tree.Leaf == 0 || saved <= 0 {
		return false
	}
	c.Tree = tree
	after := p.CallCost(call)
	c.Tree = old
	if len(l.calls) == 0 || saved < l.saved {
		l.saved = saved
	}
	l.calls, l.trees, l.more = append(l.calls, call), append(l.trees, tree), l.more+more+after.ToServer()+after.ToClient()
	return true
}

// labelledTree is the cheapest tree of a comparison with labels; no leaves: there is none.
func (p *Plan) labelledTree(s *Step) (best wire.Tree) {
	c, least := s.Sign(), 0.
	old := c.Tree
	defer func() { c.Tree = old }()
	for leaf := 2; leaf <= wire.MaxLeaf; leaf++ {
		for arity := 2; arity <= wire.MaxArity; arity++ {
			c.Tree = wire.Tree{Leaf: leaf, Arity: arity, Prepared: true, Known: true, Labelled: true}
			mask := s.mask(p)
			if !mask.Fits() || wire.NewCarries(c.compared(), 0, 1, c.Tree).Factors() == 0 {
				continue
			}
			cost := costLabelled(8, c.compared(), c.Tree, mask)
			price := float64(cost.ToServer()+cost.ToClient()) + aheadWeight*(float64(cost.Ahead)+float64(cost.COTs.All())/8)
			if best.Leaf == 0 || price < least {
				best, least = c.Tree, price
			}
		}
	}
	return best
}

// Draws says whether the client's share of a step's result is drawn in the preparation.
func (s *Step) Draws() bool {
	r, ok := s.Attrs.(*Relu)
	return ok && r.Tree.Labelled
}

// KnownAhead says whether the client's operand of a comparison is known in the preparation.
func (s *Step) KnownAhead() bool {
	c := s.Sign()
	return c != nil && c.Tree.Tabled()
}

// wantsFixed says whether a step's operand must be fixed when it begins.
func (s *Step) wantsFixed() bool { return s.Linear() != nil || s.KnownAhead() }

// widen lets relus give at once what an extension makes of their results: their operand is widened beside the
// comparison, for what the extension would send and without its flight. Whoever reads a
// narrower result drops the bits above it.
func (p *Plan) widen() {
	for r := range p.Rounds {
		for i := range p.Rounds[r] {
			s := &p.Rounds[r][i]
			a, ok := s.Attrs.(*Relu)
			if !ok || a.ExtendTo > 0 {
				continue
			}
			e := p.extensionOf(s.Out[0])
			if e == nil {
				continue
			}
			wide := *a
			wide.ExtendTo = p.Slots[e.Out[0]].Bits
			if !wide.mask().Fits() {
				continue
			}
			narrow, out := s.Out[0], e.Out[0]
			s.Attrs, s.Out = &wide, []Slot{out}
			p.narrow(r+1, narrow, out)
		}
	}
}

// extensionOf is the widest extension of a slot; nil if there is none.
func (p *Plan) extensionOf(x Slot) (most *Step) {
	for _, s := range p.Steps() {
		if e, ok := s.Attrs.(*Extend); ok && !e.Any && s.In[0] == x && (most == nil || p.Slots[s.Out[0]].Bits > p.Slots[most.Out[0]].Bits) {
			most = s
		}
	}
	return most
}

// narrow makes of a wide slot what was made of a narrow one by extensions, and the narrow one itself
// for whoever else reads it, from a round on.
func (p *Plan) narrow(from int, narrow, wide Slot) {
	made := map[Slot]bool{narrow: true} // to be made of the wide slot by who first reads them
	same := map[Slot]bool{}             // of the same ring
	for r := from; r < len(p.Rounds); r++ {
		p.Rounds[r] = slices.DeleteFunc(p.Rounds[r], func(s Step) bool {
			e, ok := s.Attrs.(*Extend)
			if !ok || e.Any || s.In[0] != narrow {
				return false
			}
			if x := s.Out[0]; p.Slots[x].Bits == p.Slots[wide].Bits {
				same[x] = x != wide
			} else {
				made[x] = true
			}
			return true
		})
		p.Rounds[r] = append(p.dropBits(r, made, wide), p.Rounds[r]...)
		for i := range p.Rounds[r] {
			s := &p.Rounds[r][i]
			for k, x := range s.In {
				if same[x] {
					s.In = slices.Clone(s.In)
					s.In[k] = wide
				}
			}
		}
	}
}

// dropBits gives the steps that make what a round reads of slots that are still to be made.
func (p *Plan) dropBits(r int, made map[Slot]bool, wide Slot) (steps []Step) {
	for i := range p.Rounds[r] {
		s := &p.Rounds[r][i]
		for _, x := range s.In {
			if made[x] {
				steps = append(steps, Step{Proto: ProtoReduce, Op: s.Op, Name: s.Name, In: []Slot{wide}, Out: []Slot{x}})
				delete(made, x)
			}
		}
	}
	return steps
}
