package transport

import (
	"fmt"
	"time"
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
	early   int64 // bytes in the queue for which it was, while Send waited
	owed    int64 // credit to be granted
	sending bool  // Send waits for credit

	// Sending.
	credit int64 // bytes the peer will take
}

type inFrame struct {
	data  []byte // not yet read
	depth int
	whole []byte // what data was cut from
}

func newChannel(m *Mux, id uint8) *channel {
	w := int64(m.cfg.Window)
	return &channel{m: m, id: id, readable: make(chan struct{}, 1), writable: make(chan struct{}, 1), depth: newDepthMeter(), allowed: w, credit: w}
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

// Flush hands the frame to the writer, waiting for credit if there is none.
func (c *channel) Flush() error {
	if len(c.buf) <= headerLen {
		return nil
	}
	n := int64(len(c.buf) - headerLen)
	m := c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := c.awaitCredit(n); err != nil {
		return fmt.Errorf("send on channel %d: %w", c.id, err)
	}
	c.credit -= n
	c.stats.Sent += n
	c.stats.FramingSent += headerLen
	m.out = append(m.out, outFrame{c, c.buf, c.depth.send()})
	c.buf = nil
	wake(m.wake)
	return nil
}

// awaitCredit returns when n bytes may be sent. m.mu is held, and released
// while waiting.
func (c *channel) awaitCredit(n int64) error {
	if c.m.err != nil {
		return c.m.err
	}
	if c.credit >= n {
		return nil
	}
	c.sending = true
	defer func() { c.sending = false }()
	c.grantEarly()
	t := time.NewTimer(c.m.cfg.Stall)
	defer t.Stop()
	for c.credit < n {
		c.m.mu.Unlock()
		var late bool
		select {
		case <-c.writable:
		case <-c.m.done:
		case <-t.C:
			late = true
		}
		c.m.mu.Lock()
		if c.m.err != nil {
			return c.m.err
		}
		if late {
			return fmt.Errorf("%w: the peer took nothing for %v", ErrTimeout, c.m.cfg.Stall)
		}
	}
	return nil
}

// grantEarly promises credit for what lies unread, so that two parties that
// both send much before they receive do not wait for each other.
func (c *channel) grantEarly() {
	if c.m.queued > c.m.cfg.MaxQueue/2 {
		return
	}
	c.owed += c.unread
	c.early += c.unread
	c.unread = 0
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
	if c.sending {
		c.grantEarly()
	}
	wake(c.readable)
}

// takeGrant is the credit that is worth a frame now. m.mu is held.
func (c *channel) takeGrant() int64 {
	if c.owed == 0 || c.owed < int64(c.m.cfg.Window)/4 && !c.sending {
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
		if err == nil && n == 0 {
			err = c.awaitData()
		}
		if err != nil {
			return fmt.Errorf("receive on channel %d, %d of %d bytes missing: %w", c.id, len(p), want, err)
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
	m.queued -= total
	c.release(int64(total))
	return total, nil
}

// release turns bytes that were read into credit for the peer.
func (c *channel) release(n int64) {
	old := min(n, c.early)
	c.early -= old
	c.unread -= n - old
	c.owed += n - old
	if c.owed >= int64(c.m.cfg.Window)/4 {
		wake(c.m.wake)
	}
}

func (c *channel) awaitData() error {
	t := time.NewTimer(c.m.cfg.Stall)
	defer t.Stop()
	select {
	case <-c.readable:
		return nil
	case <-c.m.done:
		return nil // take reports the rest of the data, then the error
	case <-t.C:
		return fmt.Errorf("%w: no data for %v", ErrTimeout, c.m.cfg.Stall)
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
