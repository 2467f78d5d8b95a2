package runtime

import (
	"slices"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/transport"
)

// sideStats are the channels beside the walk: keys, both directions of correlated OTs, and
// what was prepared.
type sideStats [4]transport.Stats

func (s *session) sideStats() *sideStats {
	var keys transport.Stats
	if s.took != nil {
		keys = *s.took
	}
	return &sideStats{keys, s.mux.Channel(chanServer).Stats(), s.mux.Channel(chanClient).Stats(), s.mux.Channel(chanPrepare).Stats()}
}

// depths lists all depths, in the same order at both parties.
func (m *sideStats) depths() (d []*int) {
	for i := range m {
		d = append(d, &m[i].Rounds)
	}
	return d
}

// depthsOf are those of a walk.
func depthsOf(calls []measure) (d []*int) {
	for i := range calls {
		d = append(d, &calls[i].depth)
	}
	return d
}

// tally adds up what the inferences of a session take.
type tally struct {
	*session
	all   *plan.Report
	depth int // of the walk, so far
}

// count is the session's tally. By its first use it is known how inferences are made.
func (s *session) count() *tally {
	if s.tally == nil {
		s.tally = &tally{session: s, all: s.blank()}
	}
	return s.tally
}

// blank is the plan's cost table without figures.
func (s *session) blank() *plan.Report {
	r := new(plan.Report)
	*r = *s.cost
	r.Operators = slices.Clone(r.Operators)
	for i := range r.Operators {
		op := &r.Operators[i]
		op.ClientToServer, op.ServerToClient, op.Rounds, op.COTs, op.Seconds = 0, 0, 0, 0, 0
		op.PreparedToServer, op.PreparedToClient = 0, 0
	}
	r.Total, r.PerInput = plan.TotalCost{}, nil
	return r
}

// add takes in a walk, whose depths are those of both parties, and reports on it alone.
func (t *tally) add(calls []measure, took time.Duration) *plan.Report {
	r := t.blank()
	online := &r.Total.Online
	for i, c := range calls {
		op, all := &r.Operators[i], &t.all.Operators[i]
		op.ClientToServer, op.ServerToClient = t.directed(c.sent, c.received)
		op.COTs = t.cost.Operators[i].COTs
		op.Rounds = max(0, c.depth-t.depth) // of calls side by side, what each adds
		op.Seconds = c.seconds
		t.depth = max(t.depth, c.depth)
		online.ClientToServer += op.ClientToServer
		online.ServerToClient += op.ServerToClient
		online.COTs += op.COTs
		online.Rounds += op.Rounds
		all.ClientToServer += op.ClientToServer
		all.ServerToClient += op.ServerToClient
		all.COTs += op.COTs
		all.Rounds += op.Rounds
		all.Seconds += op.Seconds
	}
	online.Seconds = took.Seconds()
	t.all.Total.Online.Add(*online)
	r.Total.Sum()
	if t.inferences > 1 {
		r.Inferences, r.Inference = t.inferences, t.inference+1
	}
	return r
}

// report is the session's: what all inferences took together, keys and correlated OTs.
func (t *tally) report(side *sideStats) *plan.Report {
	// The channels of the set-up work beside each other.
	setup := plan.PhaseCost{COTs: t.cots.Times(t.runs).All(), Seconds: t.ready.Seconds()}
	for _, st := range side[:3] {
		up, down := t.directed(st.Sent, st.Received)
		setup.ClientToServer += up
		setup.ServerToClient += down
		setup.Rounds = max(setup.Rounds, st.Rounds)
	}
	t.all.Total.Setup = setup
	if t.inferences > 1 {
		t.all.Inferences = t.inferences
	}
	t.all.Memory = t.plan.SessionMemory(max(t.inferences, t.runs))
	if t.Program == t.two {
		t.all.Store = t.cost.Store
		t.all.Memory = t.plan.PreparedMemory(max(t.inferences, t.runs), *t.all.Store, max(t.prepare, 1))
		t.all.Runs = &plan.RunCount{Used: t.used, Made: t.runs, Kept: t.keep}
	}
	if t.shelf != nil && t.runs > 0 {
		p := &plan.PhaseCost{Rounds: side[3].Rounds, Seconds: t.shelf.seconds}
		p.ClientToServer, p.ServerToClient = t.directed(side[3].Sent, side[3].Received)
		t.all.Total.Prepared = p
	}
	t.all.Total.Sum()
	return t.all
}

// directed turns this party's sent and received into client-to-server and back.
func (s *session) directed(sent, received int64) (up, down int64) {
	if s.party.Role == transport.Client {
		return sent, received
	}
	return received, sent
}
