package transport

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// Config bounds a connection. The zero value means the defaults.
type Config struct {
	Channels int           // logical channels; both parties must agree (default 4)
	Window   int           // bytes the peer may send ahead on one channel (default 8 MiB)
	MaxQueue int           // bytes received and not yet read, over all channels (default 1 GiB)
	Idle     time.Duration // nothing heard from the peer for so long: it is gone (default 60 s)
	Stall    time.Duration // one wait for data may take so long while the peer is alive (default 15 min)
}

func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.Channels, 4)
	def(&c.Window, 8<<20)
	def(&c.MaxQueue, 1<<30)
	c.Window = max(c.Window, 4*maxFrame) // a sender must never wait for credit that is held back as too small
	if c.Idle == 0 {
		c.Idle = time.Minute
	}
	if c.Stall == 0 {
		c.Stall = 15 * time.Minute
	}
	return c
}

// Mux carries logical channels over one connection.
//
// Each direction of a channel has a window of credit, so a channel whose reader
// is slow holds back its own sender and nobody else, and memory is bounded. A
// party whose Send waits for credit takes in what the peer sends meanwhile:
// both may send any amount at once, up to MaxQueue, without a deadlock.
//
// Three goroutines serve a Mux; they end with it. While the owner computes, the
// Mux sends signs of life, so slow work is not taken for a dead peer.
type Mux struct {
	cfg  Config
	rw   io.ReadWriteCloser
	chs  []*channel
	wake chan struct{} // for the writer: something is to be sent
	done chan struct{} // closed when the connection has ended; err says why

	spare spares

	mu       sync.Mutex // guards what follows and the state of all channels
	err      error
	out      []outFrame // to be written, oldest first
	queued   int        // bytes received and not yet read, over all channels
	alive    bool       // a sign of life is due
	heard    time.Time
	wrote    time.Time
	peerDone bool
	cut      *time.Timer
	wire     Wire

	running   sync.WaitGroup
	stopWatch func() bool
}

// Wire counts all bytes of a connection, control frames included.
type Wire struct{ Sent, Received int64 }

// outFrame is a data frame whose header space is reserved in buf.
type outFrame struct {
	ch    *channel
	buf   []byte
	depth int
}

// NewMux starts the connection on rw and owns it from then on. When the context
// ends, so does the connection.
func NewMux(ctx context.Context, rw io.ReadWriteCloser, cfg Config) *Mux {
	m := &Mux{cfg: cfg.withDefaults(), rw: rw, wake: make(chan struct{}, 1), done: make(chan struct{})}
	m.heard, m.wrote = time.Now(), time.Now()
	for i := range m.cfg.Channels {
		m.chs = append(m.chs, newChannel(m, uint8(i)))
	}
	m.running.Add(3)
	go m.read()
	go m.write()
	go m.watch()
	m.stopWatch = context.AfterFunc(ctx, func() {
		m.fail(fmt.Errorf("%w: %w", errCancelled, context.Cause(ctx)))
	})
	return m
}

// Channel gives logical channel i.
func (m *Mux) Channel(i int) Conn { return m.chs[i] }

// Wire counts all bytes so far.
func (m *Mux) Wire() Wire {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wire
}

// Err says why the connection has ended; nil while it lives.
func (m *Mux) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Close sends what was flushed, says goodbye and releases everything. It waits
// two seconds at most: a caller who must know that the peer has everything lets
// the peer say so first.
func (m *Mux) Close() error { return m.Abort(ErrClosed) }

// Abort ends the connection because of err, or as Close does if there is none. The peer is told what kind of error
// it was, never its text.
func (m *Mux) Abort(err error) error {
	if err == nil {
		err = ErrClosed
	}
	m.stopWatch()
	m.fail(err)
	m.running.Wait()
	m.cut.Stop()
	_ = m.rw.Close() // it may be closed already
	return nil
}

// fail ends the connection; the first reason stands.
func (m *Mux) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return
	}
	m.err = err
	close(m.done)
	m.cut = time.AfterFunc(linger, func() { m.rw.Close() }) // unblocks reader and writer at the latest
	for _, c := range m.chs {
		wake(c.readable)
		wake(c.writable)
	}
}

// linger is how long a closing party waits for its last bytes to be taken.
const linger = 2 * time.Second

// watch sends signs of life and notices when those of the peer stay away.
func (m *Mux) watch() {
	defer m.running.Done()
	t := time.NewTicker(m.cfg.Idle / 8)
	defer t.Stop()
	for {
		select {
		case <-m.done:
			return
		case now := <-t.C:
			m.mu.Lock()
			silent := now.Sub(m.heard)
			if now.Sub(m.wrote) > m.cfg.Idle/4 {
				m.alive = true
				wake(m.wake)
			}
			m.mu.Unlock()
			if silent > m.cfg.Idle {
				m.fail(fmt.Errorf("%w: nothing heard from the peer for %v", ErrTimeout, silent.Round(time.Second/10)))
			}
		}
	}
}

// read takes frames off the wire and sorts them into the channels.
func (m *Mux) read() {
	defer m.running.Done()
	r := bufio.NewReaderSize(m.rw, 64<<10)
	err := m.readPreface(r)
	for seq := uint32(0); err == nil && !m.peerIsDone(); seq++ {
		err = m.readFrame(r, seq)
	}
	if err != nil {
		m.fail(err)
	}
}

func (m *Mux) readPreface(r io.Reader) error {
	var b [len(preface)]byte
	if _, err := io.ReadFull(r, b[:]); err == io.EOF || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("%w before it said anything (does it expect TLS, or none?)", ErrPeerClosed)
	} else if err != nil {
		return lost(err)
	}
	if string(b[:]) != preface {
		return Violation("it does not speak secc (is only one side using TLS?)")
	}
	return nil
}

// lost is the error for a connection that broke off.
func lost(err error) error {
	if err == io.EOF {
		return ErrPeerClosed
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" { // crypto/tls marks the peer's alerts so
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	return fmt.Errorf("%w: %w", ErrPeerClosed, err)
}

func (m *Mux) peerIsDone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.peerDone
}

func (m *Mux) readFrame(r io.Reader, seq uint32) error {
	var hb [headerLen]byte
	if _, err := io.ReadFull(r, hb[:]); err != nil {
		return lost(err)
	}
	h, err := parseHeader(&hb)
	if err != nil {
		return err
	}
	if h.sequence != seq {
		return Violation("frame %d arrived in place of %d", h.sequence, seq)
	}
	if int(h.channel) >= len(m.chs) {
		return Violation("frame on channel %d of %d", h.channel, len(m.chs))
	}
	c := m.chs[h.channel]
	if h.kind == kindData { // before any memory is taken for it
		if err := m.admit(c, h); err != nil {
			return err
		}
	}
	payload := m.spare.take(int(h.length))
	if _, err := io.ReadFull(r, payload); err != nil {
		return lost(err)
	}
	if crc(payload) != h.crc {
		return Violation("corrupt frame on channel %d", h.channel)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard = time.Now()
	m.wire.Received += headerLen + int64(h.length)
	return m.deliver(c, h, payload)
}

// admit checks credit and causality of a data frame and books its memory.
func (m *Mux) admit(c *channel, h header) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := c.depth.arrived(int(h.depth)); err != nil {
		return err
	}
	if c.allowed -= int64(h.length); c.allowed < 0 {
		return Violation("channel %d: %d bytes beyond its window", c.id, -c.allowed)
	}
	if m.queued += int(h.length); m.queued > m.cfg.MaxQueue {
		return fmt.Errorf("%w: %d bytes received and not yet read", ErrResources, m.queued)
	}
	return nil
}

// deliver acts on a checked frame. m.mu is held.
func (m *Mux) deliver(c *channel, h header, payload []byte) error {
	switch h.kind {
	case kindData:
		c.arrived(h, payload)
	case kindCredit:
		n := int64(binary.LittleEndian.Uint32(payload))
		if c.credit += n; c.credit > int64(m.cfg.MaxQueue)+1<<32 {
			return Violation("channel %d: credit of %d bytes", c.id, c.credit)
		}
		wake(c.writable)
	case kindBye:
		m.peerDone = true
		if payload[0] >= byte(numReasons) {
			return Violation("goodbye with unknown reason %d", payload[0])
		}
		return reason(payload[0]).err()
	}
	return nil
}
