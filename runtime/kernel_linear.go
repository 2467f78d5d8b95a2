package runtime

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/transport"
)

// linearKernels binds the encrypted linear operators to package he.
func linearKernels() map[plan.Proto]Kernel {
	return map[plan.Proto]Kernel{
		plan.ProtoLinearRLWE: {Ideal: idealLinear, Slack: slackLinear, Run: runEncrypted},
		plan.ProtoMulRLWE:    {Ideal: idealMul, Slack: slackMulRLWE, Run: runEncrypted},
	}
}

// slackLinear: the noise is at most 1/2 and the two roundings are within 1/2
// each (plan.MaxNoise), so that a result is within 1 of the nearest integer.
func slackLinear(s *plan.Step) uint64 {
	if s.Linear().Exact {
		return 0
	}
	return 1
}

// linearKeys is what a session must set up for the plan's linear steps; the
// degree is 0 when it has none.
func linearKeys(p *plan.Plan) (wire.LinearKeys, error) {
	k, err := p.LinearKeys()
	return wire.LinearKeys{N: k.N, Modulus: k.Modulus, Secrets: k.Secrets, Levels: k.Levels}, err
}

// linearEngine is one party's keys, and the turns of the call that is about to run.
type linearEngine struct {
	server *he.Server
	client *he.Client
	turns  []*he.Turn
}

// next is the engine for the next call, of so many operators.
func (e *linearEngine) next(operators int) *linearEngine {
	n := &linearEngine{server: e.server, client: e.client}
	for range operators {
		if e.server != nil {
			n.turns = append(n.turns, e.server.Turn())
		} else {
			n.turns = append(n.turns, e.client.Turn())
		}
	}
	return n
}

// newLinearEngine runs the set-up of the linear steps.
func newLinearEngine(ctx context.Context, p *Party, conn transport.Conn, spec wire.LinearKeys) (*linearEngine, error) {
	var e linearEngine
	var err error
	if p.Role == transport.Server {
		e.server, err = he.NewServer(ctx, conn, spec, p.Rand)
	} else {
		e.client, err = he.NewClient(ctx, conn, spec, p.Rand)
	}
	return &e, err
}

func runEncrypted(ctx context.Context, p *Party, c *Call) ([]Vec, error) {
	return runEncryptedBy(ctx, p, c, p.crossing())
}

// runEncryptedBy truncates exact operators with the given party.
func runEncryptedBy(ctx context.Context, p *Party, c *Call, truncate *nonlinear.Party) ([]Vec, error) {
	recording := p.Tape != nil && p.Made == nil // then only what follows the product matters
	if c.Linear() != nil {
		if recording || p.Made != nil {
			return runLinearAhead(ctx, p, c)
		}
		y, err := runLinear(ctx, p, c)
		if err != nil {
			return nil, err
		}
		return one(finishLinear(ctx, truncate, c.Step, y))
	}
	y := c.Out()[0]
	if !recording {
		var err error
		if y, err = runProduct(ctx, p, c); err != nil {
			return nil, err
		}
	}
	m := c.Attrs.(*plan.Mul)
	if !m.Exact {
		return one(y, nil)
	}
	t := m.Truncation(c.InTypes[0].Bits)
	return one(truncate.TruncateExact(ctx, y, t.From, t.Shift, t.To, tree(t.Leaf)))
}

// runLinearAhead is an operator whose product was prepared or, without one, what follows the
// product, of which only the correlated OTs matter.
func runLinearAhead(ctx context.Context, p *Party, c *Call) ([]Vec, error) {
	var y Vec
	if p.Made == nil {
		y = p.Memory.Words(c.Linear().NumOut())
	} else {
		var err error
		if y, err = p.Made.product(p, c); err != nil {
			return nil, err
		}
	}
	return one(finishLinear(ctx, p.crossing(), c.Step, y))
}

// finishLinear makes the result of the product.
func finishLinear(ctx context.Context, p *nonlinear.Party, s *plan.Step, y Vec) (Vec, error) {
	l := s.Linear()
	if s.Proto == plan.ProtoLinearRLWE {
		if !l.Exact {
			return y, nil
		}
		t := l.Truncation()
		return p.TruncateExact(ctx, y, t.From, t.Shift, t.To, tree(t.Leaf))
	}
	t := l.OTTruncation()
	switch {
	case t == nil:
		return y, nil
	case t.Exact:
		return p.TruncateExact(ctx, y, t.From, t.Shift, t.To, tree(t.Leaf))
	}
	return p.TruncateStochastic(ctx, y, t.From, t.Shift, t.To)
}

func runLinear(ctx context.Context, p *Party, c *Call) (Vec, error) {
	op, err := LinearOp(c.Linear())
	if err != nil {
		return nil, err
	}
	t := he.Term{Op: op, Turn: p.Linear.turns[0], In: c.In[0]}
	if p.Role == transport.Server {
		if t.Weights, t.Bias, err = linearWeights(p.Weights, c, p.Memory); err != nil {
			return nil, err
		}
	}
	return p.Linear.sum(ctx, p, []he.Term{t}, nil)
}

func (e *linearEngine) sum(ctx context.Context, p *Party, terms []he.Term, own Vec) (Vec, error) {
	if p.Role == transport.Client {
		return e.client.Sum(ctx, p.Conn, terms, own, p.Threads)
	}
	return e.server.Sum(ctx, p.Conn, terms, own, p.Threads)
}

// LinearOp is a plan's operator in the engine's words.
func LinearOp(l *plan.Linear) (*he.Op, error) {
	y, err := l.NewLayout()
	if err != nil {
		return nil, err
	}
	y.Prepare()
	return operatorOf(l, y), nil
}

// operatorOf is an operator with an index map of its own.
func operatorOf(l *plan.Linear, y he.Map) *he.Op {
	k := l.Packing
	op := &he.Op{
		Map: y, NumIn: l.NumIn(), NumOut: l.NumOut(), InBits: l.InBits, OutBits: l.EngineBits(), FilterLen: l.FilterLen(),
		Keys: k.Keys, Low: k.Low, Merge: k.Merge, Digits: k.Digits,
		UploadBits: k.UploadBits, C0Bits: k.C0Bits, C1Bits: k.C1Bits, ClientInput: l.ClientInput,
	}
	if l.Exact && l.Shift > 0 {
		op.Offset = 1 << (plan.ExactGuard - 1) // makes the error positive; without a shift the truncation's own rounding does
	}
	return op
}

func linearWeights(w Weights, c *Call, m *nonlinear.Memory) (weights, bias []int64, err error) {
	if weights, err = ints(w, c.W+"/w", c.Linear().NumWeights(), m); err != nil {
		return nil, nil, err
	}
	if bias, err = w.Ints(c.W+"/b", c.Linear().COut); err != nil {
		return nil, nil, err
	}
	return weights, bias, nil
}

// ints reads a tensor into a call's memory, where there is one and the weights can be read so.
func ints(w Weights, name string, n int, m *nonlinear.Memory) ([]int64, error) {
	from, ok := w.(interface {
		IntsInto(out []int64, name string) error
	})
	if !ok || m == nil {
		return w.Ints(name, n)
	}
	out := m.Ints(n)
	return out, from.IntsInto(out, name)
}

// idealLinear is the operator on cleartext, rounding halves up.
func idealLinear(c *Call, w Weights) ([]Vec, error) {
	weights, bias, err := linearWeights(w, c, nil)
	if err != nil {
		return nil, err
	}
	l := c.Linear()
	out := c.Out()
	if len(c.In[0]) != l.NumIn() || len(out[0]) != l.NumOut() {
		return nil, fmt.Errorf("linear: %d inputs and %d outputs, want %d and %d", len(c.In[0]), len(out[0]), l.NumIn(), l.NumOut())
	}
	m := mask(l.OutBits)
	plane := l.OH * l.OW
	for i := range out[0] {
		b, o := i/(plane*l.COut), i/plane%l.COut
		acc := uint64(bias[o]) + window(l, c.In[0][b*l.CIn*l.H*l.W:], weights[o*l.FilterLen():], o, i%plane/l.OW, i%l.OW)
		if l.Shift > 0 {
			acc = uint64(Signed(acc+1<<(l.Shift-1), l.InBits) >> l.Shift)
		}
		out[0][i] = acc & m
	}
	return out, nil
}

// window is the inner product of one filter with what lies under it.
func window(l *plan.Linear, in Vec, w []int64, o, y, x int) (acc uint64) {
	per := l.CIn / l.G
	group := o / (l.COut / l.G)
	for c := range per {
		plane := in[(group*per+c)*l.H*l.W:]
		for i := range l.KH {
			r := y*l.SH + i*l.DH - l.PT
			if r < 0 || r >= l.H {
				continue
			}
			for j := range l.KW {
				q := x*l.SW + j*l.DW - l.PL
				if q >= 0 && q < l.W {
					acc += uint64(w[(c*l.KH+i)*l.KW+j]) * plane[r*l.W+q]
				}
			}
		}
	}
	return acc
}
