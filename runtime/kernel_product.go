package runtime

import (
	"context"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/transport"
)

// slackMulRLWE: as slackLinear.
func slackMulRLWE(s *plan.Step) uint64 {
	if s.Attrs.(*plan.Mul).Exact {
		return 0
	}
	return 1
}

// runProduct multiplies shared matrices over RLWE: X*Y is both parties' own
// products, which they make alone, and two cross terms, each a linear operator on the
// client's share whose weights are the digits of the server's.
func runProduct(ctx context.Context, p *Party, c *Call) (Vec, error) {
	bits := c.InTypes[0].Bits
	m := c.Attrs.(*plan.Mul)
	terms, err := ProductTerms(m, bits, p.Role, c.In[0], c.In[1])
	if err != nil {
		return nil, err
	}
	for t := range terms {
		terms[t].Turn = p.Linear.turns[t]
	}
	return p.Linear.sum(ctx, p, terms, OwnProduct(m, c.In[0], c.In[1]))
}

// ProductTerms is a product's cross terms in the engine's words, with what a party
// brings to them but for their turns.
func ProductTerms(m *plan.Mul, bits int, role transport.Role, x, y Vec) ([]he.Term, error) {
	shares := [2]Vec{x, y}
	terms := make([]he.Term, len(m.Cross))
	for t := range terms {
		layout, err := m.NewCrossLayout(t, bits)
		if err != nil {
			return nil, err
		}
		layout.Prepare()
		l := m.CrossTerm(t, bits)
		terms[t].Op = operatorOf(l, layout)
		if role == transport.Client {
			terms[t].In = m.CrossInput(t, bits, shares[t])
		} else {
			terms[t].In = make(Vec, l.NumIn()) // the input is the client's
			terms[t].Weights = m.CrossWeights(t, bits, shares[1-t])
		}
	}
	return terms, nil
}

// OwnProduct multiplies a party's shares of both factors with each other. The
// ring's bits alone count.
func OwnProduct(m *plan.Mul, x, y Vec) Vec {
	out := make(Vec, m.Batch*m.M*m.N)
	for row := range m.Batch * m.M {
		to, b := out[row*m.N:(row+1)*m.N], row/m.M
		for k, v := range x[row*m.K : (row+1)*m.K] {
			for j, w := range y[(b*m.K+k)*m.N:][:m.N] {
				to[j] += v * w
			}
		}
	}
	return out
}
