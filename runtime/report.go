package runtime

import (
	"slices"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/transport"
)

// measured is what one party saw of a session; done makes the depths those of
// both parties.
type measured struct {
	calls         []measure
	side          [3]transport.Stats // keys, and both directions of correlated OTs
	setup, online time.Duration
}

func (s *session) measured(keys transport.Stats, calls []measure) *measured {
	return &measured{calls: calls, side: [3]transport.Stats{keys, s.mux.Channel(chanServer).Stats(), s.mux.Channel(chanClient).Stats()}}
}

// depths lists all depths, in the same order at both parties.
func (m *measured) depths() (d []*int) {
	for i := range m.calls {
		d = append(d, &m.calls[i].depth)
	}
	for i := range m.side {
		d = append(d, &m.side[i].Rounds)
	}
	return d
}

// report fills the plan's cost table with what was measured.
func (s *session) report(m *measured) *plan.Report {
	r := new(plan.Report)
	*r = *s.cost
	r.Operators = slices.Clone(r.Operators)
	online := plan.PhaseCost{COTs: r.Total.Online.COTs, Seconds: m.online.Seconds()}
	for i := range r.Operators {
		op, c := &r.Operators[i], m.calls[i]
		op.ClientToServer, op.ServerToClient = s.directed(c.sent, c.received)
		op.Rounds = max(0, c.depth-online.Rounds) // of calls side by side, what each adds
		online.Rounds += op.Rounds
		op.Seconds = c.seconds
		online.ClientToServer += op.ClientToServer
		online.ServerToClient += op.ServerToClient
	}
	// The channels of the set-up work beside each other.
	setup := plan.PhaseCost{COTs: r.Total.Setup.COTs, Seconds: m.setup.Seconds()}
	for _, st := range m.side {
		up, down := s.directed(st.Sent, st.Received)
		setup.ClientToServer += up
		setup.ServerToClient += down
		setup.Rounds = max(setup.Rounds, st.Rounds)
	}
	r.Total = plan.TotalCost{
		Setup: setup, Online: online, Rounds: setup.Rounds + online.Rounds, Seconds: setup.Seconds + online.Seconds,
		Bytes: setup.ClientToServer + setup.ServerToClient + online.ClientToServer + online.ServerToClient,
	}
	return r
}

// directed turns this party's sent and received into client-to-server and back.
func (s *session) directed(sent, received int64) (up, down int64) {
	if s.party.Role == transport.Client {
		return sent, received
	}
	return received, sent
}
