package plan

import (
	"errors"
	"fmt"
	"math"
)

// Cross is how one cross term of a product of two shared matrices X*Y is computed
// over RLWE: the client's share of one factor, encrypted, times the server's share of the
// other, which takes the place of weights. Shares have all the bits of the ring,
// more than noise leaves room for, so the server's is cut into balanced digits of
// Digit bits; the client encrypts its share once a digit, shifted to the digit's place.
// So a cross term is a pointwise linear operator, a group a matrix of the batch,
// with as many channels a term of the inner product as there are digits.
type Cross struct {
	Digit   int // bits of a digit
	Packing Packing
}

// Numbers of a Cross that a plan may hold.
const (
	Crosses       = 2  // cross terms: X_C*Y_S and X_S*Y_C
	MostDigitBits = 31 // a balanced digit is a weight
	MostCuts      = 8  // digits of a share
)

// Digits is how many digits a share of so many bits has.
func (c Cross) Digits(bits int) int { return ceilDiv(bits, c.Digit) }

// DigitBits is the width of digit j of a share: the top one is what is left.
func (c Cross) DigitBits(bits, j int) int { return min(c.Digit, bits-j*c.Digit) }

// CrossTerm describes cross term t in a ring: [0] is the client's share of the
// first factor times the server's of the second, row by row of the result; [1] the
// client's share of the second times the server's of the first, column by column.
//
// Channel (b*Digits + j)*K + k of row r is element k of row (or column) r of matrix b,
// times 2^(j*Digit); filter b*F + f is column (or row) f of matrix b.
func (m *Mul) CrossTerm(t, bits int) *Linear {
	c := m.Cross[t]
	rows, filters := m.crossSize(t)
	l := &Linear{
		Batch: rows, G: m.Batch, CIn: m.Batch * m.K * c.Digits(bits), COut: m.Batch * filters,
		InBits: bits, Shift: m.Shift, OutBits: bits - m.Shift, Exact: m.Exact,
		ClientInput: true, Addends: Crosses, NormLog2: c.normLog2(m.K, bits), Packing: c.Packing,
	}
	l.H, l.W, l.OH, l.OW, l.KH, l.KW, l.SH, l.SW, l.DH, l.DW = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
	return l
}

// crossSize gives the rows of a cross term and the filters of each group.
func (m *Mul) crossSize(t int) (rows, filters int) {
	if t == 0 {
		return m.M, m.N
	}
	return m.N, m.M
}

// normLog2 bounds the norm of k elements' digits at their worst: a share is uniform,
// so no less would hold for all.
func (c Cross) normLog2(k, bits int) int {
	sum := 0.0
	for j := range c.Digits(bits) {
		sum += float64(k) * math.Exp2(float64(2*(c.DigitBits(bits, j)-1)))
	}
	return int(math.Ceil(math.Log2(sum) / 2))
}

// CrossLayout is the index map of a cross term of a product: that of its linear
// operator, with the product's elements as outputs.
type CrossLayout struct {
	*Layout
	of   *Mul
	term int
}

// NewCrossLayout makes the index map of a valid product's cross term.
func (m *Mul) NewCrossLayout(t, bits int) (*CrossLayout, error) {
	y, err := m.CrossTerm(t, bits).NewLayout()
	return &CrossLayout{y, m, t}, err
}

// Response lists useful coefficients and the product's elements that they are.
func (y *CrossLayout) Response(t, r int, coef, elem []int32) ([]int32, []int32) {
	coef, elem = y.Layout.Response(t, r, coef, elem)
	for i, e := range elem {
		elem[i] = int32(y.of.crossElem(y.term, int(e)))
	}
	return coef, elem
}

// crossElem says which element of the result element e of a cross term is.
func (m *Mul) crossElem(t, e int) int {
	_, filters := m.crossSize(t)
	row, b, f := e/(m.Batch*filters), e/filters%m.Batch, e%filters
	if t == 1 {
		row, f = f, row
	}
	return (b*m.M+row)*m.N + f
}

// CrossInput gives the client's input of a cross term: its share of the factor,
// element by element as CrossTerm lays it out, times its digits' places. bits is the ring.
func (m *Mul) CrossInput(t, bits int, share []uint64) []uint64 {
	c := m.Cross[t]
	rows, _ := m.crossSize(t)
	ring := ^uint64(0) >> (64 - bits)
	x := make([]uint64, 0, rows*m.Batch*m.K*c.Digits(bits))
	for r := range rows {
		for b := range m.Batch {
			for j := range c.Digits(bits) {
				for k := range m.K {
					x = append(x, share[m.factorElem(t, b, r, k)]<<(j*c.Digit)&ring)
				}
			}
		}
	}
	return x
}

// CrossWeights gives the server's weights of a cross term: the digits of its share
// of the other factor. Nothing depends on them but their values.
func (m *Mul) CrossWeights(t, bits int, share []uint64) []int64 {
	c := m.Cross[t]
	_, filters := m.crossSize(t)
	n := c.Digits(bits)
	w := make([]int64, m.Batch*filters*n*m.K)
	for b := range m.Batch {
		for f := range filters {
			filter := w[(b*filters+f)*n*m.K:]
			for k := range m.K {
				rest := share[m.factorElem(1-t, b, f, k)]
				for j := range n {
					width := c.DigitBits(bits, j)
					half := uint64(1) << (width - 1)
					d := (rest+half)&(2*half-1) - half
					filter[j*m.K+k] = int64(d)
					rest = (rest - d) >> width
				}
			}
		}
	}
	return w
}

// factorElem is where element k of row r of the first factor (t = 0), or of column
// r of the second, of matrix b stands.
func (m *Mul) factorElem(t, b, r, k int) int {
	if t == 0 {
		return (b*m.M+r)*m.K + k
	}
	return (b*m.K+k)*m.N + r
}

// Truncation is the step inside an exact product over RLWE.
func (m *Mul) Truncation(bits int) *Truncate {
	return (&Linear{InBits: bits, Shift: m.Shift, OutBits: bits - m.Shift, Exact: true}).Truncation()
}

// Encrypted lists the linear operators under encryption that a step consists of.
func (p *Plan) Encrypted(s *Step) []*Linear {
	switch s.Proto {
	case ProtoLinearRLWE:
		return []*Linear{s.Attrs.(*Linear)}
	case ProtoMulRLWE:
		var ls []*Linear
		m := s.Attrs.(*Mul)
		for t := range m.Cross {
			ls = append(ls, m.CrossTerm(t, p.Slots[s.In[0]].Bits))
		}
		return ls
	}
	return nil
}

func (m *Mul) legalRLWE(p *Plan, s *Step) error {
	if err := m.checkSlots(p, s); err != nil {
		return err
	}
	if m.M == 0 || len(m.Cross) != Crosses {
		return fmt.Errorf("a product of matrices with %d cross terms", len(m.Cross))
	}
	bits := p.Slots[s.In[0]].Bits
	for t, c := range m.Cross {
		if c.Digit < 1 || c.Digit > MostDigitBits || c.Digits(bits) > MostCuts {
			return fmt.Errorf("digits of %d bits of a share of %d", c.Digit, bits)
		}
		if err := m.CrossTerm(t, bits).Validate(); err != nil {
			return fmt.Errorf("cross term %d: %w", t, err)
		}
	}
	if m.Cross[0].Packing.N != m.Cross[1].Packing.N {
		return errors.New("cross terms of different degrees")
	}
	return nil
}

// costRLWE: the uploads of both cross terms, then the responses of both, and the
// truncation if the product is exact.
func (m *Mul) costRLWE(p *Plan, call []*Step) Cost {
	s := call[0]
	var c Cost
	elems := float64(p.Slots[s.Out[0]].N()) * float64(m.K) / 2 // each party's own product
	for _, l := range p.Encrypted(s) {
		c = c.Beside(p.linear(l).engine)
		elems += float64(l.NumIn()) // shifts, digits
	}
	c.Work.Server[UnitElem] += elems
	c.Work.Client[UnitElem] += elems
	if m.Exact {
		c = c.Add(CostTruncate(p.Slots[s.Out[0]].N(), m.Truncation(p.Slots[s.In[0]].Bits)))
	}
	return c
}
