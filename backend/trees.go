package backend

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
)

// linearStep is a linear operator whose encoding is still to be chosen.
type linearStep struct {
	node    string
	linear  *plan.Linear
	weights []int64
	cross   *plan.Cross // of a product of shared matrices: gets the encoding; there are no weights
}

// choosePackings fills in the encodings of all linear operators together, since
// they share the keys of a session, and proves that each decrypts correctly.
func (l *lowering) choosePackings() error {
	ls := make([]*plan.Linear, len(l.linear))
	for i, s := range l.linear {
		ls[i] = s.linear
	}
	if err := (choose.Search{Profile: l.options.Profile, Stop: l.options.Stop}).Packings(ls); err != nil {
		var p *choose.PackingError
		if errors.As(err, &p) {
			return fmt.Errorf("backend: node %q: %w", l.linear[p.Index].node, err)
		}
		return fmt.Errorf("backend: %w", err)
	}
	for _, s := range l.linear {
		if err := l.stopped(); err != nil {
			return err
		}
		if s.cross != nil { // the bound holds for all shares
			s.cross.Packing = s.linear.Packing
			continue
		}
		if err := plan.CheckNoise(s.linear, s.weights); err != nil {
			return fmt.Errorf("backend: node %q: %w", s.node, err)
		}
	}
	return nil
}

// mostBytes is how many times the bytes of a plan may grow for fewer flights: seconds
// decide, but who pays for traffic or shares a line should not be surprised.
const mostBytes = 1.15

// chooseTrees picks the shapes of all comparisons. Bytes are made dearer until
// what flights are saved with stays within mostBytes.
func (l *lowering) chooseTrees() error {
	pick := func(dear float64, fewer bool) int64 {
		for i := range l.steps {
			l.chooseTree(i, dear, fewer)
		}
		return l.bytes()
	}
	least := float64(pick(1, false))
	for dear := 1.0; dear < 1e3 && float64(pick(dear, true)) > mostBytes*least; dear *= 1.25 {
		if err := l.stopped(); err != nil {
			return err
		}
	}
	return nil
}

// bytes is what all steps send, with a bit for each correlated OT.
func (l *lowering) bytes() (n int64) {
	for i := range l.steps {
		s := &l.steps[i]
		if s.Proto == plan.ProtoExtend && l.covered(s) {
			continue
		}
		c := l.plan.CallCost([]*plan.Step{s})
		n += c.ToServer() + c.ToClient() + (c.COTs.ServerSends+c.COTs.ClientSends)/8
	}
	return n
}

// covered reports whether a wide relu makes an extension unnecessary.
func (l *lowering) covered(e *plan.Step) bool {
	for i := range l.steps {
		if s := &l.steps[i]; s.Out[0] == e.In[0] {
			r, ok := s.Attrs.(*plan.Relu)
			return ok && r.ExtendTo > 0
		}
	}
	return false
}

// chooseTree picks the shape of step i's comparisons that takes the fewest seconds
// under the profile, the making of correlated OTs included, with bytes dear times as
// dear as they are. With fewer, shapes that send more for fewer flights are tried too:
// joins of three, and relus that are wide at once where an extension follows.
func (l *lowering) chooseTree(i int, dear float64, fewer bool) {
	s := &l.steps[i]
	sign := s.Sign()
	if sign == nil {
		return
	}
	after, relu := l.extensionOf(s), new(plan.Relu) // of another step, nothing is to be extended
	if r, ok := s.Attrs.(*plan.Relu); ok {
		relu = r
	}
	best, bestTo := sign.Tree, 0
	least := math.Inf(1)
	for _, try := range choose.Trees() {
		if try.ClientChooses && s.Proto != plan.ProtoClip || try.Arity > 2 && !fewer {
			continue
		}
		sign.Tree = try.Tree
		for _, to := range widths(s, after) {
			if to > 0 && !fewer {
				continue
			}
			relu.ExtendTo = to
			if t := l.price(s, after, try.Extra, dear); t < least {
				least, best, bestTo = t, try.Tree, to
			}
		}
	}
	sign.Tree, relu.ExtendTo = best, bestTo
}

// widths are what a comparison's result may be extended to; 0 is not at all.
func widths(s, after *plan.Step) []int {
	if s.Proto == plan.ProtoRelu && after != nil && !after.Attrs.(*plan.Extend).Any {
		return []int{0, after.Attrs.(*plan.Extend).To}
	}
	return []int{0}
}

// extensionOf finds the widest extension that reads what a step makes; nil for none.
func (l *lowering) extensionOf(s *plan.Step) (most *plan.Step) {
	for i := range l.steps {
		if e := &l.steps[i]; e.Proto == plan.ProtoExtend && e.In[0] == s.Out[0] && (most == nil || e.Attrs.(*plan.Extend).To > most.Attrs.(*plan.Extend).To) {
			most = e
		}
	}
	return most
}

// price is the seconds that a comparison takes, in the place where most stand:
// between two linear operators, perhaps with an extension before the second.
func (l *lowering) price(s, extend *plan.Step, extra, dear float64) float64 {
	c := l.plan.CallCost([]*plan.Step{s})
	bits := c.Work.Server[plan.UnitElem] * float64(s.Sign().Hi-s.Sign().Lo)
	if r, ok := s.Attrs.(*plan.Relu); extend != nil && !(ok && r.ExtendTo > 0) {
		c = c.Add(l.plan.CallCost([]*plan.Step{extend}))
	}
	return l.options.Profile.Comparison(c, extra*bits, dear)
}

// widen lets the relus that chooseTree made wide take the place of the widest
// extension that follows. Whoever reads a narrower result drops the bits above it, locally.
func (l *lowering) widen() {
	wide := map[plan.Slot]plan.Slot{} // by the narrow result
	same := map[plan.Slot]plan.Slot{} // results of extensions that are one
	var kept []plan.Step
	for _, s := range l.steps {
		for i, x := range s.In {
			if y, ok := same[x]; ok {
				s.In[i] = y
			}
		}
		switch narrow, ok := l.widened(&s); {
		case ok:
			wide[narrow] = s.Out[0]
			kept = append(kept, s)
			if l.reads(narrow) {
				kept = append(kept, dropBits(s, s.Out[0], narrow))
			}
			continue
		case s.Proto == plan.ProtoExtend:
			w, ok := wide[s.In[0]]
			if ok && l.plan.Slots[w].Bits == s.Attrs.(*plan.Extend).To {
				same[s.Out[0]] = w
				continue
			}
			if ok {
				s = dropBits(s, w, s.Out[0])
			}
		}
		kept = append(kept, s)
	}
	l.steps = kept
}

// widened gives a wide relu its wide slot, and says which one it had.
func (l *lowering) widened(s *plan.Step) (narrow plan.Slot, ok bool) {
	if r, ok := s.Attrs.(*plan.Relu); !ok || r.ExtendTo == 0 {
		return 0, false
	}
	narrow = s.Out[0]
	s.Out = []plan.Slot{l.extensionOf(s).Out[0]}
	return narrow, true
}

// dropBits is the local step of a node that makes a narrow slot of a wide one.
func dropBits(of plan.Step, wide, narrow plan.Slot) plan.Step {
	return plan.Step{Proto: plan.ProtoReduce, Op: of.Op, Name: of.Name, In: []plan.Slot{wide}, Out: []plan.Slot{narrow}}
}

// reads reports whether a step other than an extension, or an output, reads a slot.
func (l *lowering) reads(x plan.Slot) bool {
	for i := range l.steps {
		if s := &l.steps[i]; s.Proto != plan.ProtoExtend && slices.Contains(s.In, x) {
			return true
		}
	}
	return slices.ContainsFunc(l.plan.Outputs, func(o plan.Output) bool { return o.Slot == x })
}
