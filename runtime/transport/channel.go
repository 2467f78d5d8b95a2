package transport

import (
	"errors"
	"fmt"
)

// channel is one logical channel of a Mux. Its state is guarded by the Mux.
type channel struct {
	m        *Mux
	id       uint8
	buf      []byte // being filled by Send, header space first; the owner's alone
	readable chan struct{}
	writable chan struct{}

	depth depthMeter
	stats Stats

	// Receiving.
	in      []inFrame
	allowed int64 // bytes the peer may still send
	unread  int64 // bytes in the queue for which no new credit was promised
	early   int64 // bytes in the queue for which it was, while the owner was away
	owed    int64 // credit to be granted
	away    int   // the owner waits for something else than data: credit, or other channels

	// Sending.
	credit int64 // bytes the peer will take
}

type inFrame struct {
	data  []byte // not yet read
	depth int
	whole []byte // what data was cut from
}

func newChannel(m *Mux, id uint8) *channel {
	return &channel{
		m: m, id: id, readable: make(chan struct{}, 1), writable: make(chan struct{}, 1),
		depth: newDepthMeter(), allowed: firstWindow, credit: firstWindow,
	}
}

// Send queues p.
func (c *channel) Send(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), frameSize-max(len(c.buf), headerLen))
		c.buf = c.m.spare.extend(c.buf, p[:n])
		p = p[n:]
		if len(c.buf) == frameSize {
			if err := c.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush hands the frame to the writer, waiting for credit if there is none. A frame larger
// than the credit goes in pieces.
func (c *channel) Flush() error {
	for len(c.buf) > headerLen {
		if err := c.flushSome(); err != nil {
			return fmt.Errorf("send on channel %d: %w", c.id, err)
		}
	}
	return nil
}

func (c *channel) flushSome() error {
	m := c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.saidMore() {
		c.buf = nil
		return nil
	}
	n, err := c.awaitCredit(len(c.buf) - headerLen)
	if c.saidMore() { // it left during the wait
		c.buf = nil
		return nil
	}
	if err != nil {
		return err
	}
	f := c.buf
	switch {
	case headerLen+n < len(f):
		f = append(make([]byte, headerLen, headerLen+n), c.buf[headerLen:headerLen+n]...)
		c.buf = c.buf[:headerLen+copy(c.buf[headerLen:], c.buf[headerLen+n:])]
	case len(f) <= smallFrame: // many of them may wait to be written
		f, c.buf = append(make([]byte, 0, len(f)), f...), f[:0]
	default:
		c.buf = nil
	}
	c.credit -= int64(n)
	c.stats.Sent += int64(n)
	c.stats.FramingSent += headerLen
	m.outBytes += n
	m.out = append(m.out, outFrame{c, f, c.depth.send()})
	wake(m.wake)
	return nil
}

// saidMore says that the peer has left and that what it sent before is still to be read.
// What this party sends then goes nowhere, and the owner goes on to read: there it learns
// why the peer left, be it that it sent what no protocol allows, rather than that it left.
// m.mu is held.
func (c *channel) saidMore() bool { return len(c.in) > 0 && errors.Is(c.m.err, ErrPeerClosed) }

// awaitCredit returns how many of n bytes may be sent. m.mu is held, and released
// while waiting. The wait ends with the connection, whose clocks run (watch).
func (c *channel) awaitCredit(n int) (int, error) {
	c.leave()
	defer c.back()
	for c.m.err == nil && (c.credit <= 0 || c.m.outBytes >= c.m.cfg.Window) {
		c.grantEarly()
		c.m.mu.Unlock()
		select {
		case <-c.writable:
		case <-c.m.done:
		}
		c.m.mu.Lock()
	}
	return int(min(int64(n), c.credit)), c.m.err
}

// leave and back enclose the owner's waits for something else than data. m.mu is held.
func (c *channel) leave() { c.away++ }
func (c *channel) back()  { c.away-- }

// Elsewhere flushes, and lets the peer go on sending while the owner waits for what does
// not come over this channel. The owner calls back before it uses the channel again.
func (c *channel) Elsewhere() (back func(), err error) {
	if err := c.Flush(); err != nil {
		return nil, err
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.leave()
	c.grantEarly()
	return func() {
		c.m.mu.Lock()
		defer c.m.mu.Unlock()
		c.back()
	}, nil
}

// grantEarly promises credit for what lies unread, so that two parties that
// both send much before they receive do not wait for each other.
func (c *channel) grantEarly() {
	n := min(c.unread, int64(c.m.cfg.Early-c.m.early))
	if n <= 0 {
		return
	}
	c.owed += n
	c.early += n
	c.m.early += int(n)
	c.unread -= n
	wake(c.m.wake)
}

// smallFrame: frames up to this size are joined to the one before. Credit
// counts payload only; without this a window full of frames of one byte would
// take fifty times its size in memory.
const smallFrame = 1 << 10

// arrived queues a data frame. m.mu is held.
func (c *channel) arrived(h header, payload []byte) {
	if last := len(c.in) - 1; last >= 0 && c.in[last].depth == int(h.depth) && len(payload) <= smallFrame && len(c.in[last].data) <= maxFrame {
		c.in[last].data = append(c.in[last].data, payload...)
	} else {
		c.in = append(c.in, inFrame{payload, int(h.depth), payload})
	}
	c.unread += int64(len(payload))
	c.stats.FramingReceived += headerLen
	if c.away > 0 {
		c.grantEarly()
	}
	wake(c.readable)
}

// takeGrant is the credit that is worth a frame now: a quarter of the window, so that
// less than that is ever held back from a peer whose every byte was read. m.mu is held.
func (c *channel) takeGrant() int64 {
	if c.owed < int64(c.m.window)/4 {
		return 0
	}
	n := min(c.owed, 1<<31)
	c.owed -= n
	c.allowed += n
	return n
}

// Recv flushes and fills p.
func (c *channel) Recv(p []byte) error {
	if err := c.Flush(); err != nil {
		return err
	}
	want := len(p)
	for len(p) > 0 {
		n, err := c.take(p)
		if err != nil {
			return fmt.Errorf("receive on channel %d, %d of %d bytes missing: %w", c.id, len(p), want, err)
		}
		if n == 0 {
			c.awaitData()
		}
		p = p[n:]
	}
	return nil
}

// take moves what has arrived into p. Data that came before the end of the
// connection is still handed out.
func (c *channel) take(p []byte) (total int, err error) {
	m := c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(p) > total && len(c.in) > 0 {
		f := &c.in[0]
		n := copy(p[total:], f.data)
		total += n
		c.depth.consumed(f.depth)
		if f.data = f.data[n:]; len(f.data) == 0 {
			m.spare.give(f.whole)
			c.in[0] = inFrame{}
			c.in = c.in[1:]
		}
	}
	if total == 0 && m.err != nil {
		return 0, m.err
	}
	c.stats.Received += int64(total)
	c.release(int64(total))
	return total, nil
}

// release turns bytes that were read into credit for the peer.
func (c *channel) release(n int64) {
	old := min(n, c.early)
	c.early -= old
	c.m.early -= int(old)
	c.unread -= n - old
	c.owed += n - old
	if c.owed >= int64(c.m.window)/4 {
		wake(c.m.wake)
	}
}

// awaitData returns when there may be something to take. Its deadlines are the
// connection's (watch).
func (c *channel) awaitData() {
	select {
	case <-c.readable:
	case <-c.m.done: // take reports the rest of the data, then the error
	}
}

// Stats reports what has passed so far.
func (c *channel) Stats() Stats {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	s := c.stats
	s.Rounds = c.depth.own
	return s
}

// wake leaves a token for whoever waits.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
