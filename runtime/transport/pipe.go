package transport

import (
	"fmt"
	"sync"
	"time"
)

// PipeConn is one end of an in-memory channel. Sends never block.
type PipeConn struct {
	in, out *pipeQueue
	buf     []byte
	mu      sync.Mutex // guards depth and stats: Stats may be read from elsewhere
	depth   depthMeter
	stats   Stats
	Timeout time.Duration // of one Recv; zero means 60 s
}

// Pipe connects two parties in one process, for tests and benchmarks of
// protocols. Counts and rounds are those a Mux channel would report.
func Pipe() (server, client *PipeConn) {
	a, b := newPipeQueue(), newPipeQueue()
	return &PipeConn{in: a, out: b, depth: newDepthMeter()}, &PipeConn{in: b, out: a, depth: newDepthMeter()}
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
	m := message{data: c.buf, depth: c.depth.send()}
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
		n, depth, err := c.in.get(p, c.timeout())
		if err != nil {
			return fmt.Errorf("receive %d of %d bytes: %w", len(p), want, err)
		}
		p = p[n:]
		c.mu.Lock()
		c.depth.consumed(depth)
		c.stats.Received += int64(n)
		c.mu.Unlock()
	}
	return nil
}

// Stats reports what has passed so far.
func (c *PipeConn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Rounds = c.depth.own
	return s
}

// Close ends both directions; the peer may still read what was flushed.
func (c *PipeConn) Close() error {
	c.in.close(ErrClosed)
	c.out.close(ErrPeerClosed)
	return nil
}

func (c *PipeConn) timeout() time.Duration {
	if c.Timeout == 0 {
		return time.Minute
	}
	return c.Timeout
}

type message struct {
	data  []byte
	depth int
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
		return ErrPeerClosed
	}
	q.q = append(q.q, m)
	wake(q.ready)
	return nil
}

func (q *pipeQueue) get(p []byte, d time.Duration) (n, depth int, err error) {
	if n, depth, err = q.take(p); n > 0 || err != nil {
		return n, depth, err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-q.ready:
		case <-t.C:
			return 0, 0, ErrTimeout
		}
		if n, depth, err = q.take(p); n > 0 || err != nil {
			return n, depth, err
		}
	}
}

// take moves bytes of the oldest message, if there is one.
func (q *pipeQueue) take(p []byte) (n, depth int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.q) == 0 {
		return 0, 0, q.err
	}
	m := &q.q[0]
	n, depth = copy(p, m.data), m.depth
	if m.data = m.data[n:]; len(m.data) == 0 {
		q.q = q.q[1:]
	}
	return n, depth, nil
}

func (q *pipeQueue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	wake(q.ready)
}

// wake leaves a token for whoever waits.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
