package ot

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"filippo.io/edwards25519"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// tamper damages what one party writes.
type tamper struct {
	net.Conn
	mu   sync.Mutex
	seen int
	at   int // byte that is hit
	how  string
	held []byte
}

func (c *tamper) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := bytes.Clone(p)
	if i := c.at - c.seen; i >= 0 && i < len(q) {
		switch c.how {
		case "corrupt":
			q[i] ^= 0x10
		case "short":
			q = append(q[:i], q[min(len(q), i+5):]...)
		case "reorder":
			c.held, q = q, nil
		case "cut":
			c.Conn.Close()
		}
	} else if c.held != nil {
		q, c.held = append(q, c.held...), nil
	}
	c.seen += len(p)
	if _, err := c.Conn.Write(q); err != nil {
		return 0, err
	}
	return len(p), nil
}

// TestDamageIsNoticed hits every message of a direction on its way.
func TestDamageIsNoticed(t *testing.T) {
	before := runtime.NumGoroutine()
	var all sync.WaitGroup // most of the time goes by waiting, so all at once
	for _, cfg := range []Config{{Kind: wire.SoftSpoken, K: 4}, {Kind: wire.Ferret, Set: 10}} {
		for _, how := range []string{"corrupt", "short", "reorder", "cut"} {
			for _, byServer := range []bool{true, false} {
				for _, at := range []int{60, 3000, 50_000} {
					if byServer && at > 5000 && cfg.Kind == wire.SoftSpoken {
						continue // the sender says no more than its points
					}
					all.Go(func() {
						if err := damaged(cfg, how, at, byServer); err != nil {
							t.Errorf("%s, byte %d sent by server (%v) %s: %v", cfg.name(), at, byServer, how, err)
						}
					})
				}
			}
		}
	}
	all.Wait()
	noLeak(t, before)
}

func damaged(cfg Config, how string, at int, byServer bool) error {
	const total = 150_000
	a, b := net.Pipe()
	hit := &tamper{at: at, how: how}
	if byServer {
		hit.Conn, a = a, hit
	} else {
		hit.Conn, b = b, hit
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	party := func(conn net.Conn, take func(transport.Conn) error) error {
		m := transport.NewMux(ctx, conn, transport.Config{Idle: 2 * time.Second, Stall: 5 * time.Second})
		err := take(m.Channel(1))
		if err == nil { // its own part may have ended well: it then waits for the peer's goodbye
			err = m.Channel(0).Recv(make([]byte, 1))
		}
		m.Abort(err)
		return err
	}
	done := make(chan error, 2)
	go func() {
		done <- party(a, func(c transport.Conn) error {
			s, err := NewSender(ctx, c, cfg, total, rand.Reader)
			if err == nil {
				_, err = s.Take(ctx, total)
			}
			return err
		})
	}()
	go func() {
		done <- party(b, func(c transport.Conn) error {
			r, err := NewReceiver(ctx, c, cfg, total, rand.Reader)
			if err == nil {
				_, err = r.Take(ctx, total)
			}
			return err
		})
	}()
	for range 2 {
		if err := <-done; err == nil {
			return errors.New("a party did not notice")
		} else if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("a party noticed only by the test's own deadline: %w", err)
		}
	}
	return nil
}

func noLeak(t *testing.T, before int) {
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}

func TestBadPoints(t *testing.T) {
	good := edwards25519.NewGeneratorPoint().Bytes()
	if _, err := decodePoint(good); err != nil {
		t.Fatal(err)
	}
	order4 := make([]byte, 32) // y = 0
	notOnCurve := make([]byte, 32)
	notOnCurve[0] = 2
	decodable := 0
	for y := range 19 { // y + p fits in 255 bits: a second encoding of y
		twice := bytes.Repeat([]byte{0xff}, 32)
		twice[0], twice[31] = byte(0xed+y), 0x7f
		if _, err := new(edwards25519.Point).SetBytes(twice); err == nil {
			decodable++
			if _, err := decodePoint(twice); !errors.Is(err, transport.ErrViolation) {
				t.Errorf("y = p + %d: %v", y, err)
			}
		}
	}
	if decodable < 3 { // 0 and 1 are of small order
		t.Error("no encoding was there to be refused")
	}
	for name, p := range map[string][]byte{
		"identity": edwards25519.NewIdentityPoint().Bytes(), "order 4": order4, "not on the curve": notOnCurve,
	} {
		if _, err := decodePoint(p); !errors.Is(err, transport.ErrViolation) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBadPointsOnTheWire: a peer that sends such points is told off by both base OT roles.
func TestBadPointsOnTheWire(t *testing.T) {
	tag := Config{Kind: wire.SoftSpoken, K: 4}.tag(1)
	a, b := mpctest.Pipe()
	hello := make([]byte, helloSize)
	copy(hello, tag[:])
	if err := errors.Join(a.Send(hello), a.Flush()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := baseReceive(b, tag, prg.Block{1}, rand.Reader); !errors.Is(err, transport.ErrViolation) {
		t.Errorf("receiver accepted a point of small order: %v", err)
	}
	if err := errors.Join(b.Send(make([]byte, pointsSize)), b.Flush()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := baseSend(a, tag, rand.Reader); !errors.Is(err, transport.ErrViolation) {
		t.Errorf("sender accepted points of small order: %v", err)
	}
}

func TestConfigurationsMustMatch(t *testing.T) {
	a, b := mpctest.Pipe()
	defer a.Close()
	s, err := NewSender(t.Context(), a, Config{Kind: wire.SoftSpoken, K: 4}, 100, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = NewReceiver(t.Context(), b, Config{Kind: wire.SoftSpoken, K: 4}, 101, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Take(t.Context(), 1); !errors.Is(err, transport.ErrMismatch) {
		t.Errorf("other total: %v", err)
	}
	if err := s.Wait(t.Context()); !errors.Is(err, transport.ErrMismatch) {
		t.Errorf("wait: %v", err)
	}
	for _, bad := range []Config{{}, {Kind: "iknp"}, {Kind: wire.SoftSpoken, K: 3}, {Kind: wire.Ferret, Set: 9}, {Kind: wire.Ferret, Set: 11, K: 2}} {
		if _, err := NewSender(t.Context(), a, bad, 1, rand.Reader); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	for _, total := range []int64{0, -1, wire.MaxOTs + 1} {
		if _, err := NewReceiver(t.Context(), a, Config{Kind: wire.SoftSpoken, K: 4}, total, rand.Reader); err == nil {
			t.Errorf("total %d was accepted", total)
		}
	}
}

// TestClose: a consumer that stops early leaves nothing behind, whatever the
// producer is doing.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	cfg := Config{Kind: wire.SoftSpoken, K: 4, Ahead: 1}
	t.Run("while the store is full", func(t *testing.T) {
		s, r, _, _ := pair(t, cfg, 10<<20)
		takeBoth(t, s, r, 1)
		for len(r.queue) < cap(r.queue) || len(s.queue) < cap(s.queue) {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Millisecond) // now both wait for a place
		for _, c := range []*stock{&s.stock, &r.stock} {
			c.Close()
			c.Close()
			if _, err := c.take(t.Context(), slabSize, nil); !errors.Is(err, ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	})
	t.Run("while waiting for the peer", func(t *testing.T) {
		a, b := mpctest.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		s, err := NewSender(ctx, a, cfg, 100, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		short, stop := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer stop()
		if _, err := s.Take(short, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a peer that says nothing: %v", err)
		}
		cancel()
		if _, err := s.Take(context.Background(), 1); err == nil {
			t.Error("cancelled, and yet there are OTs")
		}
		a.Close()
		b.Close()
	})
	noLeak(t, before)
}
