package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// errNoRoom is why a client was not let in.
var errNoRoom = errors.New("the server is busy with other clients")

// gate lets sessions in as long as the memory that their plans are predicted to take is
// there. Others wait: whoever has the fewest sessions running comes first, among equals whose
// last turn is longest ago, then who came first. Nobody overtakes the first, so that a large
// session's turn comes too.
type gate struct {
	memory int64 // in all
	most   int   // sessions at once
	queue  int   // how many may wait

	mu      sync.Mutex
	held    int64
	running map[string]int // of every client
	last    map[string]int // turn of every client that runs or waits
	turns   int
	count   int
	waiting []*waiter
}

type waiter struct {
	client string
	memory int64
	in     chan struct{} // closed once it is let in
	out    chan struct{} // closed once it is sent away
}

func newGate(memory int64, most, queue int) *gate {
	return &gate{memory: memory, most: most, queue: queue, running: map[string]int{}, last: map[string]int{}}
}

// enter waits for room until the context ends.
func (g *gate) enter(ctx context.Context, client string, memory int64) (leave func(), err error) {
	w := &waiter{client, memory, make(chan struct{}), make(chan struct{})}
	g.join(w)
	select {
	case <-w.in:
	case <-w.out:
		return nil, fmt.Errorf("%w: too many wait", errNoRoom)
	case <-ctx.Done():
		if g.giveUp(w) {
			return nil, fmt.Errorf("%w: no room within the time that a session may wait", errNoRoom)
		}
		select { // it was decided about at the same moment
		case <-w.in:
		default:
			return nil, errNoRoom
		}
	}
	return sync.OnceFunc(func() { g.leave(w) }), nil
}

// join lets a client in, or has it wait behind the others. Of too many, the last of whoever
// has the most waiting is sent away, so that one client's crowd is in nobody else's way.
func (g *gate) join(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, w)
	g.letIn()
	if len(g.waiting) <= g.queue {
		return
	}
	of, last := map[string]int{}, 0
	for _, o := range g.waiting {
		of[o.client]++
	}
	for i, o := range g.waiting {
		if of[o.client] >= of[g.waiting[last].client] {
			last = i
		}
	}
	away := g.waiting[last]
	close(away.out)
	g.waiting = slices.Delete(g.waiting, last, last+1)
	g.forget(away.client)
}

// giveUp takes a client out of the queue; false if it is not there any more.
func (g *gate) giveUp(w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.Index(g.waiting, w)
	if at < 0 {
		return false
	}
	g.waiting = slices.Delete(g.waiting, at, at+1)
	g.letIn() // it may have been in the way of smaller ones
	g.forget(w.client)
	return true
}

func (g *gate) leave(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held -= w.memory
	g.count--
	if g.running[w.client]--; g.running[w.client] == 0 {
		delete(g.running, w.client)
	}
	g.letIn()
	g.forget(w.client)
}

// forget drops the turn of a client that neither runs nor waits.
func (g *gate) forget(client string) {
	if g.running[client] == 0 && !slices.ContainsFunc(g.waiting, func(o *waiter) bool { return o.client == client }) {
		delete(g.last, client)
	}
}

// letIn lets in whom there is room for; who is alone always has room.
func (g *gate) letIn() {
	for len(g.waiting) > 0 {
		w := slices.MinFunc(g.waiting, func(a, b *waiter) int {
			return cmp.Or(g.running[a.client]-g.running[b.client], g.last[a.client]-g.last[b.client])
		}) // the first of equals
		if g.count > 0 && (g.count >= g.most || g.held+w.memory > g.memory) {
			return
		}
		at := slices.Index(g.waiting, w)
		g.waiting = slices.Delete(g.waiting, at, at+1)
		g.turns++
		g.last[w.client] = g.turns
		g.held += w.memory
		g.count++
		g.running[w.client]++
		close(w.in)
	}
}

// state is what is held and how many run and wait.
func (g *gate) state() (held int64, running, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held, g.count, len(g.waiting)
}
