package ot

import (
	"errors"
	"net"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/transport"
)

// brokenRand is good for some reads.
type brokenRand struct{ reads int }

func (r *brokenRand) Read(p []byte) (int, error) {
	if r.reads--; r.reads < 0 {
		panic("BUG: no randomness")
	}
	return len(p), nil
}

// A panic of the goroutine that makes OTs is the error of whoever takes them.
func TestPanicOfAProducer(t *testing.T) {
	a, b := net.Pipe()
	m, n := transport.NewMux(t.Context(), a, transport.Config{Channels: 1}), transport.NewMux(t.Context(), b, transport.Config{Channels: 1})
	defer n.Close()
	defer m.Close()
	r, err := NewReceiver(t.Context(), m.Channel(0), Config{Kind: wire.SoftSpoken, K: 2}, 64, &brokenRand{})
	if err != nil {
		t.Fatal(err)
	}
	var bug *guard.Error
	if _, err := r.Take(t.Context(), 1); !errors.As(err, &bug) || bug.Line == 0 {
		t.Errorf("got %v", err)
	}
}
