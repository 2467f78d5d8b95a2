package runtime

import (
	"crypto/sha256"
	"fmt"
	"io"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/mpc/nonlinear"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// A prepared run is a stream of bytes to whoever keeps it. Its parts and their lengths follow
// from the plan alone, in the order in which a party comes to know them:
//
//	client  seed of its masks | shares of products, group by group | tapes, call by call | early messages, call by call
//	server  seeds of masks, over OT shares, group by group | tape and early messages, call by call
//
// Nothing in it says what it is. That stands in the binding (store.Binding).

// part is a place in a kept run.
type part struct{ at, size int64 }

// keeps is what is kept of a call.
type keeps struct {
	share part  // of a linear operator's product; over RLWE, at the server, the seed of its masks
	tape  part  // of what the call takes of correlated OTs
	early part  // the peer's messages that waited for nothing
	sent  int64 // bytes of such messages that this party sends
}

// takes says whether the call takes correlated OTs.
func (k *keeps) takes() bool { return k.tape.size+k.early.size+k.sent > 0 }

// kept is how one party's runs are laid out.
type kept struct {
	calls []keeps
	size  int64
}

func (k *kept) place(size int64) part {
	p := part{k.size, size}
	k.size += size
	return p
}

// layRuns lays out what both parties keep of a run.
func (g *Program) layRuns() error {
	for _, role := range [2]transport.Role{transport.Server, transport.Client} {
		k := kept{calls: make([]keeps, g.calls)}
		of := func(m plan.Memory) int64 {
			if role == transport.Client {
				return m.Client
			}
			return m.Server
		}
		if role == transport.Client {
			k.place(SeedSize)
		}
		for _, group := range g.ahead.Groups {
			for _, s := range group.Calls {
				k.calls[g.callOf[s]].share = k.place(of(g.ahead.Shares(s)))
			}
		}
		early := make([]int64, g.calls)
		for i, op := range g.cost.Operators {
			sent := op.Cost.Early.ToClient
			if early[i] = op.Cost.Early.ToServer; role == transport.Client {
				sent, early[i] = early[i], sent
			}
			k.calls[i].sent = sent
			k.calls[i].tape = k.place(of(op.Cost.Kept) - early[i])
			if role == transport.Server {
				k.calls[i].early = k.place(early[i])
			}
		}
		if role == transport.Client {
			for i := range k.calls {
				k.calls[i].early = k.place(early[i])
			}
		}
		if k.size != of(*g.cost.Store) {
			return fmt.Errorf("BUG: a prepared run has %d bytes at the %v, the plan says %d", k.size, role, of(*g.cost.Store))
		}
		g.kept[role] = k
	}
	return nil
}

// made is one party's part of a prepared run that is used. It gives the part of every call once.
type made struct {
	run   *store.Run
	kept  *kept
	seed  poly.Seed // client: of its masks
	taken []bool
}

// madeCall is the part of one call.
type madeCall struct{ share, tape, early []byte }

// newMade begins to use a run that the parties have agreed on.
func newMade(run *store.Run, k *kept, role transport.Role) (*made, error) {
	if run.Size() != k.size {
		return nil, fmt.Errorf("a prepared run of %d bytes, the plan says %d: it was made by another version of this program", run.Size(), k.size)
	}
	m := &made{run: run, kept: k, taken: make([]bool, len(k.calls))}
	if role == transport.Client {
		if _, err := io.ReadFull(io.NewSectionReader(run, 0, SeedSize), m.seed[:]); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// take hands a call's part out.
func (m *made) take(call int) (c madeCall, err error) {
	if m.taken[call] {
		panic("BUG: what was prepared of a call is taken twice")
	}
	m.taken[call] = true
	k := &m.kept.calls[call]
	for _, p := range []struct {
		part
		to *[]byte
	}{{k.share, &c.share}, {k.tape, &c.tape}, {k.early, &c.early}} {
		if p.size == 0 {
			continue
		}
		var err error
		if *p.to, err = m.run.Bytes(p.at, p.size); err != nil {
			return madeCall{}, fmt.Errorf("a prepared run: %w", err)
		}
	}
	return c, nil
}

// drawn is the client's share of a slot that is drawn, of a run with such a seed.
func drawn(p *plan.Plan, seed poly.Seed, x plan.Slot, m *nonlinear.Memory) Vec {
	r := m.Dirty(p.Slots[x].N())
	poly.NewSampler(seed).Words(r, uint64(x))
	ring.Reduce(r, p.Slots[x].Bits)
	return r
}

// product is this party's share of a linear operator's product, of which the server makes what
// the preparation left open: its own share times the weights, in the clear.
func (m *madeCall) product(p *Party, c *Call) (Vec, error) {
	l := c.Linear()
	var acc Vec
	if p.Role == transport.Server {
		w, b, err := linearWeights(p.Weights, c, p.Memory)
		if err != nil {
			return nil, err
		}
		if acc, err = accumulate(l, c.In[0], w, b, p); err != nil {
			return nil, err
		}
		if c.Proto != plan.ProtoLinearOT {
			op, err := LinearOp(l)
			if err != nil {
				return nil, err
			}
			return p.Finish.Finish(&he.Mask{Seed: poly.Seed(m.share)}, op, acc), nil
		}
	}
	y, err := unpackShare(c.Step, m.share, nil)
	if err != nil {
		return nil, err
	}
	for i, v := range acc {
		y[i] = (y[i] + v) & mask(l.InBits)
	}
	return y, nil
}

// shareBits is the ring of what is kept of a linear operator's product.
func shareBits(s *plan.Step) int {
	if s.Proto == plan.ProtoLinearOT {
		return s.Linear().InBits
	}
	return s.Linear().EngineBits()
}

func unpackShare(s *plan.Step, kept []byte, m *nonlinear.Memory) (Vec, error) {
	y := m.Dirty(s.Linear().NumOut())
	return y, ring.Unpack(y, kept, shareBits(s))
}

// weightsOf names weights, so that what was prepared with some is not used with others; nothing
// if they have no name.
func weightsOf(w Weights) (sum [sha256.Size]byte) {
	if named, ok := w.(interface{ Checksum() string }); ok {
		sum = sha256.Sum256([]byte(named.Checksum()))
	}
	return sum
}
