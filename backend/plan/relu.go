package plan

import (
	"errors"
	"fmt"

	"secc.example/secc/backend/plan/wire"
)

// Relu is x*[x >= 0].
type Relu struct {
	Sign
	ExtendTo int  `cbor:",omitempty"` // the result is in Z_2^ExtendTo, wider than Bits; 0: in Z_2^Bits
	Flip     bool `cbor:",omitempty"` // x*[s*x >= 0]; the server flips its share of the bit where W+"/flip" is 1, spread as Spread says
	Spread   Spread
}

// Legal checks slots and fields.
func (a *Relu) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	in, out := p.Slots[s.In[0]], p.Slots[s.Out[0]]
	if err := a.check(in.Bits); err != nil {
		return err
	}
	if a.ExtendTo != 0 && (a.ExtendTo <= a.Bits || a.ExtendTo > 62) {
		return fmt.Errorf("extends to %d bits", a.ExtendTo)
	}
	if out.Bits != max(a.Bits, a.ExtendTo) {
		return fmt.Errorf("output of %d bits, want %d", out.Bits, max(a.Bits, a.ExtendTo))
	}
	switch {
	case !a.Flip && a.Spread != (Spread{}):
		return errors.New("a spread of no signs")
	case a.Flip && s.W == "":
		return errors.New("no weights named")
	case a.Flip:
		if err := a.Spread.check(out.N()); err != nil {
			return err
		}
	}
	return sameElems(p, s, false)
}

// Cost of a call.
func (a *Relu) Cost(p *Plan, call []*Step) Cost { return CostRelu(p.width(call), a) }

// mask is the masked multiplexer, where the operand is known ahead.
func (a *Relu) mask() wire.Mask {
	return wire.Mask{Widths: []int{max(a.Bits, a.ExtendTo)}, By: max(a.ExtendTo-a.Bits, 0), Alone: a.Tree.Labelled}
}

// CostRelu is DReLU and a multiplexer. Where the result is wider, the operand is
// extended beside the comparison, so that the multiplexer's result is wide at once.
func CostRelu(n int, c *Relu) Cost {
	if c.Tree.Labelled {
		return costLabelled(n, c.compared(), c.Tree, c.mask())
	}
	sign, width := costDReLU(n, &c.Sign), c.Bits
	if c.Tree.Tabled() {
		return costMasked(n, sign, c.mask())
	}
	if c.ExtendTo > c.Bits {
		sign = sign.Beside(costTerms(n, nil, []int{c.ExtendTo - c.Bits}))
		width = c.ExtendTo
	}
	return sign.Add(costTerms(n, []int{width}, []int{width}))
}

// Memory is that of the comparison and of labels.
func (a *Relu) Memory(p *Plan, call []*Step) Memory {
	m := a.Sign.Memory(p, call)
	if a.Tree.Labelled {
		m = m.add(a.labelMemory(p.width(call)))
	}
	return m
}

// Text shows what an explanation prints.
func (a *Relu) Text() string {
	if a.ExtendTo != 0 {
		return a.text(fmt.Sprintf(", extend to %d", a.ExtendTo))
	}
	return a.text("")
}

// Merges equal steps.
func (x *Relu) Merges(_ *Plan, _, b *Step) bool { return *x == *b.Attrs.(*Relu) }
