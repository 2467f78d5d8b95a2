package runtime

import (
	"context"
	"fmt"
	"time"

	"secc/backend/plan"
	"secc/runtime/transport"
)

// Progress tells how far a run has come. Next is the call about to start.
type Progress struct {
	Call, Calls int
	Next        *plan.Step // nil when all is done
	Elapsed     time.Duration
}

// measure is what one call took, as this party saw it.
type measure struct {
	sent, received int64
	depth          int // this party's depth after the call
	seconds        float64
}

// walker executes the calls of a plan in order over a table of slots.
type walker struct {
	plan  *plan.Plan
	calls [][]*plan.Step
	slots []Vec
	last  []int              // index of the last call that touches a slot
	keep  map[plan.Slot]bool // outputs
	feed  map[plan.Slot]Vec  // encoded inputs
}

func newWalker(p *plan.Plan, inputs []Vec) *walker {
	w := &walker{plan: p, calls: p.Calls(), slots: make([]Vec, len(p.Slots)), last: make([]int, len(p.Slots)),
		keep: map[plan.Slot]bool{}, feed: map[plan.Slot]Vec{}}
	for i, call := range w.calls {
		for _, s := range call {
			for _, x := range append(s.In[:len(s.In):len(s.In)], s.Out...) {
				w.last[x] = i
			}
		}
	}
	for _, o := range p.Outputs {
		w.keep[o.Slot] = true
	}
	for i, in := range p.Inputs {
		if inputs != nil {
			w.feed[in.Slot] = inputs[i]
		}
	}
	return w
}

// run executes call i with do and stores its results.
func (w *walker) run(i int, do func(*Call) ([]Vec, error)) error {
	steps := w.calls[i]
	c := w.call(steps)
	out, err := do(c)
	if err != nil {
		return fmt.Errorf("call %d (%s %q): %w", i, steps[0].Proto, steps[0].Name, err)
	}
	for j, t := range c.OutTypes {
		if len(out) != len(c.OutTypes) || len(out[j]) != t.N() {
			panic(fmt.Sprintf("BUG: kernel of %s: results do not fit the plan", steps[0].Proto))
		}
	}
	w.store(steps, out)
	w.release(i, steps)
	return nil
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
func (w *walker) store(steps []*plan.Step, out []Vec) {
	for j := range out {
		rest := out[j]
		for _, s := range steps {
			n := w.plan.Slots[s.Out[j]].N()
			w.slots[s.Out[j]], rest = rest[:n:n], rest[n:]
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
	table, w := kernels(), newWalker(p, inputs)
	for i, steps := range w.calls {
		k := table[steps[0].Proto]
		if k.Ideal == nil {
			return nil, fmt.Errorf("protocol %s has no reference", steps[0].Proto)
		}
		err := w.run(i, func(c *Call) ([]Vec, error) {
			out, err := k.Ideal(c, weights)
			if err == nil && see != nil {
				w.show(steps, out, see)
			}
			return out, err
		})
		if err != nil {
			return nil, err
		}
	}
	return w.outputs(), nil
}

func (w *walker) show(steps []*plan.Step, out []Vec, see func(plan.Slot, Vec)) {
	for j := range out {
		rest := out[j]
		for _, s := range steps {
			n := w.plan.Slots[s.Out[j]].N()
			see(s.Out[j], rest[:n])
			rest = rest[n:]
		}
	}
}

// execute walks the plan with the peer. The result is nil at the server.
func execute(ctx context.Context, p *Party, pl *plan.Plan, inputs []Vec, progress func(Progress), see func(plan.Slot, Vec)) ([]Vec, []measure, error) {
	table, w := kernels(), newWalker(pl, inputs)
	start := time.Now()
	var taken []measure
	for i, steps := range w.calls {
		if progress != nil {
			progress(Progress{i, len(w.calls), steps[0], time.Since(start)})
		}
		k := table[steps[0].Proto]
		if k.Run == nil {
			return nil, nil, fmt.Errorf("protocol %s cannot be run by this version", steps[0].Proto)
		}
		t0, s0 := time.Now(), p.Conn.Stats()
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		err := w.run(i, func(c *Call) ([]Vec, error) {
			out, err := k.Run(ctx, p, c)
			if err == nil && see != nil {
				w.show(steps, out, see)
			}
			return out, err
		})
		if err != nil {
			return nil, nil, err
		}
		s1 := p.Conn.Stats()
		taken = append(taken, measure{s1.Sent - s0.Sent, s1.Received - s0.Received, s1.Rounds, time.Since(t0).Seconds()})
	}
	if progress != nil {
		progress(Progress{len(w.calls), len(w.calls), nil, time.Since(start)})
	}
	if p.Role == transport.Server {
		return nil, taken, nil
	}
	return w.outputs(), taken, nil
}

// checkInputs compares encoded inputs with the plan.
func checkInputs(p *plan.Plan, inputs []Vec) error {
	if len(inputs) != len(p.Inputs) {
		return fmt.Errorf("%d inputs, the plan has %d", len(inputs), len(p.Inputs))
	}
	for i, in := range p.Inputs {
		t := p.Slots[in.Slot]
		if len(inputs[i]) != t.N() {
			return fmt.Errorf("input %q: %d elements, the plan has %v", in.Name, len(inputs[i]), in.Shape)
		}
	}
	return nil
}
