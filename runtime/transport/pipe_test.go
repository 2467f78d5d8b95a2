package transport

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

func both(t *testing.T, server, client func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- client() }()
	if err := server(); err != nil {
		t.Errorf("server: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("client: %v", err)
	}
}

func TestPipeCountsRounds(t *testing.T) {
	s, c := Pipe()
	both(t, func() error {
		b := make([]byte, 3)
		return errors.Join(s.Recv(b), s.Send([]byte("answer")), s.Flush(), s.Recv(b[:1]))
	}, func() error {
		b := make([]byte, 6)
		err := errors.Join(c.Send([]byte("ask")), c.Recv(b), c.Send([]byte("x")), c.Flush())
		if !bytes.Equal(b, []byte("answer")) {
			t.Errorf("got %q", b)
		}
		return err
	})
	if got, want := s.Stats(), (Stats{Sent: 6, Received: 4, Rounds: 3}); got != want {
		t.Errorf("server: %+v, want %+v", got, want)
	}
	if got, want := c.Stats(), (Stats{Sent: 4, Received: 6, Rounds: 2}); got != want {
		t.Errorf("client: %+v, want %+v", got, want)
	}
}

func TestPipeCrossingMessagesAreOneRound(t *testing.T) {
	s, c := Pipe()
	swap := func(x Conn) func() error {
		return func() error { return errors.Join(x.Send(make([]byte, 1<<20)), x.Recv(make([]byte, 1<<20))) }
	}
	both(t, swap(s), swap(c))
	if s.Stats().Rounds != 1 || c.Stats().Rounds != 1 {
		t.Errorf("rounds %d and %d, want 1", s.Stats().Rounds, c.Stats().Rounds)
	}
}

func TestPipeCloseAndTimeout(t *testing.T) {
	s, c := Pipe()
	s.Timeout = 10 * time.Millisecond
	if err := s.Recv(make([]byte, 1)); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v, want a timeout", err)
	}
	if err := errors.Join(s.Send([]byte{7}), s.Flush(), s.Close()); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if err := c.Recv(b); err != nil || b[0] != 7 {
		t.Errorf("flushed bytes are lost: %v", err)
	}
	if err := c.Recv(b); !errors.Is(err, ErrPeerClosed) {
		t.Errorf("got %v, want closed by peer", err)
	}
}
