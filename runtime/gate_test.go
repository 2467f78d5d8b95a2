package runtime

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Whoever gives way waits for all that are busy, for no longer than it must, and not at all where
// everybody waits for it.
func TestGate(t *testing.T) {
	shared := new(Gate)
	s := &session{ctx: t.Context(), cfg: Config{Gate: shared}}
	passes := func(want bool, why string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := s.giveWay(ctx); (err == nil) != want || err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", why, err)
		}
	}
	passes(true, "nobody is busy")
	one, other := shared.shut(), shared.shut()
	one()
	one()
	passes(false, "another session's inference runs")
	s.due.Store(true)
	passes(true, "the client waits for this run")
	s.due.Store(false)
	begun := time.Now()
	if err := s.giveWay(t.Context()); err != nil || time.Since(begun) < patience {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
	other()
	passes(true, "the other session's inference is over")
	release := s.urgent()
	s.due.Store(true)
	passes(false, "its own session's inference runs")
	release()
	passes(true, "its own session's inference is over")
	if shared.open != nil || s.busy.open != nil {
		t.Error("a gate stays shut")
	}
}
