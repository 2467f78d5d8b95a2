package plan

import "fmt"

// Extend widens a ring. NonNeg promises 0 <= x < 2^(k-1); otherwise |x| < 2^(k-2)
// and the offset form is used, unless Any.
type Extend struct {
	From, To int
	NonNeg   bool `cbor:",omitempty"`
	Any      bool `cbor:",omitempty"` // no promise at all: costs a comparison of From bits
	Leaf     int  `cbor:",omitempty"` // its leaf radix; 0 means 2
}

// Legal checks slots and fields.
func (e *Extend) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	if e.Leaf < 0 || e.Leaf > 4 || e.Any && e.NonNeg {
		return fmt.Errorf("leaves of %d bits (any %v, non-negative %v)", e.Leaf, e.Any, e.NonNeg)
	}
	if e.From != p.Slots[s.In[0]].Bits || e.To != p.Slots[s.Out[0]].Bits || e.From >= e.To || e.From < 3 {
		return fmt.Errorf("extends %d to %d bits", e.From, e.To)
	}
	return sameElems(p, s, false)
}

// Cost of a call.
func (e *Extend) Cost(p *Plan, call []*Step) Cost { return CostExtend(p.width(call), e) }

// CostExtend: both forms of it cost the same; Any is a comparison more.
func CostExtend(n int, e *Extend) Cost {
	if e.Any {
		return costCarry(n, e.From, LeafOf(e.Leaf)).Add(costTerms(n, nil, toArith(e.To-e.From)))
	}
	return costTerms(n, nil, []int{e.To - e.From})
}

// Text shows what an explanation prints.
func (e *Extend) Text() string {
	if e.NonNeg {
		return " (non-negative)"
	}
	return ""
}

func (e *Extend) format(_ SlotType, out string) string { return fmt.Sprintf("i%d -> %s", e.From, out) }

// Merges equal steps.
func (x *Extend) Merges(_ *Plan, _, b *Step) bool { return *x == *b.Attrs.(*Extend) }

// Memory: none of its own.
func (*Extend) Memory(*Plan, []*Step) Memory { return Memory{} }
