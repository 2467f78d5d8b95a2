package runtime

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/transport"
)

// Streams of one seed have nothing to do with each other nor with the commitment, a seed gives
// the same ones again, and nobody gets bytes of a stream that somebody else has got.
func TestSeedsExpand(t *testing.T) {
	s := seed{1}
	read := func(r io.Reader) []byte {
		b := make([]byte, SeedSize)
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	one := s.stream("one")
	first, c, key := read(one), s.commitment(), s.expand("one")
	all := [][]byte{s[:], first, read(one), read(s.stream("another")), c[:], key, read(seed{2}.stream("one"))}
	for i := range all {
		for j := range i {
			if bytes.Equal(all[i], all[j]) {
				t.Errorf("%d and %d are the same", j, i)
			}
		}
	}
	if !bytes.Equal(first, read(s.stream("one"))) {
		t.Error("a seed gives another stream than before")
	}
	dirty := bytes.Repeat([]byte{0xff}, SeedSize)
	if _, err := s.stream("one").Read(dirty); err != nil || !bytes.Equal(dirty, first) {
		t.Error("a stream depends on what was in the buffer")
	}
}

// What a party says follows from its seed, its input and what it hears, whatever the order in
// which its goroutines come to draw: two sessions of the same seeds have the same transcript,
// with inferences that are prepared and without. Other seeds have others.
func TestSeedsFixTranscripts(t *testing.T) {
	p, w, in := transcriptPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, prepare := range []int{0, 2} {
		fixedRand := func(r transport.Role) io.Reader { return fixed(r) }
		want := sumOf(t, g, w, in, prepare, fixedRand)
		for range 2 {
			if sumOf(t, g, w, in, prepare, fixedRand) != want {
				t.Errorf("%d prepared: another transcript of the same seeds", prepare)
			}
		}
		if sumOf(t, g, w, in, prepare, func(transport.Role) io.Reader { return nil }) == want {
			t.Errorf("%d prepared: the same transcript of other seeds", prepare)
		}
	}
}

// sumOf runs a session of two inferences on several threads and gives the digest of what was said.
func sumOf(t *testing.T, g *Program, w Weights, in []Vec, prepare int, random func(transport.Role) io.Reader) [32]byte {
	t.Helper()
	var said [2]transport.Transcript
	config := func(r transport.Role) Config {
		return Config{Threads: 3, Prepare: prepare, Rand: random(r), Transport: transport.Config{Transcript: &said[r]}}
	}
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() {
		_, err := g.Serve(t.Context(), a, w, config(transport.Server))
		served <- err
	}()
	_, err := g.RunMany(t.Context(), b, Inferences{
		N:      2,
		Input:  func(int) ([]Vec, error) { return in, nil },
		Answer: func(int, []Vec, *plan.Report) error { return nil },
	}, config(transport.Client))
	if err := errors.Join(err, <-served); err != nil {
		t.Fatal(err)
	}
	sums := [2][32]byte{said[0].Sum(transport.Server), said[1].Sum(transport.Client)}
	if sums[0] != sums[1] {
		t.Fatal("the parties' transcripts differ")
	}
	return sums[0]
}

// A session gives the randomness of one purpose once.
func TestPurposesAreDrawnOnce(t *testing.T) {
	s := &session{seed: seed{1}}
	s.stream("one")
	s.stream("another")
	defer func() {
		if recover() == nil {
			t.Error("bytes of one stream were given twice")
		}
	}()
	s.stream("one")
}

// Calls that run side by side draw the same whoever comes first.
func TestCallsDrawInAnyOrder(t *testing.T) {
	p, _, _ := transcriptPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	draw := func(order ...int) (got [2][32]byte) {
		a, b := net.Pipe()
		defer b.Close()
		defer a.Close()
		s := newSession(t.Context(), a, transport.Client, g, Config{})
		defer s.close()
		s.seed = seed{1}
		s.party.Rand = s.stream("keys and masks")
		e := &execution{session: s}
		var calls [2]*Party
		for i := range calls {
			if calls[i], err = e.lane(t.Context(), 0, []*plan.Step{{Proto: plan.ProtoInput}}, true, plan.COTs{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range order {
			if _, err := io.ReadFull(calls[i].Rand, got[i][:]); err != nil {
				t.Fatal(err)
			}
		}
		return got
	}
	one, other := draw(0, 1), draw(1, 0)
	if one != other || one[0] == one[1] {
		t.Errorf("%x, the other way round %x", one, other)
	}
}
