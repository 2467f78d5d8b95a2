package runtime

import (
	"errors"
	"math"
	"net"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/runtime/transport"
)

// Two inferences of one session on the same inputs, by every protocol that sends, have no more in
// common than inferences of different sessions: what masks a message, be it a pad of a
// correlated OT, a uniform polynomial or a mask of the server's, would show if it served twice.
func TestInferencesShareNothing(t *testing.T) {
	p, w, in := transcriptPlan(t)
	g, err := Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	one, other := twice(t, g, w, in), twice(t, g, w, in)
	for role := range one {
		for id, sent := range one[role] {
			if id > chanExec && id < numChannels { // set-up, and measurements that are the same
				continue
			}
			half := len(sent) / 2
			if len(sent)%2 != 0 || len(other[role][id]) != len(sent) {
				t.Fatalf("party %d, channel %d: %d bytes in two inferences, %d in others", role, id, len(sent), len(other[role][id]))
			}
			for from := 0; from < half; from += alike {
				to := min(from+alike, half)
				again, chance := same(sent[from:to], sent[half+from:half+to]), 0
				for _, s := range [2][]byte{other[role][id][:half], other[role][id][half:]} {
					chance += same(sent[from:to], s[from:to])
				}
				if expected := float64(chance) / 2; float64(again) > expected+8*math.Sqrt(expected+1) {
					t.Errorf("party %d, channel %d: of bytes %d to %d %d are what they were in the inference before, %.0f in other sessions", role, id, from, to, again, expected)
				}
			}
		}
	}
}

// alike is how many bytes are compared at a time.
const alike = 512

func same(a, b []byte) (n int) {
	for i := range a {
		if a[i] == b[i] {
			n++
		}
	}
	return n
}

// twice runs a session of two inferences on the same inputs and gives what both parties say.
func twice(t *testing.T, g *Program, w Weights, in []Vec) (all [2][][]byte) {
	t.Helper()
	var said [2]recorded
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() {
		_, err := g.Serve(t.Context(), tap{a, &said[transport.Server]}, w, Config{Threads: 1})
		served <- err
	}()
	_, err := g.RunMany(t.Context(), tap{b, &said[transport.Client]}, Inferences{
		N:      2,
		Input:  func(int) ([]Vec, error) { return in, nil },
		Answer: func(int, []Vec, *plan.Report) error { return nil },
	}, Config{Threads: 1})
	if err := errors.Join(err, <-served); err != nil {
		t.Fatal(err)
	}
	for role := range said {
		if all[role], err = said[role].payloads(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
