package plan

import (
	"errors"
	"fmt"

	"secc.example/secc/backend/plan/wire"
)

// Mul is an elementwise (M == 0) or matrix product of two shared tensors.
type Mul struct {
	Batch, M, K, N int
	Shift          int

	// Over RLWE only, where it is a matrix product:
	Exact bool    `cbor:",omitempty"` // never off by one, as an exact Linear
	Cross []Cross `cbor:",omitempty"` // how both cross terms are encoded: see product.go
}

// Legal checks slots and fields.
func (m *Mul) Legal(p *Plan, s *Step) error {
	if err := arity(s, 2, 2, 1); err != nil {
		return err
	}
	if s.Proto == ProtoMulRLWE {
		return m.legalRLWE(p, s)
	}
	if m.Exact || m.Cross != nil {
		return errors.New("exact, or with cross terms, but not over RLWE")
	}
	return m.checkSlots(p, s)
}

// checkSlots checks that a product fits its factors and its result.
func (m *Mul) checkSlots(p *Plan, s *Step) error {
	a, b, o := p.Slots[s.In[0]], p.Slots[s.In[1]], p.Slots[s.Out[0]]
	if m.Shift < 0 || a.Bits > 62 || a.Bits != b.Bits || a.Bits != o.Bits+m.Shift {
		return fmt.Errorf("rings %d, %d and shift %d into %d", a.Bits, b.Bits, m.Shift, o.Bits)
	}
	if m.M == 0 {
		return sameElems(p, s, false)
	}
	if !product(a.N(), m.Batch, m.M, m.K) || !product(b.N(), m.Batch, m.K, m.N) || !product(o.N(), m.Batch, m.M, m.N) {
		return fmt.Errorf("product %+v does not fit its slots", *m)
	}
	if !bounded(maxProducts, m.Batch, m.M, m.K, m.N) {
		return fmt.Errorf("product %+v: too many terms", *m)
	}
	return nil
}

// Cost of a call.
func (m *Mul) Cost(p *Plan, call []*Step) Cost {
	if m.Cross != nil {
		return m.costRLWE(p, call)
	}
	bits := p.Slots[call[0].In[0]].Bits
	if m.Squares(call[0]) {
		return CostSquare(p.width(call), bits)
	}
	return CostMul(p.width(call), bits, m)
}

// Squares reports whether a step multiplies a tensor with itself, element by element,
// which takes half as much.
func (m *Mul) Squares(s *Step) bool { return m.M == 0 && s.In[0] == s.In[1] }

// CostMul is the elementwise product of n pairs, or a matrix product as that
// of all its pairs; the rounding is local.
func CostMul(n, bits int, m *Mul) Cost {
	if m.M > 0 {
		n = m.Batch * m.M * m.K * m.N
	}
	var c Cost
	for ; n > 0; n -= wire.MulSlab {
		c = c.Add(costTerms(min(n, wire.MulSlab), gilbert(bits, bits), gilbert(bits, bits)))
	}
	return c
}

// CostSquare is the product of n numbers with themselves.
func CostSquare(n, bits int) (c Cost) {
	for ; n > 0; n -= wire.MulSlab {
		c = c.Add(costTerms(min(n, wire.MulSlab), nil, gilbert(bits-1, bits-1)))
	}
	return c
}

// Text shows what an explanation prints.
func (m *Mul) Text() string {
	s := fmt.Sprintf(" (%dx%dx%dx%d >> %d%s", m.Batch, m.M, m.K, m.N, m.Shift, exactly(m.Exact))
	for _, c := range m.Cross {
		s += fmt.Sprintf("; digits of %d, %+v", c.Digit, c.Packing)
	}
	return s + ")"
}

// Merges: never.
func (*Mul) Merges(*Plan, *Step, *Step) bool { return false }

// Memory is that of the cross terms.
func (m *Mul) Memory(p *Plan, call []*Step) (all Memory) {
	for _, l := range p.Encrypted(call[0]) {
		one := l.Memory(p, call)
		all.Server, all.Client = all.Server+one.Server, all.Client+one.Client
	}
	return all
}

func (m *Mul) format(in SlotType, out string) string {
	if m.Shift == 0 {
		return out
	}
	return fmt.Sprintf("i%d >> %d = %s", in.Bits, m.Shift, out) + exactly(m.Exact)
}
