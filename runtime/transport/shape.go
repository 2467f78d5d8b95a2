package transport

import (
	"net"
	"sync"
	"time"
)

// Link describes a network: its round-trip time, and its bandwidth in bytes a
// second each way. Zero means without limit.
type Link struct {
	RTT       time.Duration
	Bandwidth float64
}

// Shape makes what is written to c arrive as if it had crossed the link. Both
// ends must be shaped. The zero Link gives c back.
func (l Link) Shape(c net.Conn) net.Conn {
	if l == (Link{}) {
		return c
	}
	s := &shaped{Conn: c, link: l, limit: 1<<20 + int(l.Bandwidth*l.RTT.Seconds())}
	s.change = sync.NewCond(&s.mu)
	go s.deliver()
	return s
}

// shaped is a delay line in front of a connection.
type shaped struct {
	net.Conn
	link  Link
	limit int // bytes under way; more make Write wait, as a full socket does

	mu     sync.Mutex
	change *sync.Cond
	line   []parcel
	bytes  int
	free   time.Time // when the link can take the next byte
	closed bool
	err    error
}

// parcel is data and when it arrives; nil data ends the direction.
type parcel struct {
	data []byte
	due  time.Time
}

func (s *shaped) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bytes > s.limit && s.err == nil && !s.closed {
		s.change.Wait()
	}
	if s.err != nil {
		return 0, s.err
	}
	if s.closed {
		return 0, net.ErrClosed
	}
	if now := time.Now(); s.free.Before(now) {
		s.free = now
	}
	if s.link.Bandwidth > 0 {
		s.free = s.free.Add(time.Duration(float64(len(p)) / s.link.Bandwidth * 1e9))
	}
	s.line = append(s.line, parcel{append([]byte{}, p...), s.free.Add(s.link.RTT / 2)})
	s.bytes += len(p)
	s.change.Broadcast()
	return len(p), nil
}

// deliver lets parcels out when they are due; it ends after the last.
func (s *shaped) deliver() {
	clock := newAlarm()
	defer clock.close()
	for {
		s.mu.Lock()
		for len(s.line) == 0 {
			s.change.Wait()
		}
		p := s.line[0]
		s.line = s.line[1:]
		s.mu.Unlock()
		if p.data == nil {
			s.Conn.Close()
			return
		}
		clock.wait(time.Until(p.due))
		_, err := s.Conn.Write(p.data)
		s.mu.Lock()
		s.bytes -= len(p.data)
		if s.err == nil {
			s.err = err
		}
		s.change.Broadcast()
		s.mu.Unlock()
	}
}

// Close lets what is under way arrive first, unless the peer no longer takes it.
func (s *shaped) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.line = append(s.line, parcel{})
	s.change.Broadcast()
	time.AfterFunc(time.Until(s.free)+s.link.RTT+linger, func() { s.Conn.Close() })
	return nil
}
