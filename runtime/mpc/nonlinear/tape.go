package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
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
//
// Messages that depend on nothing but what is on the tape (and on the client's operand, where
// that is known) are not sent when the tape is played. There are two kinds. *Early* ones are
// given by the recording, in their order, and whoever plays has the peer's beside the tape.
// Those *ahead* go from client to server while both record, and the server takes them in at
// once: what they are needed for is then on its tape, and they are not kept.
type Tape struct {
	buf   []byte
	at    int
	play  bool
	early []byte // recording: this party's early messages; playing: the peer's
	heard int
	ahead transport.Conn // recording: where messages go ahead
}

// NewTape is an empty tape with room for so many bytes and so many of early messages, and what
// goes ahead goes over a connection. It is written to where there is room for it, if that is large enough.
func NewTape(where []byte, size, early int64, ahead transport.Conn) *Tape {
	if int64(cap(where)) < size {
		where = make([]byte, size)
	}
	return &Tape{buf: where[:0:size], early: make([]byte, 0, early), ahead: ahead}
}

// aheadBits moves n bits from the client's b to the server's, while they record.
func (p *Party) aheadBits(b []uint64, n int) error {
	w := p.part(ring.PackedLen(n, 1))
	if !p.isServer() {
		ring.PackBits(w, b, n)
		return p.Tape.ahead.Send(w)
	}
	if err := p.Tape.ahead.Recv(w); err != nil {
		return err
	}
	return violation(ring.UnpackBits(b, w, n))
}

// aheadWords moves numbers from the client's x to the server's, while they record.
func (p *Party) aheadWords(x []uint64, bits int) error {
	w := p.part(ring.PackedLen(len(x), bits))
	if !p.isServer() {
		ring.Pack(w, x, bits)
		return p.Tape.ahead.Send(w)
	}
	if err := p.Tape.ahead.Recv(w); err != nil {
		return err
	}
	return violation(ring.Unpack(x, w, bits))
}

// recording tells whether what this party does is for a tape. Then it takes OTs and sends what goes ahead or
// early; what would follow from the operands it leaves out, for nobody has them.
func (p *Party) recording() bool { return p.Tape != nil && !p.Tape.play }

// kept is for how many of n elements there must be room: of what is recorded nobody looks at a
// chunk again that is on the tape.
func (p *Party) kept(n int) int {
	if p.recording() {
		return min(n, wire.Chunk)
	}
	return n
}

// from is where in that room the chunk from element lo on lies.
func (p *Party) from(lo int) int {
	if p.recording() {
		return 0
	}
	return lo
}

// drawn is n words for what OTs give: zeros, to which a protocol adds, but of any content where a tape fills
// them or where they are cleared chunk by chunk.
func (p *Party) drawn(n int) []uint64 {
	if p.Tape != nil {
		return p.Memory.Dirty(n)
	}
	return p.Memory.Words(n)
}

// Bytes is what was recorded, and the early messages.
func (t *Tape) Bytes() (recorded, early []byte) { return t.buf, t.early }

// Recorded is a tape that was recorded before, with the peer's early messages. The bytes are
// the tape's from now on.
func Recorded(b, early []byte) *Tape { return &Tape{buf: b, early: early, play: true} }

// Done checks that all of a played tape was used, and lets go of it.
func (t *Tape) Done() error {
	if t.at != len(t.buf) || t.heard != len(t.early) {
		return fmt.Errorf("nonlinear: %d bytes of a tape and %d of early messages are left", len(t.buf)-t.at, len(t.early)-t.heard)
	}
	t.buf, t.early = nil, nil
	return nil
}

// sends and receives are how bits go: early, or when their turn comes.
func (p *Party) sends(early bool) func(b []uint64, n int) error {
	if early {
		return p.sendEarly
	}
	return p.sendBits
}

func (p *Party) receives(early bool) func(b []uint64, n int) error {
	if early {
		return p.recvEarly
	}
	return p.recvBits
}

// sendEarly sends bits that a recording knows.
func (p *Party) sendEarly(b []uint64, n int) error {
	t := p.Tape
	switch {
	case t == nil:
		return p.sendBits(b, n)
	case t.play:
		return nil
	}
	at := len(t.early)
	if at+ring.PackedLen(n, 1) > cap(t.early) {
		return fmt.Errorf("nonlinear: more than %d bytes of early messages", cap(t.early))
	}
	t.early = t.early[:at+ring.PackedLen(n, 1)]
	ring.PackBits(t.early[at:], b, n)
	return nil
}

// recvEarly receives bits that the peer's recording knew.
func (p *Party) recvEarly(b []uint64, n int) error {
	t := p.Tape
	switch {
	case t == nil:
		return p.recvBits(b, n)
	case !t.play:
		clear(b)
		return nil
	}
	size := ring.PackedLen(n, 1)
	if t.heard+size > len(t.early) {
		return fmt.Errorf("nonlinear: %d bytes of early messages have come to their end", len(t.early))
	}
	t.heard += size
	return violation(ring.UnpackBits(b, t.early[t.heard-size:t.heard], n))
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
// its place. What the client sends ahead leaves at once: the server takes its OTs as it reads,
// and neither party makes OTs for long while the other takes none.
func (p *Party) material(make func() error, move func(t *Tape) error) error {
	if p.Tape != nil && p.Tape.play {
		return move(p.Tape)
	}
	if err := make(); err != nil || p.Tape == nil {
		return err
	}
	if err := p.Tape.ahead.Flush(); err != nil {
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
