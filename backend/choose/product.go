package choose

import (
	"errors"
	"fmt"
	"math"

	"secc.example/secc/backend/plan"
)

// A product over RLWE may take so many times the seconds that it takes over OT where it
// sends less than half: seconds decide, but who pays for traffic or shares a line
// should not be surprised.
const productPatience = 3

// Product cuts and encodes a product of two shared matrices over RLWE, and says how
// many seconds it saves beside the same product over OT. No cross terms: it is better over OT,
// or there is no room for its noise. With square, over OT it would be squares and their sums.
func (p Profile) Product(m plan.Mul, bits int, square bool) (cross []plan.Cross, saves float64, err error) {
	elems := m.Batch * m.M * m.N
	ot := plan.CostMul(0, bits, &plan.Mul{Batch: m.Batch, M: m.M, K: m.K, N: m.N})
	if square {
		ot = plan.CostSquare(m.Batch*m.K, bits)
	}
	if m.Exact && m.Shift > 0 {
		ot = ot.Add(plan.CostTruncate(elems, &plan.Truncate{From: bits, Shift: m.Shift, To: bits - m.Shift, Exact: true}))
	}
	rlwe, err := Search{Profile: p}.digits(&m, bits)
	if errors.Is(err, errNoRoom) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if m.Exact {
		rlwe = rlwe.Add(plan.CostTruncate(elems, m.Truncation(bits)))
	}
	over, under := p.Seconds(ot)+p.makeCOTs(ot.COTs), p.Seconds(rlwe)+p.makeCOTs(rlwe.COTs)
	if under >= over && (under > productPatience*over || 2*sentBy(rlwe) > sentBy(ot)) {
		return nil, 0, nil
	}
	return m.Cross, over - under, nil
}

// sentBy is the bytes of a cost, with a bit for each correlated OT.
func sentBy(c plan.Cost) int64 {
	return c.ToServer() + c.ToClient() + (c.COTs.ServerSends+c.COTs.ClientSends)/8
}

// Products chooses digits and encodings of products over RLWE that share a session.
func (s Search) Products(bits int, ms ...*plan.Mul) error {
	var terms []*plan.Linear
	var of []*plan.Cross
	for _, m := range ms {
		if _, err := s.digits(m, bits); err != nil {
			return fmt.Errorf("product %+v: %w", *m, err)
		}
		for t := range m.Cross {
			of, terms = append(of, &m.Cross[t]), append(terms, m.CrossTerm(t, bits))
		}
	}
	if err := s.Packings(terms); err != nil {
		return err
	}
	for i, l := range terms {
		of[i].Packing = l.Packing
	}
	return nil
}

// errNoRoom: no cut into digits leaves room for the noise.
var errNoRoom = errors.New("no room for the noise")

// digits cuts the server's share in both cross terms, and says what they take.
func (s Search) digits(m *plan.Mul, bits int) (both plan.Cost, err error) {
	m.Cross = make([]plan.Cross, plan.Crosses)
	for t := range m.Cross {
		cost, err := s.digitsOf(m, t, bits)
		if err != nil {
			return both, err
		}
		both = both.Beside(cost)
	}
	return both, nil
}

// digitsOf cuts the server's share in cross term t into the digits that take the fewest
// seconds: many are small, so that uploads need few bits, but there are as many uploads.
func (s Search) digitsOf(m *plan.Mul, t, bits int) (best plan.Cost, err error) {
	least, found := math.Inf(1), plan.Cross{}
	for n := 1; n <= plan.MostCuts; n++ {
		c := plan.Cross{Digit: (bits + n - 1) / n}
		if c.Digit > plan.MostDigitBits || c.Digits(bits) != n {
			continue
		}
		m.Cross[t] = c
		l := m.CrossTerm(t, bits)
		if s.Packing(l) != nil {
			continue // no room
		}
		cost := l.EngineCost()
		seconds := s.Seconds(cost)
		if seconds >= least {
			break // more digits only make it worse
		}
		c.Packing = l.Packing
		least, best, found = seconds, cost, c
	}
	if found.Digit == 0 {
		return best, errNoRoom
	}
	m.Cross[t] = found
	return best, nil
}
