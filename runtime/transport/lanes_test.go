package transport

import (
	"errors"
	"testing"
	"time"
)

// Two chains of messages side by side count as the longer one, and what follows
// them counts from there, at both parties.
func TestLanesCountTheLongestChain(t *testing.T) {
	s, c := muxes(t, Config{Stall: 5 * time.Second}, Link{})
	sl, cl := s.Lanes(0, 2), c.Lanes(0, 2)
	ping := func(conn Conn, n int, first bool) error {
		b := []byte{7}
		for i := range n {
			if first == (i%2 == 0) {
				if err := errors.Join(conn.Send(b), conn.Flush()); err != nil {
					return err
				}
			} else if err := conn.Recv(b); err != nil {
				return err
			}
		}
		return nil
	}
	walk := func(l *Lanes, server bool) func() error {
		return func() error {
			for range 3 {
				l.Fork(2)
				long := make(chan error)
				go func() { long <- ping(l.Conn(1), 5, server) }()
				if err := errors.Join(ping(l.Conn(0), 2, !server), <-long); err != nil {
					return err
				}
				l.Join(2)
				if err := ping(l.Conn(0), 1, server); err != nil {
					return err
				}
			}
			return nil
		}
	}
	both(t, walk(sl, true), walk(cl, false))
	// A block: the server's lane sends 3 and receives 2 (its depth 4 after the block, the client's 5), then the server sends.
	server, client := 0, 0
	for range 3 {
		a, b := server, client // the lane of five messages, the server first
		for i := range 5 {
			if i%2 == 0 {
				b = max(b, a+1)
			} else {
				a = max(a, b+1)
			}
		}
		x, y := server, client // the lane of two, the client first
		x = max(x, y+1)
		y = max(y, x+1)
		server, client = max(a, x), max(b, y)
		client = max(client, server+1)
	}
	if got := sl.Conn(0).Stats().Rounds; got != server {
		t.Errorf("server: depth %d, want %d", got, server)
	}
	if got := cl.Conn(0).Stats().Rounds; got != client {
		t.Errorf("client: depth %d, want %d", got, client)
	}
}

// Without a Fork a lane knows nothing of what the others saw; a claim beyond
// what any lane was sent is a violation on every lane.
func TestLaneDepthIsChecked(t *testing.T) {
	s, _ := muxes(t, Config{}, Link{})
	l := s.Lanes(0, 2)
	*l.chs[0].depth.sent = 3
	if err := l.chs[1].depth.arrived(3); err != nil {
		t.Errorf("a depth another lane may have given: %v", err)
	}
	if err := l.chs[1].depth.arrived(4); !errors.Is(err, ErrViolation) {
		t.Errorf("impossible depth: %v", err)
	}
}
