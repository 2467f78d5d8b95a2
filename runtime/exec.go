package runtime

import (
	"fmt"
	"time"

	"secc.example/secc/backend/plan"
)

// Progress tells how far a session has come. Next is the call about to start.
type Progress struct {
	Call, Calls int
	Inference   int        // the one under way, from 0
	Inferences  int        // of the session
	Next        *plan.Step // nil when all is done
	Elapsed     time.Duration
}

// measure is what one call took, as this party saw it.
type measure struct {
	sent, received int64
	depth          int // this party's depth after the call
	seconds        float64
}

// walker executes the waves of a plan in order over a table of slots.
type walker struct {
	*Program
	slots []Vec
	keep  map[plan.Slot]bool // outputs
	feed  map[plan.Slot]Vec  // encoded inputs
}

func newWalker(g *Program, inputs []Vec) *walker {
	w := &walker{Program: g, slots: make([]Vec, len(g.plan.Slots)), keep: map[plan.Slot]bool{}, feed: map[plan.Slot]Vec{}}
	for _, o := range g.plan.Outputs {
		w.keep[o.Slot] = true
	}
	for i, f := range g.plan.Fed() {
		if inputs != nil {
			w.feed[f.Slot] = inputs[i]
		}
	}
	return w
}

// finish stores the results of a wave, shows them, and drops what nobody reads any more.
func (w *walker) finish(i int, out [][]Vec, see func(plan.Slot, Vec)) {
	for j, steps := range w.waves[i].calls {
		w.store(steps, out[j], see)
	}
	for _, steps := range w.waves[i].calls {
		w.release(i, steps)
	}
}

// check holds a kernel's results to the plan.
func (c *Call) check(out []Vec) {
	for j, t := range c.OutTypes {
		if len(out) != len(c.OutTypes) || len(out[j]) != t.N() {
			panic(fmt.Sprintf("BUG: kernel of %s: results do not fit the plan", c.Proto))
		}
	}
}

// call collects the operands; those of merged steps are joined end to end.
func (w *walker) call(steps []*plan.Step) *Call {
	first := steps[0]
	c := &Call{Step: first, In: make([]Vec, len(first.In))}
	for j := range first.In {
		c.In[j] = w.slots[first.In[j]]
		if len(steps) > 1 {
			c.In[j] = nil
			for _, s := range steps {
				c.In[j] = append(c.In[j], w.slots[s.In[j]]...)
			}
		}
		c.InTypes = append(c.InTypes, w.joined(steps, func(s *plan.Step) plan.Slot { return s.In[j] }))
	}
	for j := range first.Out {
		c.OutTypes = append(c.OutTypes, w.joined(steps, func(s *plan.Step) plan.Slot { return s.Out[j] }))
	}
	if first.Proto == plan.ProtoInput {
		c.In = []Vec{w.feed[first.Out[0]]}
		c.InTypes = c.OutTypes
	}
	return c
}

// joined is the type of merged operands: that of the first, flat if there are more.
func (w *walker) joined(steps []*plan.Step, slot func(*plan.Step) plan.Slot) plan.SlotType {
	t := w.plan.Slots[slot(steps[0])]
	if len(steps) == 1 {
		return t
	}
	n := 0
	for _, s := range steps {
		n += w.plan.Slots[slot(s)].N()
	}
	t.Shape = []int{n}
	return t
}

// store cuts the results back into the slots of the steps.
func (w *walker) store(steps []*plan.Step, out []Vec, see func(plan.Slot, Vec)) {
	for j := range out {
		rest := out[j]
		for _, s := range steps {
			n := w.plan.Slots[s.Out[j]].N()
			w.slots[s.Out[j]], rest = rest[:n:n], rest[n:]
			if see != nil {
				see(s.Out[j], w.slots[s.Out[j]])
			}
		}
	}
}

// release drops slots that nobody reads any more.
func (w *walker) release(i int, steps []*plan.Step) {
	for _, s := range steps {
		for _, list := range [2][]plan.Slot{s.In, s.Out} {
			for _, x := range list {
				if w.last[x] == i && !w.keep[x] {
					w.slots[x] = nil
				}
			}
		}
	}
}

// outputs are the revealed values, in the order of the plan's outputs.
func (w *walker) outputs() []Vec {
	var out []Vec
	for _, o := range w.plan.Outputs {
		out = append(out, w.slots[o.Slot])
	}
	return out
}

// Ideal runs the plan on cleartext: what the parties compute together, with
// every rounding to nearest. Inputs and outputs are ring elements.
func Ideal(p *plan.Plan, weights Weights, inputs []Vec) ([]Vec, error) {
	return Trace(p, weights, inputs, nil)
}

// Trace is Ideal that shows every slot as it is written.
func Trace(p *plan.Plan, weights Weights, inputs []Vec, see func(plan.Slot, Vec)) ([]Vec, error) {
	if err := checkInputs(p, inputs); err != nil {
		return nil, err
	}
	w := newWalker(layOut(p), inputs)
	for i, wave := range w.waves {
		out := make([][]Vec, len(wave.calls))
		for j, steps := range wave.calls {
			k := w.table[steps[0].Proto]
			if k.Ideal == nil {
				return nil, fmt.Errorf("protocol %s has no reference", steps[0].Proto)
			}
			c := w.call(steps)
			var err error
			if out[j], err = k.Ideal(c, weights); err != nil {
				return nil, named(steps, err)
			}
			c.check(out[j])
		}
		w.finish(i, out, see)
	}
	return w.outputs(), nil
}

// named says which call an error is from.
func named(steps []*plan.Step, err error) error {
	return fmt.Errorf("%s %q: %w", steps[0].Proto, steps[0].Name, err)
}

// checkInputs compares encoded inputs with the plan.
func checkInputs(p *plan.Plan, inputs []Vec) error {
	fed := p.Fed()
	if len(inputs) != len(fed) {
		return fmt.Errorf("%d inputs, the plan encodes %d", len(inputs), len(fed))
	}
	for i, f := range fed {
		if t := p.Slots[f.Slot]; len(inputs[i]) != t.N() {
			return fmt.Errorf("input %q: %d elements, the plan has %v", p.ValueName(f.Value), len(inputs[i]), t.Shape)
		}
	}
	return nil
}
