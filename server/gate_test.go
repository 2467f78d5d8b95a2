package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// entered starts waiting for room and tells what came of it.
func entered(t *testing.T, g *gate, client string, memory int64, limit time.Duration) (leave chan func(), failed chan error) {
	leave, failed = make(chan func(), 1), make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		done, err := g.enter(ctx, client, memory)
		if err != nil {
			failed <- err
			return
		}
		leave <- done
	}()
	synctest.Wait()
	return leave, failed
}

// Sessions are let in by memory; of those that wait, first who has none running.
func TestGateIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(100, 10, 10)
		a1, _ := entered(t, g, "a", 60, time.Hour)
		a2, _ := entered(t, g, "a", 60, time.Hour)
		a3, _ := entered(t, g, "a", 10, time.Hour)
		b1, _ := entered(t, g, "b", 60, time.Hour)
		if len(a1) != 1 || len(a2)+len(a3)+len(b1) != 0 {
			t.Fatalf("let in: %d %d %d %d", len(a1), len(a2), len(a3), len(b1))
		}
		// a's second is in the way of a's third, and b comes before both.
		leave := <-a1
		leave()
		leave() // twice is once
		synctest.Wait()
		if len(b1) != 1 || len(a2) != 0 || len(a3) != 0 {
			t.Fatalf("after the first has left: a2 %d a3 %d b1 %d", len(a2), len(a3), len(b1))
		}
		(<-b1)()
		synctest.Wait()
		if len(a2) != 1 || len(a3) != 1 {
			t.Errorf("at last: a2 %d a3 %d", len(a2), len(a3))
		}
		(<-a2)()
		(<-a3)()
		if held, running, waiting := g.state(); held != 0 || running != 0 || waiting != 0 || len(g.running)+len(g.last) != 0 {
			t.Errorf("left behind: %d bytes, %d sessions, %d waiting, %v", held, running, waiting, g.running)
		}
	})
}

// A session that is too large for the memory runs alone.
func TestGateLargeSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(100, 10, 10)
		small, _ := entered(t, g, "a", 1, time.Hour)
		large, _ := entered(t, g, "b", 1000, time.Hour)
		if len(large) != 0 {
			t.Fatal("it was let in beside another")
		}
		(<-small)()
		synctest.Wait()
		if len(large) != 1 {
			t.Fatal("it was not let in alone")
		}
	})
}

// Who waits too long hears so and is in nobody's way; of too many, the crowd's last goes.
func TestGateQueueEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(100, 1, 2)
		first, _ := entered(t, g, "a", 1, time.Hour)
		_, late := entered(t, g, "a", 1, time.Second)
		time.Sleep(2 * time.Second)
		if err := <-late; !errors.Is(err, errNoRoom) {
			t.Errorf("too late: %v", err)
		}
		w1, _ := entered(t, g, "a", 1, time.Hour)
		w2, crowded := entered(t, g, "a", 1, time.Hour)
		b, _ := entered(t, g, "b", 1, time.Hour)
		if err := <-crowded; !errors.Is(err, errNoRoom) {
			t.Errorf("of the crowd: %v", err)
		}
		(<-first)()
		synctest.Wait()
		// Neither has one running now, but a had its turn.
		if len(b) != 1 || len(w1)+len(w2) != 0 {
			t.Fatalf("%d %d %d", len(w1), len(w2), len(b))
		}
		(<-b)()
		synctest.Wait()
		if len(w1) != 1 {
			t.Error("the first of the crowd was not let in")
		}
	})
}

// Who has fewer sessions running comes before who had the last turn longer ago.
func TestGateCountsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(100, 4, 10)
		a1, _ := entered(t, g, "a", 1, time.Hour)
		a2, _ := entered(t, g, "a", 1, time.Hour)
		b1, _ := entered(t, g, "b", 1, time.Hour)
		c1, _ := entered(t, g, "c", 1, time.Hour)
		a3, _ := entered(t, g, "a", 1, time.Hour)
		b2, _ := entered(t, g, "b", 1, time.Hour)
		(<-c1)()
		synctest.Wait()
		if len(a3) != 0 || len(b2) != 1 {
			t.Errorf("a with two sessions: %d let in; b with one: %d", len(a3), len(b2))
		}
		for _, leave := range []chan func(){a1, a2, b1, b2, a3} {
			(<-leave)()
			synctest.Wait()
		}
	})
}
