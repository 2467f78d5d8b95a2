package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// TruncateStochastic divides by 2^shift, rounding up or down at random.
//
// Functionality: shares of x in Z_2^from, |x| < 2^(from-2) -> shares in Z_2^to of q or q+1,
// q = floor(x / 2^shift), the latter with probability (x mod 2^shift + 1) / 2^shift over
// the sharing (each party shifts its share; the lost carry is the random bit). For
// to <= from-shift nothing is sent and any x will do; otherwise the wrap of the shares
// comes by one flight as in ExtendNonNeg: 1 bit from the server, to-from+shift from the
// client. Leaks nothing.
func (p *Party) TruncateStochastic(ctx context.Context, x []uint64, from, shift, to int) ([]uint64, error) {
	out := make([]uint64, len(x))
	if to <= from-shift {
		for i, v := range x {
			out[i] = v >> shift
		}
		return p.plus(out, 1, to), nil
	}
	off := uint64(1) << (from - 2)
	u := p.plus(x, off, from)
	t, end := p.wrap(u, from, to-from+shift)
	if err := p.products(ctx, len(x), []term{t}); err != nil {
		return nil, fmt.Errorf("truncate: %w", err)
	}
	for i, v := range u {
		out[i] = v >> shift
	}
	end(out, from-shift)
	return p.plus(out, 1-off>>shift, to), nil
}

// wrap gives the term that finds how often the shares of a number with top bit
// 0 wrap, and the function that subtracts 2^at times that from a vector.
func (p *Party) wrap(u []uint64, from, width int) (term, func(out []uint64, at int)) {
	msb, val, both := ring.Planes(1, len(u)), make([]uint64, len(u)), make([]uint64, len(u))
	ring.Slice(msb, u, from-1)
	for i, v := range u {
		val[i] = v >> (from - 1)
	}
	t := term{sender: transport.Client, width: width, bit: msb[0], val: val, out: both}
	return t, func(out []uint64, at int) {
		for i := range out {
			out[i] -= (val[i] - both[i]) << at
		}
	}
}

// TruncateExact divides by 2^shift and rounds to nearest, halves up.
//
// Functionality: shares of x in Z_2^from -> shares in Z_2^to of floor((x + 2^(shift-1)) / 2^shift),
// exactly. The carry of the low shift bits of the shares is one comparison (SIRNN, section
// 3.2: faithful truncation), made a number in Z_2^to. For to > from-shift, |x| < 2^(from-2)
// and shift <= from-2 are required and the wrap of the shares goes with it.
// Flights: those of carry on shift bits, and one. Leaks nothing.
func (p *Party) TruncateExact(ctx context.Context, x []uint64, from, shift, to int, tree wire.Tree) ([]uint64, error) {
	off := uint64(0)
	if to > from-shift {
		off = 1 << (from - 2)
	}
	u := p.plus(x, off, from)
	rounded := p.plus(u, 1<<(shift-1), 64) // not reduced: must not wrap a second time
	if to <= from-shift {
		ring.Reduce(rounded, from)
	}
	low := ring.Planes(shift, len(x))
	ring.Slice(low, rounded, 0)
	c, err := p.carry(ctx, len(x), low, tree)
	if err != nil {
		return nil, fmt.Errorf("truncate: %w", err)
	}
	out := make([]uint64, len(x))
	terms, end := p.toArith(c, out, to), func([]uint64, int) {}
	if off > 0 {
		var t term
		t, end = p.wrap(u, from, to-from+shift)
		terms = append(terms, t)
	}
	if err := p.products(ctx, len(x), terms); err != nil {
		return nil, fmt.Errorf("truncate: %w", err)
	}
	p.toArithEnd(c, out, to)
	for i, v := range rounded {
		out[i] += v >> shift
	}
	end(out, from-shift)
	return p.plus(out, -(off >> shift), to), nil
}
