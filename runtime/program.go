package runtime

import (
	"context"
	"fmt"
	"net"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/transport"
)

// Program is a plan made ready to run: checked, hashed and laid out once for all
// sessions. It is not written to afterwards, so sessions share it.
type Program struct {
	plan   *plan.Plan
	digest plan.Digest
	cost   *plan.Report
	waves  []wave
	last   []int // of every slot the last wave that touches it
	calls  int
	width  int // lanes of the widest wave
	cots   plan.COTs
	keys   wire.LinearKeys
	queues plan.Queues
	memory plan.Memory
	table  map[plan.Proto]Kernel

	// Of prepared inferences.
	inTwo    *Program                 // for sessions that prepare; nil in it
	ahead    *plan.Ahead              // of inTwo, as all that follows
	kept     [2]kept                  // by party
	callOf   map[*plan.Step]int       // of a linear operator
	writer   map[plan.Slot]*plan.Step // the step that writes a slot
	finisher *he.Finisher             // nil: there is nothing under encryption
}

// wave is calls that run side by side.
type wave struct {
	calls   [][]*plan.Step
	cots    []plan.COTs   // what each call takes
	largest int           // the call that takes them as they are made
	compute time.Duration // predicted, of both parties
}

// Prepare checks a plan and makes it ready.
func Prepare(p *plan.Plan) (*Program, error) {
	digest, err := p.Digest() // validates
	if err != nil {
		return nil, err
	}
	g := layOut(p)
	g.digest = digest
	if g.cost, err = p.Cost(); err != nil {
		return nil, err
	}
	if g.keys, err = linearKeys(p); err != nil {
		return nil, err
	}
	g.cots, g.queues, g.memory = p.COTs(), p.Queues(), p.Memory()
	g.inTwo, err = g.prepared()
	return g, err
}

// layOut is what a walk of the plan needs.
func layOut(p *plan.Plan) *Program {
	g := &Program{plan: p, last: make([]int, len(p.Slots)), width: 1, table: kernels()}
	for i, calls := range p.Waves() {
		w := wave{calls: calls, largest: p.Largest(calls)}
		for _, steps := range calls {
			cost := p.CallCost(steps)
			w.cots = append(w.cots, cost.COTs)
			w.compute += computeTime(cost)
			for _, s := range steps {
				for _, list := range [2][]plan.Slot{s.In, s.Out} {
					for _, x := range list {
						g.last[x] = i
					}
				}
			}
		}
		g.waves = append(g.waves, w)
		g.calls += len(calls)
		g.width = max(g.width, len(calls))
	}
	return g
}

// prepared is the program of sessions whose inferences are prepared.
func (g *Program) prepared() (*Program, error) {
	a := g.plan.NewAhead()
	h := layOut(a.Plan)
	h.digest, h.keys, h.ahead = g.digest, g.keys, a
	h.cots, h.queues, h.memory = a.Plan.COTs(), a.Plan.Queues(), g.memory
	h.queues.Early += a.Early
	var err error
	if h.cost, err = g.plan.PreparedCost(1); err != nil {
		return nil, err
	}
	h.writer = map[plan.Slot]*plan.Step{}
	for _, s := range a.Plan.Steps() {
		for _, x := range s.Out {
			h.writer[x] = s
		}
	}
	h.callOf = map[*plan.Step]int{}
	at := 0
	for _, wave := range h.waves {
		for _, call := range wave.calls {
			if call[0].Linear() != nil {
				h.callOf[call[0]] = at
			}
			at++
		}
	}
	if h.keys.N > 0 {
		if h.finisher, err = he.NewFinisher(h.keys); err != nil {
			return nil, err
		}
	}
	return h, h.layRuns()
}

// cotTime is what a correlated OT and the bits it is used for take, in a round figure.
const cotTime = 20 * time.Nanosecond

// computeTime predicts how long the two parties compute for a call, one after the other
// on one core each.
func computeTime(c plan.Cost) time.Duration {
	d := cotTime * time.Duration(c.COTs.ServerSends+c.COTs.ClientSends)
	for u, nanos := range plan.DefaultUnits() {
		d += time.Duration(nanos * (c.Work.Server[u] + c.Work.Client[u]))
	}
	return d
}

// Plan is what was prepared.
func (g *Program) Plan() *plan.Plan { return g.plan }

// Digest is the plan's.
func (g *Program) Digest() plan.Digest { return g.digest }

// Cost is what a session of one inference takes, but for seconds.
func (g *Program) Cost() *plan.Report { return g.cost }

// Compute predicts how long the two parties compute in a run, one after the other on one
// core each.
func (g *Program) Compute() (d time.Duration) {
	for _, w := range g.waves {
		d += w.compute
	}
	return d
}

// Memory bounds what either party holds during one session.
func (g *Program) Memory() plan.Memory { return g.memory }

// MemoryAhead is Memory of a session that prepares so many inferences ahead.
func (g *Program) MemoryAhead(ahead int) plan.Memory {
	if ahead == 0 {
		return g.memory
	}
	return g.inTwo.plan.PreparedMemory(plan.MaxInferences, *g.inTwo.cost.Store, ahead)
}

// Serve runs the server's side of one session and takes over conn. The report
// holds what was measured, all inferences together. Weights may be shared by sessions.
func (g *Program) Serve(ctx context.Context, conn net.Conn, weights Weights, cfg Config) (*plan.Report, error) {
	s := newSession(ctx, conn, transport.Server, g, cfg)
	s.party.Weights = weights
	return s.whole(Inferences{})
}

// Inferences are what a client wants of one session.
type Inferences struct {
	N int // as many as there are

	// Input gives the encoded inputs of one, counted from 0, when its turn comes.
	Input func(i int) ([]Vec, error)
	// Answer takes its outputs, as ring elements, and what it took.
	Answer func(i int, out []Vec, r *plan.Report) error
}

// RunMany runs the client's side of a session of several inferences, one after the other, and
// takes over conn. An error of either function is the session's, which ends. There may be none
// where prepared runs are kept.
func (g *Program) RunMany(ctx context.Context, conn net.Conn, q Inferences, cfg Config) (*plan.Report, error) {
	most := q.N
	if cfg.keeps() {
		most += min(cfg.Keep, maxOffers)
	}
	if q.N < 0 || q.N > plan.MaxInferences || most == 0 || !g.possible(most) {
		conn.Close()
		return nil, fmt.Errorf("%d inferences in one session, limits 1 and %d", q.N, plan.MaxInferences)
	}
	return newSession(ctx, conn, transport.Client, g, cfg).whole(q)
}

// Run is RunMany for one inference.
func (g *Program) Run(ctx context.Context, conn net.Conn, inputs []Vec, cfg Config) (out []Vec, r *plan.Report, err error) {
	if err := checkInputs(g.plan, inputs); err != nil {
		conn.Close()
		return nil, nil, err
	}
	r, err = g.RunMany(ctx, conn, Inferences{
		N:      1,
		Input:  func(int) ([]Vec, error) { return inputs, nil },
		Answer: func(_ int, o []Vec, _ *plan.Report) error { out = o; return nil },
	}, cfg)
	if err != nil {
		return nil, nil, err
	}
	return out, r, nil
}

// Serve is Prepare and Program.Serve, for a single session.
func Serve(ctx context.Context, conn net.Conn, p *plan.Plan, weights Weights, cfg Config) (*plan.Report, error) {
	g, err := Prepare(p)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("serve: %w", err)
	}
	return g.Serve(ctx, conn, weights, cfg)
}

// Run is Prepare and Program.Run, for a single session.
func Run(ctx context.Context, conn net.Conn, p *plan.Plan, inputs []Vec, cfg Config) ([]Vec, *plan.Report, error) {
	g, err := Prepare(p)
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("run: %w", err)
	}
	return g.Run(ctx, conn, inputs, cfg)
}
