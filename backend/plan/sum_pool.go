package plan

import "errors"

// A Pool is also what a step of windowed sums says.

// Legal checks slots and fields.
func (w *Pool) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	if p.Slots[s.In[0]].Bits != p.Slots[s.Out[0]].Bits {
		return errors.New("input and output rings differ")
	}
	return w.check(p.Slots[s.In[0]].N(), p.Slots[s.Out[0]].N())
}

// Cost of a local map.
func (*Pool) Cost(p *Plan, call []*Step) Cost { return costLocal(p, call) }

// Text shows what an explanation prints.
func (w *Pool) Text() string { return w.text() }

// Merges: never.
func (*Pool) Merges(*Plan, *Step, *Step) bool { return false }

// Memory: none of its own.
func (*Pool) Memory(*Plan, []*Step) Memory { return Memory{} }
