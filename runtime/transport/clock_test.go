package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// The tests of this file run on a clock of their own: what they say of times is exact, and
// no load on the machine changes it.

// scripted is a peer that writes what it is told; all that the Mux writes is read.
func scripted(t *testing.T, cfg Config) (*Mux, net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	m := NewMux(t.Context(), a, cfg)
	t.Cleanup(func() {
		m.Close()
		b.Close()
		time.Sleep(time.Minute) // the scripts end
	})
	go func() { _, _ = io.Copy(io.Discard, b) }()
	return m, b
}

// between checks that a wait ended with want, after about as long as was configured.
func between(t *testing.T, what string, start time.Time, least time.Duration, err, want error) {
	t.Helper()
	if d := time.Since(start); d < least || d > least*5/4+time.Millisecond {
		t.Errorf("%s: ended after %v, want about %v", what, d, least)
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func TestSilentPeerIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, idle := range []time.Duration{time.Nanosecond, 3 * time.Millisecond, 2 * time.Second, time.Hour} {
			m, _ := scripted(t, Config{Idle: idle, Stall: 100 * time.Hour})
			start := time.Now()
			between(t, "silence", start, idle, m.Channel(0).Recv(make([]byte, 1)), ErrTimeout)
		}
	})
}

// alive sends signs of life until the connection ends.
func alive(w net.Conn, every time.Duration) {
	_, err := w.Write([]byte(preface))
	for seq := uint32(0); err == nil; seq++ {
		_, err = w.Write(frame(header{kind: kindAlive, sequence: seq}, nil))
		time.Sleep(every)
	}
}

// A peer that only shows signs of life, and one that never grants credit, hold nobody for ever.
func TestStandstillEnds(t *testing.T) {
	for name, wait := range map[string]func(c Conn) error{
		"no data":   func(c Conn) error { return c.Recv(make([]byte, 1)) },
		"no credit": func(c Conn) error { return c.Send(make([]byte, 64<<20)) },
	} {
		synctest.Test(t, func(t *testing.T) {
			m, b := scripted(t, Config{Idle: 2 * time.Second, Stall: 40 * time.Second})
			go alive(b, 300*time.Millisecond)
			start := time.Now()
			between(t, name, start, 40*time.Second, wait(m.Channel(0)), ErrTimeout)
			if sent := m.Channel(0).Stats().Sent; sent > firstWindow {
				t.Errorf("%s: %d bytes went without credit", name, sent)
			}
		})
	}
}

// A limit that is changed counts from then on.
func TestSetStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := scripted(t, Config{Stall: time.Hour})
		go alive(b, time.Second)
		time.Sleep(10 * time.Minute)
		m.SetStall(30 * time.Second)
		start := time.Now()
		between(t, "new limit", start, 30*time.Second, m.Channel(0).Recv(make([]byte, 1)), ErrTimeout)
	})
}

// A party that computes for long stays alive through the Mux's own frames.
func TestSlowComputeIsNotDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		s, c := NewMux(t.Context(), a, Config{Idle: 80 * time.Millisecond}), NewMux(t.Context(), b, Config{Idle: 80 * time.Millisecond})
		defer s.Close()
		defer c.Close()
		go func() {
			time.Sleep(50 * time.Second)
			_ = errors.Join(c.Channel(0).Send([]byte{1}), c.Channel(0).Flush())
		}()
		if err := s.Channel(0).Recv(make([]byte, 1)); err != nil {
			t.Errorf("slow peer: %v", err)
		}
	})
}

// One large frame over a link of 1 kB/s takes longer than any limit: bytes that come, and
// bytes that go, are signs of life and progress.
func TestSlowLinkIsNotDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Idle: 5 * time.Second, Stall: 90 * time.Second}
		a, b := net.Pipe()
		c, d := net.Pipe()
		s, r := NewMux(t.Context(), a, cfg), NewMux(t.Context(), d, cfg)
		slow := func(dst, src net.Conn) {
			p := make([]byte, 100)
			for {
				n, err := src.Read(p)
				if err != nil {
					dst.Close()
					return
				}
				time.Sleep(time.Duration(n) * time.Millisecond)
				if _, err := dst.Write(p[:n]); err != nil {
					return
				}
			}
		}
		go slow(c, b)
		go slow(b, c)
		both(t, func() error {
			return errors.Join(s.Channel(0).Send(make([]byte, 1<<20)), s.Channel(0).Recv(make([]byte, 1)))
		},
			func() error {
				return errors.Join(r.Channel(0).Recv(make([]byte, 1<<20)), r.Channel(0).Send([]byte{1}), r.Channel(0).Flush())
			})
		s.Close()
		r.Close()
		time.Sleep(time.Minute) // the link's goroutines end
	})
}

func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := scripted(t, Config{})
		m.Within(7*time.Second, "hello")
		go alive(b, time.Second)
		start := time.Now()
		between(t, "late", start, 7*time.Second, m.Channel(0).Recv(make([]byte, 1)), ErrTimeout)
		m, b = scripted(t, Config{})
		m.Within(7*time.Second, "hello")()
		go alive(b, time.Second)
		time.Sleep(time.Minute / 2)
		if err := m.Err(); err != nil {
			t.Errorf("in time: %v", err)
		}
	})
}

// credits lists what a Mux granted, by channel.
func credits(r io.Reader, granted *[4]int64) {
	_, _ = io.ReadFull(r, make([]byte, len(preface)))
	for {
		var hb [headerLen]byte
		if _, err := io.ReadFull(r, hb[:]); err != nil {
			return
		}
		h, err := parseHeader(&hb)
		if err != nil {
			return
		}
		p := make([]byte, h.length)
		if _, err := io.ReadFull(r, p); err != nil {
			return
		}
		if h.kind == kindCredit {
			granted[h.channel] += int64(binary.LittleEndian.Uint32(p))
		}
	}
}

// What a peer may make a party hold is the windows and, where the owner is away, Early. A
// held connection grants nothing before Open.
func TestGrantsAreBounded(t *testing.T) {
	const window, early = 1 << 20, 3 << 20
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		m := NewMux(t.Context(), a, Config{Hold: true})
		defer m.Close()
		defer b.Close()
		var granted [4]int64
		go credits(b, &granted)
		if _, err := b.Write([]byte(preface)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if granted != [4]int64{} {
			t.Errorf("granted %v before Open", granted)
		}
		m.Open(window, early)
		for i := range 2 { // both owners wait for credit that does not come
			go func() { _ = m.Channel(i).Send(make([]byte, 64<<20)) }()
		}
		sent, seq := [4]int64{}, uint32(0)
		for progress := true; progress && sent[0]+sent[1] < 4*(2*window+early); {
			progress = false
			synctest.Wait()
			for i := range sent {
				if n := min(firstWindow+granted[i]-sent[i], maxFrame); n > 0 {
					if _, err := b.Write(frame(header{channel: uint8(i), sequence: seq}, make([]byte, n))); err != nil {
						t.Fatal(err)
					}
					seq, progress = seq+1, true
					sent[i] += n
				}
			}
		}
		if all, most := sent[0]+sent[1], int64(2*window+early); all > most || all < most-window/2 {
			t.Errorf("two owners who are away took in %d bytes, want about %d", all, most)
		}
		if sent[2] != window || sent[3] != window {
			t.Errorf("owners who do nothing took in %d and %d bytes, want %d", sent[2], sent[3], window)
		}
		b.Close() // ends the two Sends
	})
}

// A peer that grants without end and takes nothing does not make a party queue without end.
func TestQueueToSendIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		m := NewMux(t.Context(), a, Config{Window: 1 << 20, Idle: time.Hour, Stall: time.Hour})
		go func() {
			_, _ = b.Write(append([]byte(preface), frame(header{kind: kindCredit}, []byte{0, 0, 0, 0x40})...))
		}()
		end := make(chan error)
		go func() { end <- m.Channel(0).Send(make([]byte, 64<<20)) }()
		synctest.Wait()
		if sent := m.Channel(0).Stats().Sent; sent < 1<<20 || sent > 1<<20+maxFrame {
			t.Errorf("%d bytes are queued, want a window of 1 MiB", sent)
		}
		b.Close()
		if err := <-end; !errors.Is(err, ErrPeerClosed) {
			t.Errorf("got %v", err)
		}
		m.Close()
	})
}

// One owner sends more than the window, the other waits for what a third channel brings and
// only then reads: the circle that stopped sessions for good.
func TestElsewhereBreaksTheCircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		cfg := Config{Window: 256 << 10, Idle: time.Hour, Stall: time.Minute}
		s, c := NewMux(t.Context(), a, cfg), NewMux(t.Context(), b, cfg)
		defer s.Close()
		defer c.Close()
		const n = 4 << 20
		lane := c.Lanes(0).Conn(0)
		both(t, func() error {
			x := s.Channel(0)
			got := make([]byte, 1)
			return errors.Join(x.Recv(got), x.Send(make([]byte, n)), x.Flush(), s.Channel(1).Send([]byte{1}), s.Channel(1).Flush())
		}, func() error {
			if err := lane.Send([]byte{7}); err != nil { // not flushed: Elsewhere must
				return err
			}
			back, err := lane.Elsewhere()
			if err != nil {
				return err
			}
			if err := c.Channel(1).Recv(make([]byte, 1)); err != nil {
				return err
			}
			back()
			return lane.Recv(make([]byte, n))
		})
	})
}

// Windows of any size pass any amount both ways at once, whole and in order.
func TestSmallWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, window := range []int{1, 100 << 10, maxFrame, maxFrame + 1} {
			a, b := net.Pipe()
			cfg := Config{Window: window, Stall: time.Minute}
			s, c := NewMux(t.Context(), a, cfg), NewMux(t.Context(), b, cfg)
			msg := bytes.Repeat([]byte("0123456"), 500_000)
			swap := func(m *Mux) func() error {
				return func() error {
					got := make([]byte, len(msg))
					err := errors.Join(m.Channel(2).Send(msg), m.Channel(2).Recv(got))
					if err == nil && !bytes.Equal(got, msg) {
						err = errors.New("other bytes")
					}
					return err
				}
			}
			both(t, swap(s), swap(c))
			s.Close()
			c.Close()
		}
	})
}

// A panic while a frame is handled ends this connection, with an error.
func TestPanicEndsTheConnection(t *testing.T) {
	a, b := net.Pipe()
	m := NewMux(context.Background(), panicking{a}, Config{})
	defer m.Close()
	defer b.Close()
	go func() { _, _ = io.Copy(io.Discard, b) }()
	if err := m.Channel(0).Recv(make([]byte, 1)); err == nil || errors.Is(err, ErrPeerClosed) {
		t.Errorf("got %v, want the panic's message", err)
	}
}

type panicking struct{ net.Conn }

func (panicking) Read([]byte) (int, error) { panic("BUG: reader") }

// What fills the window before the wait begins is granted too: nothing more comes that would
// remind anybody of it.
func TestElsewhereGrantsWhatLiesThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		cfg := Config{Window: 256 << 10, Idle: time.Hour, Stall: time.Minute}
		s, c := NewMux(t.Context(), a, cfg), NewMux(t.Context(), b, cfg)
		defer s.Close()
		defer c.Close()
		const n = 4 << 20
		lane := c.Lanes(0).Conn(0)
		both(t, func() error {
			x := s.Channel(0)
			return errors.Join(x.Send(make([]byte, n)), x.Flush(), s.Channel(1).Send([]byte{1}), s.Channel(1).Flush())
		}, func() error {
			time.Sleep(time.Second) // the window is full
			back, err := lane.Elsewhere()
			if err != nil {
				return err
			}
			if err := c.Channel(1).Recv(make([]byte, 1)); err != nil {
				return err
			}
			back()
			return lane.Recv(make([]byte, n))
		})
	})
}

// pour sends on a channel what credit allows until no more comes, and says how much it was.
func pour(t *testing.T, b net.Conn, channel uint8, seq *uint32, sent, granted *int64) (n int64) {
	t.Helper()
	for {
		synctest.Wait()
		piece := min(firstWindow+*granted-*sent, maxFrame)
		if piece <= 0 {
			return n
		}
		if _, err := b.Write(frame(header{channel: channel, sequence: *seq}, make([]byte, piece))); err != nil {
			t.Fatal(err)
		}
		*seq++
		*sent += piece
		n += piece
	}
}

// What is taken in beyond the window is for the time that an owner is away, and whoever has
// read it may be away again: Early bounds what lies there, not what ever went.
func TestEarlyEndsWithTheAbsence(t *testing.T) {
	const window, early = 1 << 20, 3 << 20
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		m := NewMux(t.Context(), a, Config{Window: window, Early: early, Idle: time.Hour, Stall: time.Hour})
		defer m.Close()
		defer b.Close()
		var granted, sent [4]int64
		var seq uint32
		go credits(b, &granted)
		if _, err := b.Write([]byte(preface)); err != nil {
			t.Fatal(err)
		}
		lane := m.Lanes(0).Conn(0)
		for i := range 3 {
			back, err := lane.Elsewhere()
			if err != nil {
				t.Fatal(err)
			}
			if n := pour(t, b, 0, &seq, &sent[0], &granted[0]); n < early+window/2 || n > early+window {
				t.Errorf("absence %d: %d bytes were taken in, want about %d", i, n, early+window)
			}
			back()
			if err := lane.Recv(make([]byte, m.unread(0))); err != nil {
				t.Fatal(err)
			}
			if n := pour(t, b, 0, &seq, &sent[0], &granted[0]); n < window/2 || n > window {
				t.Errorf("after absence %d: %d bytes were taken in, want about %d", i, n, window)
			}
			if err := lane.Recv(make([]byte, m.unread(0))); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// unread is how many bytes lie in a channel.
func (m *Mux) unread(i int) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.chs[i].in {
		n += len(f.data)
	}
	return n
}
