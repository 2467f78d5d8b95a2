package transport

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"secc.example/secc/runtime/guard"
)

// Config bounds a connection. The zero value means the defaults.
type Config struct {
	Channels int           // logical channels; both parties must agree (default 4)
	Window   int           // bytes the peer may send ahead on one channel (default 8 MiB)
	Early    int           // further bytes, over all channels, taken in for owners who wait for something else (default 1 GiB)
	Hold     bool          // keep all windows at firstWindow until Open
	Idle     time.Duration // nothing heard from the peer for so long: it is gone (default 60 s)
	// Transcript takes in all data; nil: nobody wants a digest of it.
	Transcript *Transcript
	// Heard is called with all data of the peer as it arrives, in order, for whoever keeps it;
	// it must not hold on to the payload. nil: nobody does.
	Heard func(channel uint8, depth int, payload []byte)
	Stall time.Duration // no payload moved for so long: the session stands still (default 15 min)
}

// firstWindow is what either party may send on a channel before the other has granted
// anything: enough for a hello, too little to hurt.
const firstWindow = 16 << 10

func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.Channels, 4)
	def(&c.Window, 8<<20)
	def(&c.Early, 1<<30)
	c.Window = max(c.Window, firstWindow)
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
// is slow holds back its own sender and nobody else, and memory is bounded: by
// Channels*Window + Early of what was received, and by one Window of what is to be sent.
// An owner who waits for anything but data of a channel, be it credit (Send does that by
// itself) or what other channels bring (Elsewhere), takes in meanwhile what the peer
// sends on it. So a Send never waits for a peer that waits for something else, as long as
// a channel carries no more than Early between two such waits.
//
// Three goroutines serve a Mux; they end with it. While the owner computes, the
// Mux sends signs of life, so slow work is not taken for a dead peer. They do not count
// as progress: a session in which no payload moves for Stall ends.
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
	outBytes int
	window   int  // that of every channel
	early    int  // bytes received and not yet read for which credit was granted early, over all channels
	alive    bool // a sign of life is due
	heard    time.Time
	wrote    time.Time
	moved    time.Time // payload went or came
	stall    time.Duration
	bulk     bool // the reader is inside a data frame
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
	now := time.Now()
	m.heard, m.wrote, m.moved, m.stall = now, now, now, m.cfg.Stall
	m.window = firstWindow
	for i := range m.cfg.Channels {
		m.chs = append(m.chs, newChannel(m, uint8(i)))
	}
	if !m.cfg.Hold {
		m.Open(m.cfg.Window, m.cfg.Early)
	}
	m.running.Add(3)
	for _, f := range []func(){m.read, m.write, m.watch} {
		guard.Go(func() error { defer m.running.Done(); f(); return nil }, func(err error) {
			if err != nil {
				m.fail(err)
			}
		})
	}
	m.stopWatch = context.AfterFunc(ctx, func() {
		m.fail(fmt.Errorf("%w: %w", errCancelled, context.Cause(ctx)))
	})
	return m
}

// Channel gives logical channel i.
func (m *Mux) Channel(i int) Conn { return m.chs[i] }

// Open widens the windows to what is now known to be needed.
func (m *Mux) Open(window, early int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cfg.Early = early
	more := max(0, window-m.window)
	m.window += more
	for _, c := range m.chs {
		c.owed += int64(more)
	}
	wake(m.wake)
}

// SetStall changes how long no payload may move; the wait begins anew.
func (m *Mux) SetStall(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stall, m.moved = d, time.Now()
}

// Within ends the connection if the function that it returns is not called in time.
func (m *Mux) Within(d time.Duration, what string) (met func()) {
	t := time.AfterFunc(d, func() { m.fail(fmt.Errorf("%w: no %s within %v", ErrTimeout, what, d)) })
	return func() { t.Stop() }
}

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

// watch sends signs of life, and notices when those of the peer stay away or when
// they are all that comes.
func (m *Mux) watch() {
	t := time.NewTicker(m.tick())
	defer t.Stop()
	for {
		select {
		case <-m.done:
			return
		case now := <-t.C:
			if err := m.overdue(now); err != nil {
				m.fail(err)
			}
			t.Reset(m.tick())
		}
	}
}

// tick is how often the clocks are looked at.
func (m *Mux) tick() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(time.Millisecond, min(m.cfg.Idle/8, m.stall/8, time.Second)) // SetStall is heard within a second
}

// overdue tells which clock has run out.
func (m *Mux) overdue(now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.wrote) > m.cfg.Idle/4 {
		m.alive = true
		wake(m.wake)
	}
	silent, still := now.Sub(m.heard), now.Sub(m.moved)
	switch {
	case silent > m.cfg.Idle:
		return fmt.Errorf("%w: nothing heard from the peer for %v", ErrTimeout, silent.Round(time.Second/10))
	case still > m.stall:
		return fmt.Errorf("%w: the peer is alive, but nothing has moved for %v", ErrTimeout, still.Round(time.Second/10))
	}
	return nil
}

// wireReader notes that the peer is there, however little arrives at a time.
type wireReader struct{ m *Mux }

func (r wireReader) Read(p []byte) (int, error) {
	n, err := r.m.rw.Read(p)
	if n > 0 {
		r.m.mu.Lock()
		r.m.heard = time.Now()
		if r.m.bulk {
			r.m.moved = r.m.heard
		}
		r.m.wire.Received += int64(n)
		r.m.mu.Unlock()
	}
	return n, err
}

// read takes frames off the wire and sorts them into the channels.
func (m *Mux) read() {
	r := bufio.NewReaderSize(wireReader{m}, 64<<10)
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
		return fmt.Errorf("%w (does it expect TLS, or none?)", ErrMute)
	} else if err != nil {
		return lost(err)
	}
	switch {
	case string(b[:]) == preface:
		return nil
	case strings.HasPrefix(string(b[:]), name):
		return fmt.Errorf("%w: the peer's secc speaks another version of the protocol", ErrVersion)
	}
	return Violation("it does not speak secc (is only one side using TLS?)")
}

// lost is the error for a connection that broke off.
func lost(err error) error {
	if err == io.EOF {
		return ErrPeerClosed
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return refused(err)
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
	m.inside(h.kind == kindData)
	if _, err := io.ReadFull(r, payload); err != nil {
		return lost(err)
	}
	m.inside(false)
	if crc(payload) != h.crc {
		return Violation("corrupt frame on channel %d", h.channel)
	}
	if h.kind == kindData {
		m.cfg.Transcript.received(h.channel, payload)
		if m.cfg.Heard != nil {
			m.cfg.Heard(h.channel, int(h.depth), payload)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.deliver(c, h, payload)
}

// inside tells wireReader whether what it reads is payload.
func (m *Mux) inside(bulk bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bulk {
		m.moved = time.Now()
	}
	m.bulk = bulk
}

// admit checks credit and causality of a data frame before memory is taken for it.
func (m *Mux) admit(c *channel, h header) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := c.depth.arrived(int(h.depth)); err != nil {
		return err
	}
	if c.allowed -= int64(h.length); c.allowed < 0 {
		return Violation("channel %d: %d bytes beyond its window", c.id, -c.allowed)
	}
	return nil
}

// maxCredit is more than any party has to give.
const maxCredit = 1 << 33

// deliver acts on a checked frame. m.mu is held.
func (m *Mux) deliver(c *channel, h header, payload []byte) error {
	switch h.kind {
	case kindData:
		c.arrived(h, payload)
	case kindCredit:
		n := int64(binary.LittleEndian.Uint32(payload))
		if c.credit += n; c.credit > maxCredit {
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
