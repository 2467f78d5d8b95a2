package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// Tape is what one call of a protocol takes of random OTs, hashed down to the bits that it
// uses, in the order in which it uses them. It is recorded before the operands exist, and
// played once when they do: what is then done takes no OT.
//
// What is on a tape follows from the protocol and its public sizes alone, and the protocol
// itself drives the recording: it runs with operands of zeros, and whatever it would send
// goes nowhere. So the two walks agree by construction.
type Tape struct {
	buf    []byte
	at     int
	play   bool
	played bool
}

// NewTape is an empty tape with room for so many bytes.
func NewTape(size int64) *Tape { return &Tape{buf: make([]byte, 0, size)} }

// Bytes is what was recorded.
func (t *Tape) Bytes() []byte { return t.buf }

// Recorded is a tape that was recorded before. The bytes are the tape's from now on.
func Recorded(b []byte) *Tape { return &Tape{buf: b, play: true} }

// Play turns the tape round. It can be played once.
func (t *Tape) Play() *Tape {
	if t.played {
		panic("BUG: nonlinear: a tape is played twice")
	}
	t.played = true
	return &Tape{buf: t.buf, play: true}
}

// Done checks that all of a played tape was used, and lets go of it.
func (t *Tape) Done() error {
	if t.at != len(t.buf) {
		return fmt.Errorf("nonlinear: %d of %d bytes of a tape are left", len(t.buf)-t.at, len(t.buf))
	}
	t.buf = nil
	return nil
}

// piece is the next n bytes, to be read or to be written.
func (t *Tape) piece(n int) ([]byte, error) {
	if !t.play {
		at := len(t.buf)
		if at+n > cap(t.buf) {
			return nil, fmt.Errorf("nonlinear: a tape of %d bytes is full", cap(t.buf))
		}
		t.buf = t.buf[:at+n]
		return t.buf[at:], nil
	}
	if t.at+n > len(t.buf) {
		return nil, fmt.Errorf("nonlinear: a tape of %d bytes has come to its end", len(t.buf))
	}
	t.at += n
	return t.buf[t.at-n : t.at], nil
}

// planes moves bit vectors of n bits.
func (t *Tape) planes(n int, all ...[]uint64) error {
	size := ring.PackedLen(n, 1)
	for _, b := range all {
		p, err := t.piece(size)
		if err != nil {
			return err
		}
		if t.play {
			if err := ring.UnpackBits(b, p, n); err != nil {
				return err
			}
			continue
		}
		ring.PackBits(p, b, n)
	}
	return nil
}

// words moves numbers.
func (t *Tape) words(bits int, all ...[]uint64) error {
	for _, x := range all {
		p, err := t.piece(ring.PackedLen(len(x), bits))
		if err != nil {
			return err
		}
		if t.play {
			if err := ring.Unpack(x, p, bits); err != nil {
				return err
			}
			continue
		}
		ring.Pack(p, x, bits)
	}
	return nil
}

// material makes what one step takes of OTs, or reads it off the tape.
//
// make takes OTs; move tells the tape what is made, to be written behind make or to be read in
// its place.
func (p *Party) material(make func() error, move func(t *Tape) error) error {
	if p.Tape != nil && p.Tape.play {
		return move(p.Tape)
	}
	if err := make(); err != nil || p.Tape == nil {
		return err
	}
	return move(p.Tape)
}

// Nowhere is the connection of a party that records: what is sent goes nowhere, and what is
// received is zeros.
type Nowhere struct{}

func (Nowhere) Send([]byte) error      { return nil }
func (Nowhere) Recv(p []byte) error    { clear(p); return nil }
func (Nowhere) Flush() error           { return nil }
func (Nowhere) Stats() transport.Stats { return transport.Stats{} }

var _ transport.Conn = Nowhere{}

// triples makes shares of a random bit vector a, of b_j and of a & b_j for a chunk of n bits.
// scratch is room for as many vectors as there are b_j.
func (p *Party) triples(ctx context.Context, n int, a []uint64, b, c, scratch [][]uint64) error {
	return p.material(func() error {
		err := p.bothWays(
			func() error { return p.sendPlanes(ctx, n, c, b) },
			func() error { return p.recvPlanes(ctx, n, a, scratch) },
		)
		for j := range b {
			triple(a, b[j], c[j], scratch[j])
		}
		return err
	}, func(t *Tape) error {
		return t.planes(n, append(append([][]uint64{a}, b...), c...)...)
	})
}
