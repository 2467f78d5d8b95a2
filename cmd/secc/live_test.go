package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/transport"
)

// The exit codes are part of the interface: each end of a session has its own, however deep
// the cause lies.
func TestExitCodes(t *testing.T) {
	for _, x := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{transport.ErrMismatch, exitMismatch},
		{transport.ErrTimeout, exitNetwork}, {transport.ErrPeerClosed, exitNetwork}, {transport.ErrMute, exitNetwork},
		{transport.ErrPeerFailed, exitNetwork}, {transport.ErrPeerStopped, exitNetwork}, {transport.ErrBusy, exitNetwork},
		{context.DeadlineExceeded, exitNetwork}, {&net.OpError{Op: "dial", Err: errors.New("refused")}, exitNetwork},
		{transport.ErrAuth, exitAuth},
		{transport.Violation("x"), exitViolation},
		{transport.ErrResources, exitResources},
		{&guard.Error{Message: "BUG"}, exitOther},
		{usage("x"), exitUsage},
	} {
		for _, err := range []error{x.err, fmt.Errorf("receive: %w", x.err), &runtime.Ended{What: "it ended", Err: fmt.Errorf("wave 3: %w", x.err)}} {
			if x.err == nil && err != nil {
				continue
			}
			if got := exitCode(err); got != x.want {
				t.Errorf("%v: exit code %d, want %d", err, got, x.want)
			}
		}
	}
}

// resolver answers queries for IPv4 addresses one after the other, the last for ever.
func resolver(t *testing.T, answers ...[4]byte) *atomic.Int32 {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	queries := new(atomic.Int32)
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			end := 12
			for b[end] != 0 {
				end += int(b[end]) + 1
			}
			r := append([]byte{}, b[:min(n, end+5)]...)
			binary.BigEndian.PutUint16(r[2:], 0x8180)
			clear(r[6:12])
			if binary.BigEndian.Uint16(r[end+1:]) == 1 {
				ip := answers[min(int(queries.Add(1)), len(answers))-1]
				binary.BigEndian.PutUint16(r[6:], 1)
				r = append(append(r, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), ip[:]...)
			}
			_, _ = pc.WriteTo(r, from)
		}
	}()
	old := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = old; pc.Close() })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("udp", pc.LocalAddr().String())
	}}
	return queries
}

// Without TLS only this machine is connected to, whatever a name stood for a moment before.
func TestPlainDialChecksTheAddressItConnectsTo(t *testing.T) {
	here, there := [4]byte{127, 0, 0, 1}, [4]byte{192, 0, 2, 1} // the latter is nobody's
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for name, x := range map[string]struct {
		answers [][4]byte
		refused bool
	}{"here": {[][4]byte{here}, false}, "there": {[][4]byte{there}, true}, "changes": {[][4]byte{here, there}, false}, "changes back": {[][4]byte{there, here}, true}} {
		queries := resolver(t, x.answers...)
		c, err := (&client.Client{Address: "secc.example.:" + port}).Dial(t.Context())
		err = exit.OfClient(err)
		if x.refused {
			if err == nil || exitCode(err) != exitUsage || !strings.Contains(hintOf(err), "--insecure") {
				t.Errorf("%s: got %v, want a refusal", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c.RemoteAddr().(*net.TCPAddr).IP.String(); got != "127.0.0.1" || queries.Load() != 1 {
			t.Errorf("%s: connected to %s after %d queries", name, got, queries.Load())
		}
		c.Close()
	}
}

// What an error's causes had to say is told to those who ask.
func TestVerboseTellsTheChain(t *testing.T) {
	err := error(&runtime.Ended{What: "the server was stopped", Where: "at 12 of 76 operators", Err: fmt.Errorf("wave 3: %w", transport.ErrPeerStopped)})
	if got := explained(err, false).Error(); got != "the server was stopped at 12 of 76 operators" {
		t.Errorf("got %q", got)
	}
	got := explained(err, true)
	if !strings.HasPrefix(got.Error(), "the server was stopped at 12 of 76 operators\n") || !strings.Contains(got.Error(), "wave 3: ") || exitCode(got) != exitNetwork {
		t.Errorf("got %q", got)
	}
}
