package plan

import (
	"errors"
	"fmt"
)

// PRelu is x*[x >= 0] + slope*x*[x < 0]. W+"/slope" holds slope * 2^SlopeFrac, spread as
// Spread says, -2 < slope <= 2; the result is 2^SlopeFrac times the real one in Z_2^Bits,
// less the bits that Out lacks (stochastic rounding).
type PRelu struct {
	Sign
	SlopeFrac int
	Spread    Spread
}

// Legal checks slots and fields.
func (a *PRelu) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	in, out := p.Slots[s.In[0]], p.Slots[s.Out[0]]
	if err := a.check(in.Bits); err != nil {
		return err
	}
	if a.SlopeFrac < 0 || a.SlopeFrac > 40 || out.Bits > a.Bits || a.Bits < a.SlopeFrac+2 || a.Bits+a.SlopeFrac > 62 {
		return fmt.Errorf("slopes of %d fraction bits, output of %d bits", a.SlopeFrac, out.Bits)
	}
	if s.W == "" {
		return errors.New("no weights named")
	}
	if err := a.Spread.check(out.N()); err != nil {
		return err
	}
	return sameElems(p, s, false)
}

// Cost of a call.
func (a *PRelu) Cost(p *Plan, call []*Step) Cost { return CostPRelu(p.width(call), a) }

// CostPRelu: Relu, and a product with the server's factors of SlopeFrac+2 bits.
func CostPRelu(n int, c *PRelu) Cost {
	return CostRelu(n, &Relu{Sign: c.Sign}).Add(costTerms(n, nil, gilbert(c.SlopeFrac+2, c.Bits)))
}

// Text shows what an explanation prints.
func (a *PRelu) Text() string { return a.text("") }

// Merges: never.
func (*PRelu) Merges(*Plan, *Step, *Step) bool { return false }
