//go:build js && simd128

package prg

import (
	"testing"

	"secc.example/secc/internal/kernel"
)

// Vectors do run here, and say what Go says: after every number of rounds, with a last one and without.
func TestVectorsAreTheirTwin(t *testing.T) {
	if vectorRounds.Variant() != kernel.WASM {
		t.Fatal("no vectors: is this exec.cjs?")
	}
	s := NewSoft([]byte("a key of two and thirty bytes..."))
	var start sliced
	start.pack((*[softWidth]Block)(randomBlocks(softWidth)))
	last := len(s.keys) - 1
	for from := 1; from <= last; from++ {
		for to := from; to <= last; to++ {
			want, got := start, start
			undo := vectorRounds.Force(kernel.Portable)
			s.inner(&want, from, to)
			undo()
			s.inner(&got, from, to)
			if got != want {
				t.Fatalf("rounds %d to %d: other than in Go", from, to)
			}
		}
		want, got := start, start
		undo := vectorRounds.Force(kernel.Portable)
		s.rounds(&want, from)
		undo()
		s.rounds(&got, from)
		if got != want {
			t.Fatalf("rounds from %d on: other than in Go", from)
		}
	}
}
