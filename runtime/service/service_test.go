package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/transport"
)

// echo: the client's numbers come back, tripled.
func echo(t *testing.T) *runtime.Program {
	t.Helper()
	x := plan.SlotType{Shape: []int{1, 3}, Bits: 12, Frac: 3}
	g, err := runtime.Prepare(&plan.Plan{
		Version: plan.Version, Model: "echo", Slots: []plan.SlotType{x, x, x}, Reveal: plan.RevealValues,
		Inputs: []plan.Input{{Name: "x", Shape: x.Shape, Slot: 0}},
		Rounds: [][]plan.Step{{
			{Proto: plan.ProtoInput, Op: "input", Name: "x", Out: []plan.Slot{0}},
			{
				Proto: plan.ProtoAffine, Op: "affine", Name: "y", In: []plan.Slot{0}, Out: []plan.Slot{1}, W: "y",
				Attrs: &plan.Affine{Coef: []int64{3}, Server: true, Spread: plan.Spread{Channels: 3, Inner: 1}},
			},
			{Proto: plan.ProtoReveal, Op: "output", Name: "y", In: []plan.Slot{1}, Out: []plan.Slot{2}},
		}},
		Outputs: []plan.Output{{Name: "y", Shape: x.Shape, Slot: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// slowly holds every session at its weights until it may go on.
type slowly struct{ reached, gone chan struct{} }

func (w slowly) Ints(_ string, n int) ([]int64, error) {
	if w.reached != nil {
		w.reached <- struct{}{}
		<-w.gone
	}
	return make([]int64, n), nil
}

// journal is a log that tests read.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// start serves until the test ends; done gives Serve's error.
func start(t *testing.T, cfg Config) (addr string, log *journal, done chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log, done = new(journal), make(chan error, 1)
	cfg.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { done <- New(cfg).Serve(ctx, l) }()
	return l.Addr().String(), log, done
}

func ask(t *testing.T, g *runtime.Program, addr string) error {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	_, _, err = g.Run(t.Context(), c, []runtime.Vec{make(runtime.Vec, 3)}, runtime.Config{})
	return err
}

// within waits for something that another goroutine brings about.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s: not within 5 s", what)
}

// More clients than there is room for hear so at once; those that are served are not disturbed,
// and those that only connect take nobody's place.
func TestMaxSessions(t *testing.T) {
	g, w := echo(t), slowly{make(chan struct{}), make(chan struct{})}
	addr, log, _ := start(t, Config{Program: g, Weights: w, MaxSessions: 2})
	for range 20 { // they say nothing
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	served := make(chan error, 2)
	for range 2 {
		go func() { served <- ask(t, g, addr) }()
		<-w.reached
	}
	if err := ask(t, g, addr); !errors.Is(err, transport.ErrBusy) {
		t.Errorf("a third client: %v", err)
	}
	within(t, "the reason in the log", func() bool { return strings.Contains(log.text(), "serves 2 of 2 sessions") })
	close(w.gone)
	for range 2 {
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
	go func() {
		for range w.reached {
		}
	}()
	within(t, "a place after the others have gone", func() bool { // a server's session ends after its client's
		err := ask(t, g, addr)
		if err != nil && !errors.Is(err, transport.ErrBusy) {
			t.Errorf("after the others have gone: %v", err)
		}
		return err == nil
	})
	close(w.reached)
}

// A port scan is no client: it does not use up a server that serves once, and is one line of
// the log that only --verbose shows.
func TestOnceIsForAClient(t *testing.T) {
	g := echo(t)
	addr, log, done := start(t, Config{Program: g, Weights: slowly{}, Once: true})
	for _, say := range []string{"", "", "GET / HTTP/1.1\r\n\r\n"} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, say); err != nil {
			t.Fatal(err)
		}
		if say != "" { // closed at once, what it said could be lost with the connection
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.Copy(io.Discard, c)
		}
		c.Close()
	}
	within(t, "the scans in the log", func() bool {
		return strings.Count(log.text(), "level=DEBUG msg=\"a connection that said nothing\"") == 2
	})
	if err := ask(t, g, addr); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if strings.Contains(log.text(), "level=ERROR") {
		t.Errorf("errors:\n%s", log.text())
	}
}

// The error of the one session is the server's.
func TestOnceFails(t *testing.T) {
	g := echo(t)
	addr, _, done := start(t, Config{Program: g, Weights: failing{}, Once: true})
	if err := ask(t, g, addr); !errors.Is(err, transport.ErrPeerFailed) {
		t.Errorf("client: %v", err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "no weights") {
		t.Errorf("server: %v", err)
	}
}

type failing struct{}

func (failing) Ints(string, int) ([]int64, error) { return nil, errors.New("no weights") }

type panicking struct{}

func (panicking) Ints(string, int) ([]int64, error) { panic("BUG: weights") }

// A session that panics ends alone: the log names the line, and the server serves on.
func TestPanicLeavesTheServer(t *testing.T) {
	g := echo(t)
	addr, log, _ := start(t, Config{Program: g, Weights: panicking{}})
	for range 2 {
		if err := ask(t, g, addr); !errors.Is(err, transport.ErrPeerFailed) {
			t.Errorf("client: %v", err)
		}
	}
	within(t, "both in the log", func() bool { return strings.Count(log.text(), "msg=failed") == 2 })
	if s := log.text(); !strings.Contains(s, "BUG: weights, at service/service_test.go:") || strings.Contains(s, "goroutine") {
		t.Errorf("log:\n%s", s)
	}
}

// Stopping ends the sessions that run.
func TestStopEndsSessions(t *testing.T) {
	g, w := echo(t), slowly{make(chan struct{}), make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New(Config{Program: g, Weights: w, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l) }()
	client := make(chan error, 1)
	go func() { client <- ask(t, g, l.Addr().String()) }()
	<-w.reached
	cancel()
	if err := <-client; !errors.Is(err, transport.ErrPeerStopped) {
		t.Errorf("client: %v", err)
	}
	close(w.gone)
	if err := <-done; err != nil {
		t.Errorf("server: %v", err)
	}
}

// stuck is a reader that has gone away without closing.
type stuck struct{}

func (stuck) Write([]byte) (int, error) { select {} }

// A log that nobody reads holds up neither sessions nor the end.
func TestLinesNeverWait(t *testing.T) {
	l := NewLines(stuck{})
	start := time.Now()
	for range 5 * lines {
		if n, err := l.Write([]byte("text\n")); n != 5 || err != nil {
			t.Fatal(n, err)
		}
	}
	if n := l.Dropped(); n < 3*lines || n > 4*lines {
		t.Errorf("%d of %d writes were dropped", n, 5*lines)
	}
	l.Close(20 * time.Millisecond)
	l.Close(20 * time.Millisecond)
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
	var b bytes.Buffer
	l = NewLines(&b)
	for range 3 {
		_, _ = l.Write([]byte("text\n"))
	}
	l.Close(5 * time.Second)
	if b.String() != "text\ntext\ntext\n" {
		t.Errorf("wrote %q", b.String())
	}
}

// The number of sessions follows from memory and plan.
func TestSessions(t *testing.T) {
	g := echo(t)
	each := g.Memory().Server
	for memory, want := range map[int64]int{0: 4, 1: 1, each: 1, 5 * each: 4, 50 * each: 40} {
		if got := sessions(each, memory); got != want {
			t.Errorf("%d bytes: %d sessions, want %d", memory, got, want)
		}
	}
	if goruntime.GOOS == "linux" && FreeMemory() < 1<<20 {
		t.Errorf("free memory: %d", FreeMemory())
	}
	if n := New(Config{Program: g}).MaxSessions(); n < 1 {
		t.Errorf("%d sessions by default", n)
	}
}
