package runtime

import (
	"time"

	"secc/backend/plan"
	"secc/runtime/transport"
)

// report fills the plan's cost table with what was measured.
func (s *session) report(keys transport.Stats, setup, online time.Duration, calls []measure, theirs []int) (*plan.Report, error) {
	r, err := s.plan.Cost()
	if err != nil {
		return nil, err
	}
	rounds := 0
	var total plan.PhaseCost
	for i := range r.Operators {
		op, m := &r.Operators[i], calls[i]
		op.ClientToServer, op.ServerToClient = s.directed(m.sent, m.received)
		depth := max(m.depth, theirs[i])
		op.Rounds, rounds = depth-rounds, depth
		op.Seconds = m.seconds
		total.ClientToServer += op.ClientToServer
		total.ServerToClient += op.ServerToClient
	}
	total.Rounds, total.COTs, total.Seconds = rounds, r.Total.Online.COTs, online.Seconds()
	r.Total.Online = total
	r.Total.Setup = s.setupCost(keys, setup, r.Total.Setup)
	r.Total.Bytes = total.ClientToServer + total.ServerToClient + r.Total.Setup.ClientToServer + r.Total.Setup.ServerToClient
	r.Total.Rounds = total.Rounds + r.Total.Setup.Rounds
	r.Total.Seconds = total.Seconds + r.Total.Setup.Seconds
	return r, nil
}

// setupCost sums the keys and both directions of correlated OTs. Their rounds
// run beside each other.
func (s *session) setupCost(keys transport.Stats, took time.Duration, predicted plan.PhaseCost) plan.PhaseCost {
	var c plan.PhaseCost
	for _, st := range []transport.Stats{keys, s.mux.Channel(chanServer).Stats(), s.mux.Channel(chanClient).Stats()} {
		up, down := s.directed(st.Sent, st.Received)
		c.ClientToServer += up
		c.ServerToClient += down
		c.Rounds = max(c.Rounds, st.Rounds)
	}
	c.COTs, c.Seconds = predicted.COTs, took.Seconds()
	return c
}

// directed turns this party's sent and received into client-to-server and back.
func (s *session) directed(sent, received int64) (up, down int64) {
	if s.party.Role == transport.Client {
		return sent, received
	}
	return received, sent
}
