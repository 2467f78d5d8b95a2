package runtime

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// badWeights panic with a secret in hand.
type badWeights struct{ key prg.Block }

func (w badWeights) Ints(name string, n int) ([]int64, error) {
	return []int64{int64(w.key[len(name)])}, nil // out of range: a name is longer than two
}

// badRand fails when the seed is drawn; package ot's tests have one that fails in a producer.
type badRand struct{}

func (badRand) Read([]byte) (int, error) { panic("BUG: no randomness") }

// A panic anywhere in a session is that session's error: it says where, prints nothing that
// was at work, reaches the peer as a kind, and leaves other sessions alone.
func TestPanicEndsOneSession(t *testing.T) {
	p, w := smallPlan(t)
	in := []Vec{make(Vec, 16)}
	boom := func(plan.Slot, Vec) { panic("BUG: observer") }
	for name, x := range map[string]struct {
		w   Weights
		cfg Config
	}{
		"in a call":      {badWeights{prg.Block{0xdeadbeef, 0xdeadbeef}}, Config{}},
		"in the walk":    {w, Config{Observe: boom}},
		"in the hello":   {w, Config{Rand: badRand{}}},
		"while starting": {w, Config{Progress: func(Progress) { panic("BUG: progress") }}},
	} {
		g, err := Prepare(p)
		if err != nil {
			t.Fatal(err)
		}
		a, b := net.Pipe()
		c, d := net.Pipe()
		other := make(chan error, 2)
		go func() { _, err := g.Serve(t.Context(), c, w, Config{}); other <- err }()
		go func() { _, _, err := g.Run(t.Context(), d, in, Config{}); other <- err }()
		served := make(chan error, 1)
		go func() { _, err := g.Serve(t.Context(), a, x.w, x.cfg); served <- err }()
		_, _, clientErr := g.Run(t.Context(), b, in, Config{})
		serverErr := <-served
		var bug *guard.Error
		if !errors.As(serverErr, &bug) || bug.Line == 0 || strings.Contains(serverErr.Error(), "deadbeef") || strings.Contains(serverErr.Error(), "3735928559") {
			t.Errorf("%s: server: %v", name, serverErr)
		}
		if !errors.Is(clientErr, transport.ErrPeerFailed) || strings.Contains(clientErr.Error(), "BUG") {
			t.Errorf("%s: client: %v", name, clientErr)
		}
		if err := errors.Join(<-other, <-other); err != nil {
			t.Errorf("%s: another session: %v", name, err)
		}
	}
}

// What a session held of keys and correlations is out of reach when it has ended.
func TestCorrelationsEndWithTheSession(t *testing.T) {
	p, w := smallPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	go func() { _, _, _ = g.Run(t.Context(), b, []Vec{make(Vec, 16)}, Config{}) }()
	s := newSession(t.Context(), a, transport.Server, g, Config{Observe: func(plan.Slot, Vec) { panic("BUG: observer") }})
	s.party.Weights = w
	var ots producers
	s.cfg.Progress = func(Progress) { ots = s.ots }
	if _, err := s.whole(Inferences{}); err == nil {
		t.Fatal("no error")
	}
	if _, err := ots.sender.Take(t.Context(), 1); err == nil {
		t.Error("correlated OTs are handed out after the end")
	}
	if s.ots != (producers{}) || s.party.Linear != nil {
		t.Error("keys or correlations are still there")
	}
}

// mute is a connection whose peer says how it likes before any hello.
func mute(t *testing.T, say func(c net.Conn)) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { b.Close() })
	go say(b)
	return a
}

// The hello has a limit of its own, whatever the peer sends in its place.
func TestHelloIsBounded(t *testing.T) {
	g, err := Prepare(localPlan(7))
	if err != nil {
		t.Fatal(err)
	}
	for name, say := range map[string]func(net.Conn){
		"nothing":       func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"signs of life": func(c net.Conn) { transport.NewMux(t.Context(), c, transport.Config{Idle: time.Second}) },
	} {
		start := time.Now()
		_, err := g.Serve(t.Context(), mute(t, say), testWeights{}, Config{Hello: 300 * time.Millisecond})
		if d := time.Since(start); !errors.Is(err, transport.ErrTimeout) || d > 4*time.Second {
			t.Errorf("%s: got %v after %v", name, err, d)
		}
	}
}

// A server that refuses says so before it has spent anything, and whoever was admitted is let
// go exactly once, however the session ends.
func TestAdmit(t *testing.T) {
	p := localPlan(7)
	in := []Vec{make(Vec, 5)}
	o := runBoth(t, p, p, testWeights{"y/b": make([]int64, 5)}, in, Config{Admit: nil})
	if err := errors.Join(o.serverErr, o.clientErr); err != nil {
		t.Fatal(err)
	}
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	try := func(w Weights, admit func(int) (func(), error)) (serverErr, clientErr error) {
		a, b := net.Pipe()
		served := make(chan error, 1)
		go func() { _, err := g.Serve(t.Context(), a, w, Config{Admit: admit}); served <- err }()
		_, _, clientErr = g.Run(t.Context(), b, in, Config{})
		return <-served, clientErr
	}
	s, c := try(testWeights{}, func(int) (func(), error) { return nil, transport.ErrBusy })
	if !errors.Is(s, transport.ErrBusy) || !errors.Is(c, transport.ErrBusy) || c.Error() != "the server is busy with other clients" {
		t.Errorf("server: %v, client: %v", s, c)
	}
	for _, w := range []testWeights{{"y/b": make([]int64, 5)}, {}} {
		released := 0
		s, _ := try(w, func(int) (func(), error) { return func() { released++ }, nil })
		if released != 1 {
			t.Errorf("released %d times after %v", released, s)
		}
	}
}

// Depths that the peer claims at the end are held to what is possible.
func TestDepthsAtTheEnd(t *testing.T) {
	for claim, ok := range map[uint32]bool{6: false, 7: true, 8: true, 9: true, 10: false, 1 << 31: false, 1<<32 - 1: false} {
		a, b := net.Pipe()
		g, err := Prepare(localPlan(7))
		if err != nil {
			t.Fatal(err)
		}
		s := newSession(t.Context(), a, transport.Server, g, Config{})
		m := transport.NewMux(t.Context(), b, transport.Config{})
		go func() {
			c := m.Channel(chanControl)
			out := binary.LittleEndian.AppendUint32(nil, claim)
			_ = errors.Join(c.Send(out), c.Flush())
			_ = c.Recv(make([]byte, len(out)))
		}()
		err = s.agree(depthsOf([]measure{{depth: 8}}))
		if (err == nil) != ok || !ok && !errors.Is(err, transport.ErrViolation) {
			t.Errorf("8 beside %d: got %v", claim, err)
		}
		m.Close()
		_ = s.finish(errors.New("done"))
	}
}

// A slot is let go after the wave that reads it last; outputs are not.
func TestSlotsAreDropped(t *testing.T) {
	g := layOut(localPlan(7))
	w := newWalker(g, []Vec{make(Vec, 5)})
	for i := range g.waves {
		out := make([][]Vec, len(g.waves[i].calls))
		for j, steps := range g.waves[i].calls {
			var err error
			if out[j], err = g.table[steps[0].Proto].Ideal(w.call(steps), testWeights{"y/b": make([]int64, 5)}); err != nil {
				t.Fatal(err)
			}
		}
		w.finish(i, out, nil)
		for x, v := range w.slots {
			output := x == 2
			if held := v != nil; held && g.last[x] <= i && !output || !held && output && i == len(g.waves)-1 {
				t.Errorf("after wave %d slot %d: held %v, last read by %d", i, x, held, g.last[x])
			}
		}
	}
}

// What ends a session is said in a sentence that begins with what the user sees.
func TestEndedSaysWhatTheUserSees(t *testing.T) {
	wrap := func(err error) error { return errors.Join(err) }
	s := &session{Program: &Program{calls: 76}, party: &Party{Role: transport.Client}, stage: stageWalk, at: 12}
	for _, x := range []struct {
		err  error
		want string
	}{
		{transport.ErrPeerStopped, "the server was stopped at 12 of 76 operators"},
		{transport.ErrPeerClosed, "the connection to the server broke at 12 of 76 operators"},
		{transport.Violation("wrong length"), "the server sent what the protocol does not allow: wrong length at 12 of 76 operators"},
		{context.Canceled, "interrupted at 12 of 76 operators"},
	} {
		err := s.ended(wrap(x.err), x.err)
		if err.Error() != x.want {
			t.Errorf("got %q, want %q", err, x.want)
		}
		var e *Ended
		if !errors.Is(err, x.err) || !errors.As(err, &e) || e.Chain() == "" {
			t.Errorf("%v: the cause is lost", x.err)
		}
	}
}

// A client whose server is stopped half way reads so, and so does a server whose client is.
func TestStoppedPeer(t *testing.T) {
	p, w := smallPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, stopped := range []transport.Role{transport.Server, transport.Client} {
		ctx, stop := context.WithCancel(t.Context())
		at := Config{Progress: func(p Progress) {
			if p.Call == 2 {
				stop()
			}
		}}
		cfg := [2]Config{}
		cfg[stopped] = at
		cfg[stopped.Peer()] = Config{}
		contexts := [2]context.Context{t.Context(), t.Context()}
		contexts[stopped] = ctx
		a, b := net.Pipe()
		var errs [2]error
		done := make(chan struct{})
		go func() { _, errs[0] = g.Serve(contexts[0], a, w, cfg[0]); close(done) }()
		_, _, errs[1] = g.Run(contexts[1], b, []Vec{make(Vec, 16)}, cfg[1])
		<-done
		stop()
		if err := errs[stopped.Peer()]; !errors.Is(err, transport.ErrPeerStopped) || !strings.HasPrefix(err.Error(), "the "+stopped.String()+" was stopped at ") {
			t.Errorf("%v stopped: the other one got %v", stopped, err)
		}
		if err := errs[stopped]; !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "interrupted at 2 of 4 operators") {
			t.Errorf("%v stopped: it got %v", stopped, err)
		}
	}
}
