package mpctest

import (
	"fmt"
	"sync"
	"time"

	"secc.example/secc/runtime/transport"
)

// PipeConn is one end of an in-memory channel. Sends never block.
type PipeConn struct {
	in, out *pipeQueue
	buf     []byte
	mu      sync.Mutex // guards stats: they may be read from elsewhere
	stats   transport.Stats
	Timeout time.Duration // of one Recv; zero means 60 s
}

// Pipe connects two parties in one process. Bytes and rounds are counted here once more:
// tests hold what a transport.Mux counts to it.
func Pipe() (server, client *PipeConn) {
	a, b := newPipeQueue(), newPipeQueue()
	return &PipeConn{in: a, out: b}, &PipeConn{in: b, out: a}
}

// Send queues p.
func (c *PipeConn) Send(p []byte) error {
	c.buf = append(c.buf, p...)
	c.mu.Lock()
	c.stats.Sent += int64(len(p))
	c.mu.Unlock()
	return nil
}

// Flush hands what is queued to the peer.
func (c *PipeConn) Flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	c.mu.Lock()
	m := message{data: c.buf, rounds: c.stats.Rounds}
	c.mu.Unlock()
	c.buf = nil
	return c.out.put(m)
}

// Recv fills p.
func (c *PipeConn) Recv(p []byte) error {
	if err := c.Flush(); err != nil {
		return err
	}
	want := len(p)
	for len(p) > 0 {
		n, rounds, err := c.in.get(p, c.timeout())
		if err != nil {
			return fmt.Errorf("receive %d of %d bytes: %w", len(p), want, err)
		}
		p = p[n:]
		c.mu.Lock()
		c.stats.Rounds = max(c.stats.Rounds, rounds+1)
		c.stats.Received += int64(n)
		c.mu.Unlock()
	}
	return nil
}

// Stats reports what has passed so far.
func (c *PipeConn) Stats() transport.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// Close ends both directions; the peer may still read what was flushed.
func (c *PipeConn) Close() error {
	c.in.close(transport.ErrClosed)
	c.out.close(transport.ErrPeerClosed)
	return nil
}

func (c *PipeConn) timeout() time.Duration {
	if c.Timeout == 0 {
		return time.Minute
	}
	return c.Timeout
}

// message is what was flushed at once, and how many rounds its sender had seen: whoever
// reads it has seen one more. Messages that cross count once.
type message struct {
	data   []byte
	rounds int
}

// pipeQueue is one direction of a pipe.
type pipeQueue struct {
	mu    sync.Mutex
	q     []message
	err   error
	ready chan struct{} // one token when q or err has changed
}

func newPipeQueue() *pipeQueue { return &pipeQueue{ready: make(chan struct{}, 1)} }

func (q *pipeQueue) put(m message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return transport.ErrPeerClosed
	}
	q.q = append(q.q, m)
	q.wake()
	return nil
}

func (q *pipeQueue) get(p []byte, d time.Duration) (n, rounds int, err error) {
	if n, rounds, err = q.take(p); n > 0 || err != nil {
		return n, rounds, err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-q.ready:
		case <-t.C:
			return 0, 0, transport.ErrTimeout
		}
		if n, rounds, err = q.take(p); n > 0 || err != nil {
			return n, rounds, err
		}
	}
}

// take moves bytes of the oldest message, if there is one.
func (q *pipeQueue) take(p []byte) (n, rounds int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.q) == 0 {
		return 0, 0, q.err
	}
	m := &q.q[0]
	n, rounds = copy(p, m.data), m.rounds
	if m.data = m.data[n:]; len(m.data) == 0 {
		q.q = q.q[1:]
	}
	return n, rounds, nil
}

func (q *pipeQueue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.wake()
}

// wake leaves a token for whoever waits.
func (q *pipeQueue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
