package plan

import (
	"errors"

	"secc.example/secc/backend/plan/wire"
)

// What steps without fields do: to enter, to reduce, to be revealed.
type (
	entering  struct{}
	reducing  struct{}
	revealing struct{}
)

// Legal checks slots.
func (*entering) Legal(_ *Plan, s *Step) error { return arity(s, 0, 0, 1) }

// Legal checks slots.
func (*revealing) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	return sameElems(p, s, true)
}

// Legal checks slots.
func (*reducing) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	if p.Slots[s.In[0]].Bits <= p.Slots[s.Out[0]].Bits {
		return errors.New("reduces to a ring that is not smaller")
	}
	return sameElems(p, s, false)
}

// Cost of a local map.
func (*entering) Cost(p *Plan, call []*Step) Cost { return costLocal(p, call) }

// Cost of a local map.
func (*reducing) Cost(p *Plan, call []*Step) Cost { return costLocal(p, call) }

// Cost: the server sends its share, packed to the bit.
func (*revealing) Cost(p *Plan, call []*Step) Cost {
	c := costLocal(p, call)
	t := p.Slots[call[0].In[0]]
	c.Flights = []Flight{{ToClient: wire.PackedLen(t.N(), t.Bits)}}
	return c
}

// Text has nothing to add.
func (*entering) Text() string { return "" }

// Merges: never.
func (*entering) Merges(*Plan, *Step, *Step) bool { return false }

// Memory: none of its own.
func (*entering) Memory(*Plan, []*Step) Memory { return Memory{} }

// Text has nothing to add.
func (*reducing) Text() string { return "" }

// Merges: never.
func (*reducing) Merges(*Plan, *Step, *Step) bool { return false }

// Memory: none of its own.
func (*reducing) Memory(*Plan, []*Step) Memory { return Memory{} }

// Text has nothing to add.
func (*revealing) Text() string { return "" }

// Merges: never.
func (*revealing) Merges(*Plan, *Step, *Step) bool { return false }

// Memory: none of its own.
func (*revealing) Memory(*Plan, []*Step) Memory { return Memory{} }
