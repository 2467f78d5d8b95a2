package ot_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/ot"
)

// TestBytesAreThePlans holds bytes and rounds of both directions to the plan's
// prediction, exactly.
func TestBytesAreThePlans(t *testing.T) {
	kinds := []plan.OTKind{
		{Kind: wire.SoftSpoken, K: 2}, {Kind: wire.SoftSpoken, K: 4}, {Kind: wire.SoftSpoken, K: 8},
		{Kind: wire.Ferret, Set: 10}, {Kind: wire.Ferret, Set: 11}, {Kind: wire.Ferret, Set: 12}, {Kind: wire.Ferret, Set: 13},
	}
	for _, k := range kinds {
		for _, n := range []int64{1, 512, 8193, 100_000, 870_400, 870_401, 1_700_000} {
			if k.Set > 10 && n != 1 && n != 100_000 || k.Set != 10 && n > 100_000 { // several iterations of the smallest set only
				continue
			}
			t.Run(fmt.Sprintf("%s-%d-%d/%d", k.Kind, k.K, k.Set, n), func(t *testing.T) { checkBytes(t, k, n) })
		}
	}
}

func checkBytes(t *testing.T, k plan.OTKind, n int64) {
	a, b := mpctest.Pipe()
	defer a.Close()
	defer b.Close()
	cfg := ot.Config{Kind: k.Kind, K: k.K, Set: k.Set}
	s, err := ot.NewSender(context.Background(), a, cfg, n, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ot.NewReceiver(context.Background(), b, cfg, n, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := s.Take(context.Background(), int(n)); done <- err }()
	if _, err := r.Take(context.Background(), int(n)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c := plan.OT{ServerSends: k}.Cost(plan.COTs{ServerSends: n})
	all := c.Setup.Add(c.Stream)
	sent, received := a.Stats(), b.Stats()
	if sent.Sent != all.ToClient() || received.Sent != all.ToServer() || sent.Received != received.Sent || received.Received != sent.Sent {
		t.Errorf("sender sent %d and received %d bytes, plan says %d and %d", sent.Sent, sent.Received, all.ToClient(), all.ToServer())
	}
	var d plan.Depth
	if d = d.After(all.Flights); d.Server != sent.Rounds || d.Client != received.Rounds {
		t.Errorf("rounds %d and %d, plan says %+v", sent.Rounds, received.Rounds, d)
	}
}
