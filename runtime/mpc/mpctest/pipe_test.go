package mpctest

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"secc.example/secc/runtime/transport"
)

// played runs both ends of a connection.
func played(t *testing.T, conn [2]transport.Conn, play [2]func(x transport.Conn) error) {
	t.Helper()
	errs := make(chan error, len(conn))
	for role, x := range conn {
		go func() { errs <- play[role](x) }()
	}
	if err := errors.Join(<-errs, <-errs); err != nil {
		t.Error(err)
	}
}

// piped is played over a pipe; it gives what the server and the client have counted.
func piped(t *testing.T, server, client func(x transport.Conn) error) [2]transport.Stats {
	t.Helper()
	s, c := Pipe()
	played(t, [2]transport.Conn{s, c}, [2]func(transport.Conn) error{server, client})
	return [2]transport.Stats{s.Stats(), c.Stats()}
}

func TestPipeCountsRounds(t *testing.T) {
	got := piped(t, func(x transport.Conn) error {
		b := make([]byte, 3)
		return errors.Join(x.Recv(b), x.Send([]byte("answer")), x.Flush(), x.Recv(b[:1]))
	}, func(x transport.Conn) error {
		b := make([]byte, 6)
		err := errors.Join(x.Send([]byte("ask")), x.Recv(b), x.Send([]byte("x")), x.Flush())
		if !bytes.Equal(b, []byte("answer")) {
			t.Errorf("got %q", b)
		}
		return err
	})
	if want := (transport.Stats{Sent: 6, Received: 4, Rounds: 3}); got[transport.Server] != want {
		t.Errorf("server: %+v, want %+v", got[transport.Server], want)
	}
	if want := (transport.Stats{Sent: 4, Received: 6, Rounds: 2}); got[transport.Client] != want {
		t.Errorf("client: %+v, want %+v", got[transport.Client], want)
	}
}

func TestPipeCrossingMessagesAreOneRound(t *testing.T) {
	swap := func(x transport.Conn) error {
		return errors.Join(x.Send(make([]byte, 1<<20)), x.Recv(make([]byte, 1<<20)))
	}
	for role, got := range piped(t, swap, swap) {
		if got.Rounds != 1 {
			t.Errorf("party %d: %d rounds, want 1", role, got.Rounds)
		}
	}
}

func TestPipeCloseAndTimeout(t *testing.T) {
	s, c := Pipe()
	s.Timeout = 10 * time.Millisecond
	if err := s.Recv(make([]byte, 1)); !errors.Is(err, transport.ErrTimeout) {
		t.Errorf("got %v, want a timeout", err)
	}
	if err := errors.Join(s.Send([]byte{7}), s.Flush(), s.Close()); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if err := c.Recv(b); err != nil || b[0] != 7 {
		t.Errorf("flushed bytes are lost: %v", err)
	}
	if err := c.Recv(b); !errors.Is(err, transport.ErrPeerClosed) {
		t.Errorf("got %v, want closed by peer", err)
	}
}

// A channel of a Mux counts what a pipe counts.
func TestMuxCountsAsPipe(t *testing.T) {
	server := func(x transport.Conn) error {
		b := make([]byte, 5)
		return errors.Join(x.Send(b[:2]), x.Recv(b), x.Send(b), x.Send(b), x.Recv(b))
	}
	client := func(x transport.Conn) error {
		b := make([]byte, 10)
		return errors.Join(x.Send(b[:5]), x.Recv(b[:2]), x.Recv(b), x.Send(b[:5]), x.Flush())
	}
	want := piped(t, server, client)
	var mux [2]*transport.Mux
	a, b := net.Pipe()
	mux[transport.Server] = transport.NewMux(t.Context(), a, transport.Config{})
	mux[transport.Client] = transport.NewMux(t.Context(), b, transport.Config{})
	t.Cleanup(func() { mux[0].Close(); mux[1].Close() })
	played(t, [2]transport.Conn{mux[0].Channel(2), mux[1].Channel(2)}, [2]func(transport.Conn) error{server, client})
	for role, m := range mux {
		got := m.Channel(2).Stats()
		got.FramingSent, got.FramingReceived = 0, 0
		if got != want[role] {
			t.Errorf("party %d: %+v, pipe %+v", role, got, want[role])
		}
	}
	if r := want[transport.Server].Rounds; r != 3 {
		t.Errorf("server rounds %d, want 3", r)
	}
}
