package plan

import "fmt"

// Truncate divides by 2^Shift with rounding; Bits in, Bits-Shift (or more) out.
type Truncate struct {
	From, Shift, To int
	Exact           bool `cbor:",omitempty"` // faithful: one comparison of the low bits
	Leaf            int  `cbor:",omitempty"` // exact: leaf radix of the comparison; 0 means 2
}

// Legal checks slots and fields.
func (t *Truncate) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	if t.Leaf < 0 || t.Leaf > 4 {
		return fmt.Errorf("leaves of %d bits", t.Leaf)
	}
	if t.From != p.Slots[s.In[0]].Bits || t.To != p.Slots[s.Out[0]].Bits || t.Shift < 1 || t.Shift >= t.From || t.To > t.From {
		return fmt.Errorf("truncates %d bits by %d to %d", t.From, t.Shift, t.To)
	}
	return sameElems(p, s, false)
}

// Cost of a call.
func (t *Truncate) Cost(p *Plan, call []*Step) Cost { return CostTruncate(p.width(call), t) }

// CostTruncate: stochastic and narrow enough, it is local.
func CostTruncate(n int, t *Truncate) Cost {
	var widths []int
	if t.Exact {
		widths = toArith(t.To)
	}
	if more := t.To - (t.From - t.Shift); more > 0 {
		widths = append(widths, more)
	}
	var c Cost
	if t.Exact {
		c = costCarry(n, t.Shift, LeafOf(t.Leaf))
	}
	c = c.Add(costTerms(n, nil, widths))
	if len(widths) == 0 {
		c = c.withWork(UnitMux, n)
	}
	return c
}

// Text shows what an explanation prints.
func (t *Truncate) Text() string { return fmt.Sprintf(" (>> %d%s)", t.Shift, exactly(t.Exact)) }

func (t *Truncate) format(_ SlotType, out string) string {
	return fmt.Sprintf("i%d >> %d = %s", t.From, t.Shift, out) + exactly(t.Exact)
}

// Merges equal steps.
func (x *Truncate) Merges(_ *Plan, _, b *Step) bool { return *x == *b.Attrs.(*Truncate) }

// Memory: none of its own.
func (*Truncate) Memory(*Plan, []*Step) Memory { return Memory{} }
