package runtime

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/store"
	"secc.example/secc/runtime/transport"
)

// A client that is told again what the server said, without a server, says again what it said: of
// every protocol, with inferences that are prepared and without. With another seed it does not.
func TestRecited(t *testing.T) {
	p, w, in := transcriptPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, prepare := range []int{0, 2} {
		var file bytes.Buffer
		lines := make([][]transport.Line, g.channels())
		heard := func(channel uint8, depth int, data []byte) {
			lines[channel] = append(lines[channel], transport.Line{Depth: depth, At: int64(file.Len()), Size: int64(len(data))})
			file.Write(data)
		}
		client := func(conn net.Conn, rand transport.Role, heard func(uint8, int, []byte)) ([32]byte, error) {
			said := new(transport.Transcript)
			_, err := g.RunMany(t.Context(), conn, Inferences{
				N:      2,
				Input:  func(int) ([]Vec, error) { return in, nil },
				Answer: func(int, []Vec, *plan.Report) error { return nil },
			}, Config{Threads: 2, Prepare: prepare, Rand: fixed(rand), Transport: transport.Config{Transcript: said, Heard: heard}})
			return said.Sum(transport.Client), err
		}
		a, b := net.Pipe()
		served := make(chan error, 1)
		go func() {
			_, err := g.Serve(t.Context(), a, w, Config{Threads: 2, Prepare: prepare})
			served <- err
		}()
		want, err := client(b, transport.Client, heard)
		if err := errors.Join(err, <-served); err != nil {
			t.Fatal(err)
		}
		for _, rand := range []transport.Role{transport.Client, transport.Server} {
			a, b := net.Pipe()
			go func() { served <- g.Recite(a, bytes.NewReader(file.Bytes()), lines) }()
			got, err := client(b, rand, nil)
			// With another seed prepared inferences have the name of another session, and what was said of
			// correlated OTs does not hold.
			err = errors.Join(err, <-served)
			other := errors.Is(err, store.ErrMismatch) || errors.Is(err, transport.ErrViolation)
			if err != nil && (rand == transport.Client || !other) {
				t.Fatal(err)
			}
			if same := got == want; same != (rand == transport.Client) {
				t.Errorf("%d prepared, randomness %v: the same transcript: %v", prepare, rand, same)
			}
		}
	}
}

// What nobody recorded is not made up: the client's session ends.
func TestRecitedPart(t *testing.T) {
	p, _ := smallPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	recited := make(chan error, 1)
	go func() { recited <- g.Recite(a, bytes.NewReader(nil), nil) }()
	_, _, err = g.Run(t.Context(), b, []Vec{make(Vec, 16)}, Config{Hello: 50 * 1e6})
	if !errors.Is(err, transport.ErrTimeout) {
		t.Errorf("%v", err)
	}
	if err := <-recited; !errors.Is(err, transport.ErrPeerFailed) {
		t.Errorf("%v", err)
	}
}
