package ot

import (
	"testing"
	"time"

	"secc.example/secc/runtime/mpc/prg"
)

// nothing is an extension that makes OTs of zeros.
type nothing struct{}

func (nothing) fill([]prg.Block) error { return nil }
func (nothing) flush() error           { return nil }

// What is used up is kept for the producer only as far as it has room: a large reserve that comes back to a
// full stock does not double what a plan says that is stocked.
func TestUsedSlabsGiveWayToAFullStock(t *testing.T) {
	const stocked, reserved = 16 * slabSize, 15 * slabSize
	var s stock
	s.start(t.Context(), 100*slabSize, stocked, func() (extension, session, error) { return nothing{}, session{}, nil })
	defer s.Close()
	b, err := s.take(t.Context(), reserved, nil)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); len(s.queue) < cap(s.queue); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d slabs are stocked", len(s.queue), cap(s.queue))
		}
	}
	b.raw(make([]prg.Block, reserved))
	if n := len(s.queue) + len(s.free); n > stocked/slabSize+spareSlabs {
		t.Errorf("%d slabs are held where %d are stocked", n, stocked/slabSize)
	}
}
