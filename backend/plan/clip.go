package plan

import (
	"fmt"

	"secc.example/secc/backend/plan/wire"
)

// Clip bounds x from both sides.
type Clip struct {
	Sign
	Min, Max int64 // in ulp
}

// Legal checks slots and fields.
func (c *Clip) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	if err := c.check(p.Slots[s.In[0]].Bits); err != nil {
		return err
	}
	if half := int64(1) << (c.Bits - 1); c.Min < -half || c.Max >= half || c.Min > c.Max {
		return fmt.Errorf("clips to [%d, %d]", c.Min, c.Max)
	}
	return sameElems(p, s, true)
}

// Cost of a call.
func (c *Clip) Cost(p *Plan, call []*Step) Cost { return CostClip(p.width(call), c) }

// Bounded says which of a clip's two bounds can be reached by an activation,
// |x| < 2^(Bits-2).
func (c *Clip) Bounded() (below, above bool) {
	top := int64(1) << (c.Bits - 2)
	return c.Min > -top, c.Max < top-1
}

// CostClip compares with each bound that can be reached.
func CostClip(n int, c *Clip) Cost {
	below, above := c.Bounded()
	switch {
	case below && above:
		sign := costAbove(n, c.compared(), c.Tree, []int64{c.Min, c.Max}, c.Lo)
		if c.Tree.Tabled() {
			return costMasked(n, sign, wire.Mask{Widths: []int{c.Bits}}, wire.Mask{Ones: []int{c.Bits}})
		}
		return sign.Add(costTerms(n, []int{c.Bits}, append([]int{c.Bits}, toArith(c.Bits)...)))
	case below || above:
		return CostRelu(n, &Relu{Sign: c.Sign})
	}
	return Cost{}
}

// Text shows what an explanation prints.
func (c *Clip) Text() string { return c.text(fmt.Sprintf(", min %d max %d", c.Min, c.Max)) }

// Merges equal steps.
func (x *Clip) Merges(_ *Plan, _, b *Step) bool { return *x == *b.Attrs.(*Clip) }
