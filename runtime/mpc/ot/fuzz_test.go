package ot

import (
	"context"
	"crypto/rand"
	"testing"

	"filippo.io/edwards25519"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
)

// FuzzPeer plays a peer that says anything at all: an error, or pads that mean
// nothing, but no panic and no wait without end.
func FuzzPeer(f *testing.F) {
	cfg := Config{Kind: wire.SoftSpoken, K: 8}
	tag := cfg.tag(10)
	hello := append(append([]byte{}, tag[:]...), make([]byte, seedSize)...)
	hello = append(hello, edwards25519.NewGeneratorPoint().Bytes()...)
	points := make([]byte, seedSize)
	for range wire.BaseOTs {
		points = append(points, edwards25519.NewGeneratorPoint().Bytes()...)
	}
	f.Add([]byte{}, true)
	f.Add(hello, true)
	f.Add(append(hello[:len(hello):len(hello)], make([]byte, wire.TreesBytes(8)+wire.SoftMessageBytes(8, 512))...), true)
	f.Add(points, false)
	f.Add(points[:1000], false)
	f.Fuzz(func(t *testing.T, said []byte, toSender bool) {
		a, b := mpctest.Pipe()
		if a.Send(said) != nil || a.Flush() != nil {
			t.Fatal("pipe does not take the peer's bytes")
		}
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		var take func() error
		if toSender {
			s, err := NewSender(ctx, b, cfg, 10, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			take = func() error { _, err := s.Take(ctx, 10); return err }
		} else {
			r, err := NewReceiver(ctx, b, cfg, 10, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			take = func() error { _, err := r.Take(ctx, 10); return err }
		}
		a.Close()                                     // what was said can still be read
		whole := !toSender && len(said) >= pointsSize // a sender would find that the seeds do not fit
		if err := take(); err == nil && !whole {
			t.Error("pads without a peer")
		}
	})
}
