// Package ot makes correlated and random oblivious transfers in bulk: base OTs
// on edwards25519, the SoftSpoken extension and, for next to no communication,
// silent OT (Ferret on a half-tree).
//
// A Sender holds Delta and blocks q; a Receiver holds choice bits r and blocks t with
// t = q ^ r*Delta. Take hands them out as batches that can be used once: as
// random OT pads (Pads), as 1-of-2^m pads (TablePads), or raw (Blocks). A
// goroutine of each party makes them ahead of use, on a channel of its own.
//
// The package is secure against semi-honest peers. It knows nothing of plans:
// how many OTs are wanted and by which extension is told to it, and from that
// alone follow all bytes it sends.
package ot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// Config says how OTs are made. Both parties must use the same Kind, K and Set.
type Config struct {
	Kind  string
	K     int // SoftSpoken: 2, 4 or 8 bits a group
	Set   int // Ferret: depth of the trees, which names the parameter set
	Ahead int // OTs made ahead of use at most, 16 bytes each; 0 means 1<<20
}

func (c Config) check(total int64) error {
	if err := wire.CheckOTs(c.Kind, c.K, c.Set, total); err != nil {
		return fmt.Errorf("ot: %w", err)
	}
	return nil
}

// tag is what both parties must agree on.
func (c Config) tag(total int64) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "secc.ot/3 %s %d %d %d", c.Kind, c.K, c.Set, total))
}

// extension makes OTs; Delta is fixed.
type extension interface {
	fill(dst []prg.Block) error
	// flush sends what the peer needs for the OTs made so far.
	flush() error
}

// Sender is the party that knows both pads. Take must be called from one
// goroutine at a time; batches may be used on others.
type Sender struct {
	stock
	delta prg.Block
}

// NewSender starts a direction in which this party is the OT sender; the peer calls
// NewReceiver on the same channel with the same configuration and total. It
// returns at once: a goroutine owns conn from here on and runs until total OTs
// are made, the Sender is closed, ctx ends, or the connection does. Its error is what Take returns.
func NewSender(ctx context.Context, conn transport.Conn, cfg Config, total int64, rand io.Reader) (*Sender, error) {
	if err := cfg.check(total); err != nil {
		return nil, err
	}
	var b [prg.BlockSize]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return nil, fmt.Errorf("ot: randomness: %w", err)
	}
	s := &Sender{delta: prg.Load(b[:])}
	s.delta[0] |= 1
	s.start(ctx, total, cfg.Ahead, func() (extension, session, error) {
		return setupSender(conn, cfg, total, s.delta, rand)
	})
	return s, nil
}

// Take returns the next n OTs, waiting until they are made.
func (s *Sender) Take(ctx context.Context, n int) (*SendBatch, error) { return s.takeVia(ctx, n, nil) }

func (s *Sender) takeVia(ctx context.Context, n int, w Waiter) (*SendBatch, error) {
	b, err := s.take(ctx, n, w)
	if err != nil {
		return nil, err
	}
	return &SendBatch{batch: b, delta: s.delta}, nil
}

// Receiver is the party with choice bits. Take must be called from one
// goroutine at a time; batches may be used on others.
type Receiver struct{ stock }

// NewReceiver starts a direction in which this party is the OT receiver; see NewSender.
func NewReceiver(ctx context.Context, conn transport.Conn, cfg Config, total int64, rand io.Reader) (*Receiver, error) {
	if err := cfg.check(total); err != nil {
		return nil, err
	}
	r := new(Receiver)
	r.start(ctx, total, cfg.Ahead, func() (extension, session, error) {
		return setupReceiver(conn, cfg, total, rand)
	})
	return r, nil
}

// Take returns the next n OTs, waiting until they are made.
func (r *Receiver) Take(ctx context.Context, n int) (*RecvBatch, error) {
	return r.takeVia(ctx, n, nil)
}

func (r *Receiver) takeVia(ctx context.Context, n int, w Waiter) (*RecvBatch, error) {
	b, err := r.take(ctx, n, w)
	if err != nil {
		return nil, err
	}
	return &RecvBatch{batch: b}, nil
}

// ErrExhausted: more OTs were asked for than the direction was set up for.
var ErrExhausted = errors.New("ot: more OTs taken than were planned")

// ErrClosed: the Sender or Receiver was closed.
var ErrClosed = errors.New("ot: closed")
