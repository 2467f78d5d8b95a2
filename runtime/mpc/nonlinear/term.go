package nonlinear

import (
	"context"
	"slices"

	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// term is a product of one party's private bits with the other's private
// numbers, element by element, into shares of Z_2^width.
type term struct {
	sender transport.Role // who holds the numbers; the other holds the bits
	width  int
	bit    []uint64 // at the receiver: bit vector
	val    []uint64 // at the sender: one number an element
	out    []uint64 // this party's share, times 2^shift, is added to what is there; not reduced
	shift  int

	p0, p1 []uint64 // sender: pads. receiver: p0 the pad
	flip   []uint64 // receiver: sent correction
}

// products evaluates terms of n elements each.
//
// Functionality: bit c at the receiver, v at the sender -> shares of c*v in Z_2^width.
// Correlated OT from random OT (Beaver), both corrections sent before either is known:
// e = c ^ r and d = v - (p1 - p0). The sender holds e ? p1 : -p0, the receiver
// c*d + (e ? -p_r : p_r).
// One flight, both ways: the receiver sends 1 bit, the sender width bits, an element
// and term; one OT. Exact; leaks nothing: e is masked by a uniform choice, d by the pad
// the receiver lacks.
func (p *Party) products(ctx context.Context, n int, terms []term) error {
	if err := p.startProducts(ctx, n, terms); err != nil {
		return err
	}
	if err := p.Conn.Flush(); err != nil {
		return err
	}
	return p.endProducts(n, terms)
}

// startProducts is this party's half of products. What it sends leaves with the
// next flush; other protocols may run before endProducts.
func (p *Party) startProducts(ctx context.Context, n int, terms []term) error {
	// The server's OTs are taken before the client's: see bothWays.
	slices.SortStableFunc(terms, func(a, b term) int { return int(a.sender) - int(b.sender) })
	for i := range terms {
		terms[i].alloc(n, p.Role)
	}
	return chunks(n, func(lo, n int) error { return p.maskTerms(ctx, terms, lo, n) })
}

// endProducts receives the peer's half.
func (p *Party) endProducts(n int, terms []term) error {
	return chunks(n, func(lo, n int) error {
		for i := range terms {
			if err := p.openTerm(&terms[i], lo, n); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *term) alloc(n int, role transport.Role) {
	t.p0 = make([]uint64, n)
	if t.sender == role {
		t.p1 = make([]uint64, n)
	} else {
		t.flip = make([]uint64, ring.Words(n))
	}
}

func (p *Party) maskTerms(ctx context.Context, terms []term, lo, n int) error {
	for i := range terms {
		mask := p.maskBits
		if terms[i].sender == p.Role {
			mask = p.maskValues
		}
		if err := mask(ctx, &terms[i], lo, n); err != nil {
			return err
		}
	}
	return nil
}

// padBits: pads of one bit come packed; terms want words.
func (t *term) padBits() int { return max(t.width, 2) }

func (p *Party) maskValues(ctx context.Context, t *term, lo, n int) error {
	p0, p1, val := t.p0[lo:lo+n], t.p1[lo:lo+n], t.val[lo:lo+n]
	err := p.material(func() error {
		batch, err := p.Corr.Send(ctx, n)
		if err == nil {
			batch.PadsInto(t.padBits(), p0, p1)
		}
		return err
	}, func(tape *Tape) error { return tape.words(t.width, p0, p1) })
	if err != nil {
		return err
	}
	d, _ := p.scratch(n)
	for i := range d {
		d[i] = val[i] - p1[i] + p0[i]
	}
	return p.sendWords(d, t.width)
}

func (p *Party) maskBits(ctx context.Context, t *term, lo, n int) error {
	flip, pad := window(t.flip, lo, n), t.p0[lo:lo+n]
	err := p.material(func() error {
		batch, err := p.Corr.Recv(ctx, n)
		if err == nil {
			batch.PadsInto(t.padBits(), flip, pad)
		}
		return err
	}, func(tape *Tape) error {
		if err := tape.planes(n, flip); err != nil {
			return err
		}
		return tape.words(t.width, pad)
	})
	if err != nil {
		return err
	}
	xor(flip, window(t.bit, lo, n))
	return p.sendBits(flip, n)
}

func (p *Party) openTerm(t *term, lo, n int) error {
	if t.sender == p.Role {
		return p.openValues(t, lo, n)
	}
	return p.openBits(t, lo, n)
}

func (p *Party) openValues(t *term, lo, n int) error {
	flip := make([]uint64, ring.Words(n))
	if err := p.recvBits(flip, n); err != nil {
		return err
	}
	p0, p1, out := t.p0[lo:lo+n], t.p1[lo:lo+n], t.out[lo:lo+n]
	for i := range out {
		e := -ring.Bit(flip, i)
		out[i] += (p1[i]&e - p0[i]&^e) << t.shift
	}
	return nil
}

func (p *Party) openBits(t *term, lo, n int) error {
	d, _ := p.scratch(n)
	if err := p.recvWords(d, t.width); err != nil {
		return err
	}
	flip, bit := window(t.flip, lo, n), window(t.bit, lo, n)
	pad, out := t.p0[lo:lo+n], t.out[lo:lo+n]
	for i := range out {
		e := -ring.Bit(flip, i)
		out[i] += (d[i]&-ring.Bit(bit, i) + (pad[i] ^ e - e)) << t.shift
	}
	return nil
}
