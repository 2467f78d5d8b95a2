package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// ExtendNonNeg widens the ring of numbers whose top bit is known to be 0.
//
// Functionality: shares of x in Z_2^from, 0 <= x < 2^(from-1) -> shares in Z_2^to. The
// shares wrap iff either has its top bit set; x = xS + xC - 2^from * (mS + mC - mS*mC)
// (SIRNN, section 3.1; Cheetah). One flight, both ways: the server sends 1 bit, the
// client to-from bits, an element; one OT, client as sender. Exact; leaks nothing.
func (p *Party) ExtendNonNeg(ctx context.Context, x []uint64, from, to int) ([]uint64, error) {
	t, end := p.wrap(x, from, to-from)
	if err := p.products(ctx, len(x), []term{t}); err != nil {
		return nil, fmt.Errorf("extend: %w", err)
	}
	out := append([]uint64(nil), x...)
	end(out, from)
	ring.Reduce(out, to)
	return out, nil
}

// Extend widens the ring of numbers with |x| < 2^(from-2).
//
// It is ExtendNonNeg of x + 2^(from-2): the same flight and bits. Exact within the
// promise; leaks nothing.
func (p *Party) Extend(ctx context.Context, x []uint64, from, to int) ([]uint64, error) {
	off := uint64(1) << (from - 2)
	y, err := p.ExtendNonNeg(ctx, p.plus(x, off, from), from, to)
	if err != nil {
		return nil, err
	}
	return p.plus(y, -off, to), nil
}

// ExtendAny widens the ring of any signed number.
//
// x + 2^(from-1) is not negative; its shares wrap iff they carry out of from bits. The
// carry (one comparison of from bits) becomes a number in Z_2^(to-from). Flights of
// carry and one; bits of carry and to-from. Exact; leaks nothing.
func (p *Party) ExtendAny(ctx context.Context, x []uint64, from, to int, t wire.Tree) ([]uint64, error) {
	off := uint64(1) << (from - 1)
	u := p.plus(x, off, from)
	own := ring.Planes(from, len(x))
	ring.Slice(own, u, 0)
	wrap, err := p.carry(ctx, len(x), own, t)
	if err != nil {
		return nil, fmt.Errorf("extend: %w", err)
	}
	w, err := p.ToArith(ctx, wrap, len(x), to-from)
	if err != nil {
		return nil, fmt.Errorf("extend: %w", err)
	}
	for i := range u {
		u[i] -= w[i] << from
	}
	return p.plus(u, -off, to), nil
}

// plus adds a public number: the server adds it. The result is reduced.
func (p *Party) plus(x []uint64, c uint64, bits int) []uint64 {
	if !p.isServer() {
		c = 0
	}
	y, m := make([]uint64, len(x)), ring.Mask(bits)
	for i, v := range x {
		y[i] = (v + c) & m
	}
	return y
}

// shift is plus in place.
func (p *Party) shift(x []uint64, c uint64, bits int) {
	m := ring.Mask(bits)
	for i, v := range x {
		x[i] = (v + c) & m
	}
}

// ToArith turns shared bits into shared numbers.
//
// Functionality: <b> -> shares of b in Z_2^bits: b = bS + bC - 2 bS bC. One flight, both
// ways: the server sends 1 bit, the client bits-1 bits, an element; one OT, client as
// sender; nothing at all for bits = 1. Exact; leaks nothing.
func (p *Party) ToArith(ctx context.Context, b []uint64, n, bits int) ([]uint64, error) {
	out := make([]uint64, n)
	if err := p.products(ctx, n, p.toArith(b, out, bits)); err != nil {
		return nil, err
	}
	p.toArithEnd(b, out, bits)
	return out, nil
}

// toArith gives the term of a conversion, whose product goes to out.
func (p *Party) toArith(b, out []uint64, bits int) []term {
	if bits == 1 {
		return nil
	}
	val := make([]uint64, len(out))
	for i := range val {
		val[i] = ring.Bit(b, i)
	}
	return []term{{sender: transport.Client, width: bits - 1, bit: b, val: val, out: out}}
}

// toArithEnd makes the conversion of the product in out.
func (p *Party) toArithEnd(b, out []uint64, bits int) {
	m := ring.Mask(bits)
	for i := range out {
		out[i] = (ring.Bit(b, i) - 2*out[i]) & m
	}
}
