package runtime

import (
	"context"
	"sync"
	"time"
)

// Gate holds preparations up while inputs wait for their answers: those of one session, or of all
// that share it. Its zero value is open.
type Gate struct {
	mu   sync.Mutex
	busy int
	open chan struct{} // closed when nobody is busy any more; nil: nobody is
}

// shut closes the gate until release, which may be called more than once.
func (g *Gate) shut() (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy++; g.open == nil {
		g.open = make(chan struct{})
	}
	return sync.OnceFunc(g.release)
}

func (g *Gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy--; g.busy == 0 {
		close(g.open)
		g.open = nil
	}
}

// pass waits until the gate is open, or until enough was waited; nil: however long that takes.
func (g *Gate) pass(ctx context.Context, enough <-chan time.Time) error {
	for {
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		if open == nil {
			return ctx.Err()
		}
		select {
		case <-open:
		case <-enough:
			return ctx.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// patience is how long a step of a preparation waits for other sessions' inferences: under steady
// load it goes on, a step at a time, before anybody takes its session for one that stands still.
const patience = 2 * time.Second

// giveWay is where a preparation waits for those who have an input: its own session's inference,
// which may take its time, and those of other sessions. These it does not wait for while its own
// session has nothing to do but wait for it.
func (s *session) giveWay(ctx context.Context) error {
	if err := s.busy.pass(ctx, nil); err != nil {
		return err
	}
	if s.cfg.Gate == nil || s.due.Load() {
		return ctx.Err()
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	return s.cfg.Gate.pass(ctx, t.C)
}

// urgent keeps preparations from beginning a step, this session's and those of all that share
// its gate, until release.
func (s *session) urgent() (release func()) {
	own := s.busy.shut()
	if s.cfg.Gate == nil {
		return own
	}
	all := s.cfg.Gate.shut()
	return func() { own(); all() }
}
