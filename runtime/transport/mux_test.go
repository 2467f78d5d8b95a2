package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// muxes connects two parties over loopback TCP.
func muxes(t *testing.T, cfg Config, link Link) (server, client *Mux) {
	t.Helper()
	a, b := tcpPair(t)
	server = NewMux(t.Context(), link.Shape(a), cfg)
	client = NewMux(t.Context(), link.Shape(b), cfg)
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client
}

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

func tcpPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// Both parties send 64 MiB on one channel before either receives, with a
// window of 1 MiB: Send must take in what arrives.
func TestHugeSimultaneousSends(t *testing.T) {
	synctest.Test(t, hugeSimultaneousSends)
}

func hugeSimultaneousSends(t *testing.T) {
	a, b := net.Pipe()
	cfg := Config{Window: 1 << 20, Stall: 5 * time.Second}
	s, c := NewMux(t.Context(), a, cfg), NewMux(t.Context(), b, cfg)
	defer s.Close()
	defer c.Close()
	const n = 32 << 20
	swap := func(m *Mux, fill byte) func() error {
		return func() error {
			x := m.Channel(0)
			if err := x.Send(bytes.Repeat([]byte{fill}, n)); err != nil {
				return err
			}
			got := make([]byte, n)
			if err := x.Recv(got); err != nil {
				return err
			}
			if bytes.Count(got, []byte{1 - fill}) != n {
				return errors.New("wrong bytes")
			}
			return nil
		}
	}
	both(t, swap(s, 0), swap(c, 1))
	want := Stats{Sent: n, Received: n, Rounds: 1}
	for who, m := range map[string]*Mux{"server": s, "client": c} {
		got := m.Channel(0).Stats()
		if most := int64(2 * headerLen * n / maxFrame); got.FramingSent > most || got.FramingReceived > most {
			t.Errorf("%s: frames are cut too small: %+v", who, got)
		}
		if got.FramingSent, got.FramingReceived = 0, 0; got != want {
			t.Errorf("%s: %+v, want %+v", who, got, want)
		}
	}
}

// A channel that nobody reads must not hold up the others, and its sender must
// stop at the window.
func TestSlowChannelHoldsBackOnlyItself(t *testing.T) {
	s, c := muxes(t, Config{Window: 1 << 20, Stall: 5 * time.Second}, Link{})
	sent := make(chan error, 1)
	go func() {
		sent <- errors.Join(s.Channel(1).Send(make([]byte, 8<<20)), s.Channel(1).Flush())
		close(sent)
	}()
	both(t, func() error { return errors.Join(s.Channel(0).Send([]byte{5}), s.Channel(0).Flush()) },
		func() error { return c.Channel(0).Recv(make([]byte, 1)) })
	select {
	case <-sent:
		t.Error("8 MiB went into a window of 1 MiB")
	case <-time.After(20 * time.Millisecond):
	}
	if err := c.Channel(1).Recv(make([]byte, 8<<20)); err != nil {
		t.Error(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestCloseDeliversWhatWasFlushed(t *testing.T) {
	s, c := muxes(t, Config{}, Link{RTT: 20 * time.Millisecond})
	x := s.Channel(3)
	if err := errors.Join(x.Send(bytes.Repeat([]byte{9}, 3<<20)), x.Flush(), s.Close()); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 3<<20)
	if err := c.Channel(3).Recv(b); err != nil || bytes.Count(b, []byte{9}) != len(b) {
		t.Fatalf("lost: %v", err)
	}
	if err := c.Channel(3).Recv(b[:1]); !errors.Is(err, ErrPeerClosed) {
		t.Errorf("got %v, want closed by peer", err)
	}
}

// The reason a party gives up for reaches the other, as a kind and not as text.
func TestAbortTellsThePeer(t *testing.T) {
	for _, x := range []struct{ abort, hear error }{
		{Violation("secret text"), ErrPeerFailed}, {ErrMismatch, ErrMismatch}, {ErrTimeout, ErrPeerFailed}, {errors.New("x"), ErrPeerFailed},
	} {
		s, c := muxes(t, Config{}, Link{})
		s.Abort(x.abort)
		err := c.Channel(0).Recv(make([]byte, 1))
		if !errors.Is(err, x.hear) || bytes.Contains([]byte(err.Error()), []byte("secret")) {
			t.Errorf("abort with %v: peer got %v", x.abort, err)
		}
	}
}

func TestContextEndsWaits(t *testing.T) {
	a, b := tcpPair(t)
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	m := NewMux(ctx, a, Config{})
	defer m.Close()
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := m.Channel(0).Recv(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestKilledPeer(t *testing.T) {
	a, b := tcpPair(t)
	m := NewMux(t.Context(), a, Config{})
	defer m.Close()
	if _, err := b.Write([]byte(preface)); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, func() { b.Close() })
	if err := m.Channel(0).Recv(make([]byte, 1)); !errors.Is(err, ErrPeerClosed) {
		t.Errorf("got %v, want closed by peer", err)
	}
}

// wire feeds a Mux with raw bytes and returns the error its channel 0 sees.
func wire(t testing.TB, raw []byte) error {
	t.Helper()
	a, b := net.Pipe()
	m := NewMux(t.Context(), a, Config{Idle: 5 * time.Second, Window: 1 << 20})
	defer m.Close()
	go func() { _, _ = io.Copy(io.Discard, b) }()
	go func() { _, _ = b.Write(raw); b.Close() }()
	var err error
	for err == nil {
		err = m.Channel(0).Recv(make([]byte, 1))
	}
	return err
}

func frame(h header, payload []byte) []byte {
	h.length, h.crc = uint32(len(payload)), crc(payload)
	b := make([]byte, headerLen)
	h.put(b)
	return append(b, payload...)
}

func TestBadFrames(t *testing.T) {
	data := func(seq uint32) []byte { return frame(header{sequence: seq}, []byte("abc")) }
	flip := func(b []byte, i int) []byte { b[i] ^= 4; return b }
	cases := map[string][]byte{
		"corrupt payload":   flip(data(0), headerLen+1),
		"corrupt length":    flip(data(0), 0),
		"reordered":         append(data(1), data(0)...),
		"repeated":          append(data(0), data(0)...),
		"unknown channel":   frame(header{channel: 4}, []byte("abc")),
		"unknown kind":      frame(header{kind: numKinds}, []byte("abc")),
		"empty data":        frame(header{}, nil),
		"too long":          frame(header{}, make([]byte, maxFrame+1)),
		"impossible depth":  frame(header{depth: 1}, []byte("abc")),
		"huge depth":        frame(header{depth: 1 << 31}, []byte("abc")),
		"short credit":      frame(header{kind: kindCredit}, []byte{1}),
		"unknown goodbye":   frame(header{kind: kindBye}, []byte{200}),
		"not secc":          []byte("HTTP/1.1 400 Bad Request\r\n"),
		"endless credit":    endlessCredit(),
		"beyond the window": beyondWindow(),
	}
	for name, raw := range cases {
		if name != "not secc" {
			raw = append([]byte(preface), raw...)
		}
		if err := wire(t, raw); !errors.Is(err, ErrViolation) {
			t.Errorf("%s: got %v, want a violation", name, err)
		}
	}
	if err := wire(t, append([]byte(preface), data(0)[:headerLen+1]...)); !errors.Is(err, ErrPeerClosed) {
		t.Errorf("truncated stream: got %v, want closed by peer", err)
	}
}

func endlessCredit() (raw []byte) {
	for i := range uint32(8) {
		raw = append(raw, frame(header{kind: kindCredit, sequence: i}, []byte{255, 255, 255, 255})...)
	}
	return raw
}

// beyondWindow sends on channel 1, which nobody reads.
func beyondWindow() (raw []byte) {
	for i := range uint32(40) {
		raw = append(raw, frame(header{channel: 1, sequence: i}, make([]byte, maxFrame))...)
	}
	return raw
}

// A window full of frames of one byte is held in about as much memory as one
// large frame, and comes out whole.
func TestTinyFrames(t *testing.T) {
	const n = 1 << 18
	raw := []byte(preface)
	for i := range uint32(n) {
		raw = append(raw, frame(header{sequence: i}, []byte{byte(i)})...)
	}
	a, b := net.Pipe()
	m := NewMux(t.Context(), a, Config{Window: 1 << 20})
	defer m.Close()
	granted := make([]byte, len(preface)+len(m.chs)*(headerLen+4)) // the window is open when this has come
	if _, err := io.ReadFull(b, granted); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, b) }()
	if _, err := b.Write(raw); err != nil {
		t.Fatal(err)
	}
	c := m.chs[0]
	m.mu.Lock()
	frames := len(c.in)
	m.mu.Unlock()
	if frames > 4 {
		t.Errorf("%d frames are kept apart", frames)
	}
	got := make([]byte, n)
	if err := c.Recv(got); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i] != byte(i) {
			t.Fatalf("byte %d is %d", i, got[i])
		}
	}
}

func TestNoGoroutineStays(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		a, b := tcpPair(t)
		s, c := NewMux(t.Context(), a, Config{}), NewMux(t.Context(), b, Config{})
		both(t, func() error { return s.Channel(0).Recv(make([]byte, 1)) },
			func() error { return errors.Join(c.Channel(0).Send([]byte{1}), c.Channel(0).Flush()) })
		s.Close()
		c.Close()
	}
	for range 100 {
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// The link's clock is the system's: a busy machine may be late, never early, and not always.
func TestShapedLink(t *testing.T) {
	const least, most = 138 * time.Millisecond, 400 * time.Millisecond
	best := time.Hour
	for try := 0; try < 8 && best > most; try++ {
		s, c := muxes(t, Config{}, Link{RTT: 40 * time.Millisecond, Bandwidth: 20e6})
		start := time.Now()
		both(t, func() error {
			return errors.Join(s.Channel(0).Recv(make([]byte, 2e6)), s.Channel(0).Send([]byte{1}), s.Channel(0).Flush())
		},
			func() error {
				return errors.Join(c.Channel(0).Send(make([]byte, 2e6)), c.Channel(0).Recv(make([]byte, 1)))
			})
		best = min(best, time.Since(start))
		s.Close()
		c.Close()
	}
	if best < least || best > most {
		t.Errorf("2 MB at 20 MB/s and back over 40 ms took %v, want about 140 ms", best)
	}
}

// FuzzFrames: whatever bytes arrive, a Mux ends with an error and never panics or hangs.
func FuzzFrames(f *testing.F) {
	f.Add(frame(header{}, []byte("abc")))
	f.Add(frame(header{kind: kindCredit}, []byte{1, 0, 0, 0}))
	f.Add(frame(header{kind: kindBye}, []byte{0}))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := wire(t, append([]byte(preface), raw...)); err == nil {
			t.Error("no error")
		}
	})
}

// What a peer said before it left is read before the owner learns that it left, although the
// owner had to send something first; when all is read, sending is an error.
func TestLastWordsAreRead(t *testing.T) {
	a, b := net.Pipe()
	m := NewMux(t.Context(), a, Config{})
	defer m.Close()
	go func() { _, _ = io.Copy(io.Discard, b) }()
	said := append([]byte(preface), frame(header{channel: 2}, []byte("no"))...)
	if _, err := b.Write(append(said, frame(header{kind: kindBye, sequence: 1}, []byte{byte(reasonDone)})...)); err != nil {
		t.Fatal(err)
	}
	<-m.done
	c, got := m.Channel(2), make([]byte, 2)
	if err := errors.Join(c.Send(make([]byte, maxFrame)), c.Flush(), c.Recv(got)); err != nil || string(got) != "no" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, i := range []int{2, 3} {
		c := m.Channel(i)
		if err := errors.Join(c.Send([]byte{1}), c.Flush()); !errors.Is(err, ErrPeerClosed) {
			t.Errorf("channel %d: a send to nobody: %v", i, err)
		}
	}
}
