// Package nonlinear computes on shares what linear operators cannot: signs,
// maxima, clips, ring changes, products of secrets. All of it is built from two
// things: AND gates on bit-sliced vectors and products of one party's bits with
// the other's numbers, both made from random oblivious transfers.
//
// A protocol takes and returns this party's share: words of Z_2^k for numbers,
// bit vectors (64 to a word) for XOR-shared bits. Every protocol works on a whole
// vector; its number of messages depends on the ring, never on the length, and the
// length of every message depends on public sizes only.
//
// The package knows no plan, no tensor shape and no weight format; it does not
// make the correlations it uses up (package ot does), and it chooses nothing.
package nonlinear

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// SendPads is a batch of random OTs at the OT sender: two pads each.
type SendPads interface {
	// PadsInto fills both pads of every OT: bit-packed for bits == 1, else one
	// word each, below 2^bits. A batch can be read once.
	PadsInto(bits int, p0, p1 []uint64)
}

// RecvPads is the same batch at the OT receiver: a random choice and that pad.
type RecvPads interface {
	PadsInto(bits int, choice, p []uint64)
}

// Correlations hands out random OTs. Both parties take the same batches in the
// same order.
type Correlations interface {
	Send(ctx context.Context, n int) (SendPads, error) // this party is the OT sender
	Recv(ctx context.Context, n int) (RecvPads, error) // this party is the OT receiver
}

// Party is one side of the protocols. It is used by one goroutine at a time.
type Party struct {
	Role transport.Role
	Conn transport.Conn
	Corr Correlations
	Tape *Tape     // where what OTs give is recorded or comes from; nil: it is made as it is used
	Rand io.Reader // of the client's shares that are drawn as a tape is recorded; nil: the system's

	Share []uint64 // client: its share of the result of a relu with labels, known ahead

	Memory *Memory // of what is used in passing

	wire   []byte // one message part
	spares spares
}

// chunks visits [0, n) in pieces of at most wire.Chunk elements.
func chunks(n int, f func(lo, n int) error) error { return wire.Slabs(n, wire.Chunk, f) }

// isServer tells which party adds public constants to its share.
func (p *Party) isServer() bool { return p.Role == transport.Server }

// part is scratch for a piece of a message.
func (p *Party) part(n int) []byte {
	if cap(p.wire) < n {
		p.wire = make([]byte, n)
	}
	return p.wire[:n]
}

func (p *Party) sendBits(b []uint64, n int) error {
	w := p.part(ring.PackedLen(n, 1))
	ring.PackBits(w, b, n)
	return p.Conn.Send(w)
}

func (p *Party) recvBits(b []uint64, n int) error {
	w := p.part(ring.PackedLen(n, 1))
	if err := p.Conn.Recv(w); err != nil {
		return err
	}
	return violation(ring.UnpackBits(b, w, n))
}

func (p *Party) sendWords(x []uint64, bits int) error {
	w := p.part(ring.PackedLen(len(x), bits))
	ring.Pack(w, x, bits)
	return p.Conn.Send(w)
}

func (p *Party) recvWords(x []uint64, bits int) error {
	w := p.part(ring.PackedLen(len(x), bits))
	if err := p.Conn.Recv(w); err != nil {
		return err
	}
	return violation(ring.Unpack(x, w, bits))
}

func violation(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", transport.ErrViolation, err)
	}
	return nil
}

// random fills x with uniform numbers.
func (p *Party) random(x []uint64, bits int) error {
	from, b, m := p.Rand, make([]byte, 8*len(x)), ring.Mask(bits)
	if from == nil {
		from = rand.Reader
	}
	if _, err := io.ReadFull(from, b); err != nil {
		return fmt.Errorf("randomness: %w", err)
	}
	for i := range x {
		x[i] = binary.LittleEndian.Uint64(b[8*i:]) & m
	}
	return nil
}

// spare is vector i of n words of any content.
func (p *Party) spare(i, n int) []uint64 {
	s := &p.spares
	if p.Memory != nil {
		s = &p.Memory.spares
	}
	if cap(s[i]) < n {
		s[i] = make([]uint64, max(n, wire.Chunk))
	}
	return s[i][:n]
}

// scratch gives two vectors of n words.
func (p *Party) scratch(n int) (a, b []uint64) { return p.spare(0, n), p.spare(1, n) }

// pads gives two more, for pads of which several numbers are cut.
func (p *Party) pads(n int) (a, b []uint64) { return p.spare(3, n), p.spare(4, n) }

// sendPlanes takes n random OTs as their sender and gives the pads bit-sliced.
func (p *Party) sendPlanes(ctx context.Context, n int, p0, p1 [][]uint64) error {
	batch, err := p.Corr.Send(ctx, n)
	if err != nil {
		return err
	}
	if len(p0) == 1 {
		batch.PadsInto(1, p0[0], p1[0])
		return nil
	}
	w0, w1 := p.scratch(n)
	batch.PadsInto(len(p0), w0, w1)
	ring.Slice(p0, w0, 0)
	ring.Slice(p1, w1, 0)
	return nil
}

// recvPlanes is the receiver's side of sendPlanes.
func (p *Party) recvPlanes(ctx context.Context, n int, choice []uint64, pad [][]uint64) error {
	batch, err := p.Corr.Recv(ctx, n)
	if err != nil {
		return err
	}
	if len(pad) == 1 {
		batch.PadsInto(1, choice, pad[0])
		return nil
	}
	w, _ := p.scratch(n)
	batch.PadsInto(len(pad), choice, w)
	ring.Slice(pad, w, 0)
	return nil
}

// bothWays runs the part in which the server is the OT sender and the part in
// which the client is, in that order at both parties: taking from the two
// streams in different orders could make each party wait for the other.
func (p *Party) bothWays(asSender, asReceiver func() error) error {
	first, second := asSender, asReceiver
	if !p.isServer() {
		first, second = asReceiver, asSender
	}
	if err := first(); err != nil {
		return err
	}
	return second()
}

// window cuts the words of elements [lo, lo+n) out of a bit vector; lo is a
// multiple of wire.Chunk.
func window(b []uint64, lo, n int) []uint64 { return b[lo/64 : lo/64+ring.Words(n)] }

// windows cuts the same elements out of several.
func windows(p [][]uint64, lo, n int) [][]uint64 {
	w := make([][]uint64, len(p))
	for i := range p {
		w[i] = window(p[i], lo, n)
	}
	return w
}

// Source is one direction of correlations, as package ot gives it.
type Source[B any] interface {
	Take(ctx context.Context, n int) (B, error)
}

// From makes Correlations of a sender's and a receiver's source.
func From[S SendPads, R RecvPads](send Source[S], recv Source[R]) Correlations {
	return sources[S, R]{send, recv}
}

type sources[S SendPads, R RecvPads] struct {
	send Source[S]
	recv Source[R]
}

func (s sources[S, R]) Send(ctx context.Context, n int) (SendPads, error) { return s.send.Take(ctx, n) }

func (s sources[S, R]) Recv(ctx context.Context, n int) (RecvPads, error) { return s.recv.Take(ctx, n) }
