package ot

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"secc.example/secc/runtime/guard"
	"secc.example/secc/runtime/mpc/prg"
)

// slabSize is the number of OTs that pass from producer to consumer at once.
const slabSize = 8192

// slab is a stretch of OTs. It goes back to the producer when all of it is used.
type slab struct {
	blocks []prg.Block
	unused atomic.Int64
}

// stock is the store between a producer goroutine and Take.
//
// It is bounded, so the two parties' producers and consumers wait for each other in a
// circle unless the consumers behave:
//
//   - both parties take from the two directions in one order (nonlinear.bothWays);
//   - a consumer that finds its stock empty first flushes its channel, and lets the peer send
//     on while it waits (Waiter): the peer, if it is behind, needs both to catch up.
//
// Then the party that is behind always goes on: what it wants to read has been sent, what it
// sends is taken in, and of the OTs that it wants the peer's producer has made its part, as
// the peer's consumer has come as far at least, and has sent it, as a producer flushes before it waits.
type stock struct {
	total int64
	key   prg.Block // of the hash; valid once ready is closed

	queue  chan *slab    // made, in order; closed at the end
	free   chan *slab    // used up
	ready  chan struct{} // closed when the one-time setup has ended, well or not
	stop   chan struct{} // closed by Close or the end of the context
	closed sync.Once
	unwire func() bool
	err    error // why the producer ended early; valid once queue is closed

	current *slab // being taken from
	offset  int
	taken   int64
}

func (s *stock) start(ctx context.Context, total int64, ahead int, setup func() (extension, session, error)) {
	if ahead <= 0 {
		ahead = 1 << 20
	}
	s.total = total
	depth := max(1, ahead/slabSize)
	s.queue = make(chan *slab, depth)
	s.free = make(chan *slab, depth+2) // those being made and being taken from, too
	s.ready = make(chan struct{})
	s.stop = make(chan struct{})
	s.unwire = context.AfterFunc(ctx, func() { s.Close() })
	var ext extension
	guard.Go(func() (err error) {
		ext, err = s.prepare(setup)
		if err == nil {
			err = s.produce(ext)
		}
		return err
	}, func(err error) {
		s.err = err
		if ext == nil {
			close(s.ready)
		}
		s.unwire()
		close(s.queue)
	})
}

// prepare is the one-time setup.
func (s *stock) prepare(setup func() (extension, session, error)) (extension, error) {
	ext, sess, err := setup()
	if err != nil {
		return nil, err
	}
	s.key = sess.key("hash")
	close(s.ready)
	return ext, nil
}

// produce makes all OTs.
func (s *stock) produce(ext extension) error {
	for made := int64(0); made < s.total; {
		b := s.slab(int(min(slabSize, s.total-made)))
		if err := ext.fill(b.blocks); err != nil {
			return err
		}
		made += int64(len(b.blocks))
		if err := s.hand(ext, b, made == s.total || made/slabSize%flushEvery == 0); err != nil {
			return err
		}
	}
	return nil
}

// flushEvery slabs the peer is sent what it needs, and always before this
// party waits or ends: it could otherwise wait for a peer that starves.
const flushEvery = 16

// hand puts a slab into the queue.
func (s *stock) hand(ext extension, b *slab, flush bool) error {
	if !flush {
		select {
		case s.queue <- b:
			return nil
		default:
		}
	}
	if err := ext.flush(); err != nil {
		return err
	}
	select {
	case s.queue <- b:
		return nil
	case <-s.stop:
		return ErrClosed
	}
}

// slab takes a used one or makes one.
func (s *stock) slab(n int) *slab {
	var b *slab
	select {
	case b = <-s.free:
	default:
		b = &slab{blocks: make([]prg.Block, min(slabSize, s.total))}
	}
	b.blocks = b.blocks[:n]
	b.unused.Store(int64(n))
	return b
}

// spareSlabs are kept beside a full queue.
const spareSlabs = 4

// takeBack keeps a slab for the producer while there is room for it in the stock. What comes back of a large
// reserve when the queue is full again is garbage: the plan counts what is stocked once.
func (s *stock) takeBack(b *slab) {
	if len(s.queue)+len(s.free) >= cap(s.queue)+spareSlabs {
		return
	}
	select {
	case s.free <- b:
	default:
	}
}

// Wait returns when the one-time setup is done, with its error.
func (s *stock) Wait(ctx context.Context) error {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.stop:
		return ErrClosed
	default:
	}
	if s.key == (prg.Block{}) { // setup failed: the queue is closed, so err is safe to read
		for range s.queue {
		}
		return fmt.Errorf("ot: %w", s.err)
	}
	return nil
}

// Remaining is the number of OTs not yet taken.
func (s *stock) Remaining() int64 { return s.total - s.taken }

// Close stops the producer. One that waits for the peer ends with its
// connection; Close does not wait for it.
func (s *stock) Close() error {
	s.closed.Do(func() { close(s.stop) })
	return nil
}

// Waiter is the channel that the consumer of OTs uses: it learns when the consumer waits
// for OTs and not for data. See transport.Lane.
type Waiter interface {
	Elsewhere() (back func(), err error)
}

// take collects n OTs from the queue. A consumer without a channel gives no Waiter.
func (s *stock) take(ctx context.Context, n int, w Waiter) (batch, error) {
	b := batch{n: n, index: uint64(s.taken)}
	if n < 0 || int64(n) > s.Remaining() {
		return b, fmt.Errorf("%w: %d of %d are left, %d wanted", ErrExhausted, s.Remaining(), s.total, n)
	}
	for need := n; need > 0; {
		if s.current == nil {
			if err := s.advance(ctx, w); err != nil {
				return b, err
			}
		}
		m := min(need, len(s.current.blocks)-s.offset)
		b.parts = append(b.parts, part{s.current, s.current.blocks[s.offset : s.offset+m]})
		s.taken += int64(m)
		need -= m
		if s.offset += m; s.offset == len(s.current.blocks) {
			s.current, s.offset = nil, 0
		}
	}
	b.home = s
	if n > 0 {
		b.hash = prg.NewHash(s.key)
	}
	return b, nil
}

// advance takes the next slab.
func (s *stock) advance(ctx context.Context, w Waiter) error {
	select {
	case <-s.stop: // closed or cancelled: nothing more is handed out
		return s.closedErr(ctx)
	default:
	}
	select {
	case b, ok := <-s.queue:
		return s.begin(b, ok)
	default:
	}
	if w != nil {
		back, err := w.Elsewhere()
		if err != nil {
			return err
		}
		defer back()
	}
	select {
	case b, ok := <-s.queue:
		return s.begin(b, ok)
	case <-s.stop:
		return s.closedErr(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stock) begin(b *slab, ok bool) error {
	if !ok {
		return fmt.Errorf("ot: %w", s.err)
	}
	s.current = b
	return nil
}

func (s *stock) closedErr(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return ErrClosed
}
