package backend

import (
	"errors"
	"fmt"
	"math"

	"secc.example/secc/backend/plan"
)

// linearStep is a linear operator whose encoding is still to be chosen.
type linearStep struct {
	node    string
	linear  *plan.Linear
	weights []int64
}

// choosePackings fills in the encodings of all linear operators together, since
// they share the keys of a session, and proves that each decrypts correctly.
func (l *lowering) choosePackings() error {
	ls := make([]*plan.Linear, len(l.linear))
	for i, s := range l.linear {
		ls[i] = s.linear
	}
	cost := l.options.Profile.cost()
	cost.Stop = l.options.Stop
	if err := plan.ChoosePackings(ls, cost); err != nil {
		var p *plan.PackingError
		if errors.As(err, &p) {
			return fmt.Errorf("backend: node %q: %w", l.linear[p.Index].node, err)
		}
		return fmt.Errorf("backend: %w", err)
	}
	for _, s := range l.linear {
		if err := l.stopped(); err != nil {
			return err
		}
		if err := plan.CheckNoise(s.linear, s.weights); err != nil {
			return fmt.Errorf("backend: node %q: %w", s.node, err)
		}
	}
	return nil
}

// treeShape is a way to compare: radix of the leaves, and a log-depth tree (few
// rounds) or a ripple (few bits). Extra is what it takes beyond its correlated
// OTs, in nanoseconds a compared bit, as measured with free OTs (BenchmarkReluAlone).
type treeShape struct {
	leaf   int
	ripple bool
	extra  float64
	client bool // the client chooses: a clip's bounds share OTs, and the step ends up to a round trip later
}

func treeShapes() []treeShape {
	return []treeShape{
		{2, true, 0, false}, {1, true, 0, false}, {2, false, 0.5, false}, {3, false, 1, false}, {1, false, 1, false}, {4, false, 2, false},
		{2, false, 0.5, true}, {3, false, 1, true}, {4, false, 2, true},
	}
}

// chooseTree picks the shape of step i's comparisons that takes the fewest
// seconds under the profile, the making of correlated OTs included.
func (l *lowering) chooseTree(i int) {
	s := &l.steps[i]
	if s.Compare == nil {
		return
	}
	after := l.extensionOf(s.Out[0])
	var best plan.Compare
	least := math.Inf(1)
	for _, try := range treeShapes() {
		if try.client && s.Proto != plan.ProtoClip {
			continue
		}
		s.Compare.Leaf, s.Compare.Ripple, s.Compare.ClientChooses = try.leaf, try.ripple, try.client
		if t := l.price(s, after, try.extra); t < least {
			least, best = t, *s.Compare
		}
	}
	*s.Compare = best
}

// extensionOf finds an extension that reads a slot; nil for none.
func (l *lowering) extensionOf(x plan.Slot) *plan.Step {
	for i := range l.steps {
		if s := &l.steps[i]; s.Proto == plan.ProtoExtend && s.In[0] == x {
			return s
		}
	}
	return nil
}

// price is the seconds that a comparison takes, in the place where most stand:
// between two linear operators, perhaps with an extension before the second.
func (l *lowering) price(s, extend *plan.Step, extra float64) float64 {
	p := l.options.Profile
	c := l.plan.CallCost([]*plan.Step{s})
	flights := c.Flights
	if extend != nil {
		flights = c.Add(l.plan.CallCost([]*plan.Step{extend})).Flights
	}
	bits := c.Work.Server[plan.UnitElem] * float64(s.Compare.Hi-s.Compare.Lo)
	return p.busy(c) + p.latency(between(flights)) + p.makeCOTs(c.COTs) + extra*bits/1e9/float64(max(p.Threads, 1))
}

// between is the rounds from the upload of one linear operator to that of the
// next, with these flights in between. It is not their number: messages that
// follow each other from the same party travel together, so that an extension, say,
// often takes none, and which depth of a tree is cheap depends on who sends last.
func between(flights []plan.Flight) int {
	const response, upload = 1, 1
	d := plan.Depth{}.After([]plan.Flight{{ToClient: response}}).After(flights).After([]plan.Flight{{ToServer: upload}})
	return d.Server
}
