package runtime

import (
	"context"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/mpc/ot"
	"secc.example/secc/runtime/transport"
)

// setup makes what so many inferences, prepared or not, take: the producers of correlated OTs,
// which then work beside the execution, and the keys of the linear steps.
func (s *session) setup(inferences int) error {
	s.runs = inferences
	if inferences == 0 {
		return nil
	}
	if err := s.startOT(s.cots.Times(inferences)); err != nil {
		return err
	}
	return s.makeKeys()
}

// makeKeys prepares the linear steps, and counts what that takes on the wire.
func (s *session) makeKeys() error {
	if s.keys.N == 0 || s.took != nil {
		return nil
	}
	c := s.mux.Channel(chanControl)
	before := c.Stats()
	var err error
	if s.party.Linear, err = newLinearEngine(s.ctx, s.party, c, s.keys); err != nil {
		return err
	}
	after := c.Stats()
	s.took = &transport.Stats{Sent: after.Sent - before.Sent, Received: after.Received - before.Received, Rounds: after.Rounds - before.Rounds}
	return nil
}

// producers make a session's correlated OTs; nil where the plan needs none.
type producers struct {
	sender   *ot.Sender
	receiver *ot.Receiver
}

// startOT starts one producer for each direction that the plan uses.
func (s *session) startOT(need plan.COTs) error {
	sends, receives, out, in := need.ServerSends, need.ClientSends, chanServer, chanClient
	kinds := [2]plan.OTKind{s.plan.OT.ServerSends, s.plan.OT.ClientSends} // as sender, as receiver
	if s.party.Role == transport.Client {
		sends, receives, out, in = receives, sends, in, out
		kinds[0], kinds[1] = kinds[1], kinds[0]
	}
	var err error
	if sends > 0 {
		if s.ots.sender, err = ot.NewSender(s.ctx, s.mux.Channel(out), s.otConfig(kinds[0]), sends, s.stream("correlated OTs sent")); err != nil {
			return err
		}
	}
	if receives > 0 {
		s.ots.receiver, err = ot.NewReceiver(s.ctx, s.mux.Channel(in), s.otConfig(kinds[1]), receives, s.stream("correlated OTs received"))
	}
	return err
}

// give lets p take OTs as they are made.
func (o producers) give(p *Party, lane transport.Lane) {
	if o.sender != nil {
		p.Sender = o.sender.Via(lane)
	}
	if o.receiver != nil {
		p.Receiver = o.receiver.Via(lane)
	}
}

// reserve sets apart what p needs. The server's OTs come first at both parties: taking
// from the two streams in different orders could make each wait for the other.
func (o producers) reserve(ctx context.Context, p *Party, n plan.COTs) error {
	for _, from := range [2]transport.Role{transport.Server, transport.Client} {
		count := int(n.ServerSends)
		if from == transport.Client {
			count = int(n.ClientSends)
		}
		var err error
		switch {
		case count == 0:
		case from == p.Role:
			p.Sender, err = o.sender.Reserve(ctx, count)
		default:
			p.Receiver, err = o.receiver.Reserve(ctx, count)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// otConfig is the extension that the plan names.
func (s *session) otConfig(k plan.OTKind) ot.Config {
	ahead := s.cfg.Ahead
	if ahead == 0 {
		ahead = s.plan.StockedOTs()
	}
	return ot.Config{Kind: k.Kind, K: k.K, Set: k.Set, Ahead: ahead}
}

// close ends the producers; those that wait for the peer end with the connection. Prepared runs in RAM end, too.
func (s *session) close() {
	if s.ots.sender != nil {
		_ = s.ots.sender.Close()
	}
	if s.ots.receiver != nil {
		_ = s.ots.receiver.Close()
	}
	if s.shelf != nil {
		_ = s.shelf.store.Close() // what is left of it is garbage from now on
	}
}
