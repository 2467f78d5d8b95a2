package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// Sign says how the sign of an element of Z_2^Bits is computed: on bits [Lo, Hi).
type Sign struct {
	Bits, Lo, Hi int
	Tree         wire.Tree
}

// DReLU gives <x >= 0>.
//
// Functionality: shares of x in Z_2^Bits -> <1 - msb> of the sum, in Z_2^(Hi-Lo), of the
// two shares reduced mod 2^Hi and shifted right by Lo. That is [x >= 0] for every x
// with -2^(Hi-1) + 2^Lo <= x < 2^(Hi-1), except that 0 <= x < 2^Lo may come out
// negative, with probability (2^Lo - 1 - x) / 2^Lo over the sharing; never the other
// way. Reduced comparison: HummingBird (Maeng, Suh 2023); the msb of the sum is that of
// both shares and the carry of the Hi-Lo-1 bits below (CrypTFlow2, section 3.2).
// Flights and bits are those of carry; none if Hi-Lo = 1. Leaks nothing.
func (p *Party) DReLU(ctx context.Context, x []uint64, s Sign) ([]uint64, error) {
	b, err := p.Above(ctx, x, []int64{0}, s)
	if err != nil {
		return nil, err
	}
	return b[0], nil
}

// Above compares with several public thresholds.
//
// Functionality: shares of x in Z_2^Bits -> <x >= at[i]> for every i: DReLU of x - at[i].
// Low bits in which all thresholds agree are compared once: there the shares of all
// x - at[i] have the same bits. Flights as DReLU, and its error at every threshold.
func (p *Party) Above(ctx context.Context, x []uint64, at []int64, s Sign) ([][]uint64, error) {
	return p.above(ctx, x, at, s, nil)
}

// above is Above with something that travels beside its first flight; nil is nothing.
func (p *Party) above(ctx context.Context, x []uint64, at []int64, s Sign, with beside) ([][]uint64, error) {
	m := s.Hi - s.Lo - 1
	own, signs := make([][][]uint64, len(at)), make([][]uint64, len(at))
	for i, t := range at {
		planes := p.Memory.Planes(s.Hi-s.Lo, len(x))
		from := x
		if t != 0 && p.isServer() {
			from = p.plus(x, -uint64(t), s.Bits)
		}
		if !p.recording() || !p.isServer() {
			ring.Slice(planes, from, s.Lo)
		}
		own[i], signs[i] = planes[:m], planes[m]
	}
	if m == 0 && with != nil {
		none := func() error { return nil }
		if err := p.travel(ctx, len(x), with, none, none); err != nil {
			return nil, err
		}
	}
	if m > 0 {
		common := s.Tree.Split(m, wire.Agree(at)-s.Lo)
		c, err := p.carries(ctx, len(x), own, wire.NewCarries(m, common, len(at), s.Tree), with)
		if err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
		for i := range signs {
			xor(signs[i], c[i])
		}
	}
	for i := range signs {
		p.not(signs[i])
	}
	return signs, nil
}

// not negates a shared bit vector: the server does.
func (p *Party) not(b []uint64) {
	if !p.isServer() {
		return
	}
	for i := range b {
		b[i] = ^b[i]
	}
}

// Mux multiplies by a shared bit.
//
// Functionality: <b>, shares of x in Z_2^bits -> shares of b*x in Z_2^bits. With
// b = bS ^ bC: b*x = sum over both parties P of bP*xP + bQ * xP*(1 - 2 bP), Q the other
// one: two products (SIRNN; Cheetah). One flight, both ways: 2*(bits+1) bits an element,
// one OT each way. Exact; leaks nothing.
func (p *Party) Mux(ctx context.Context, b, x []uint64, bits int) ([]uint64, error) {
	out := make([]uint64, len(x))
	if err := p.products(ctx, len(x), p.mux(b, x, out, bits)); err != nil {
		return nil, fmt.Errorf("multiplexer: %w", err)
	}
	ring.Reduce(out, bits)
	return out, nil
}

// mux gives the terms of a multiplexer and adds its local part to out.
func (p *Party) mux(b, x, out []uint64, bits int) []term { return p.muxAt(b, x, out, bits, 0) }

// muxAt is mux with a result that is added 2^shift times.
func (p *Party) muxAt(b, x, out []uint64, bits, shift int) []term {
	val := make([]uint64, len(x))
	for i, v := range x {
		m := -ring.Bit(b, i)
		out[i] += (v & m) << shift
		val[i] = v ^ m - m // b ? -v : v
	}
	return []term{
		{sender: transport.Server, width: bits, bit: b, val: val, out: out, shift: shift},
		{sender: transport.Client, width: bits, bit: b, val: val, out: out, shift: shift},
	}
}

// Flip says, in public, that relus of some elements are flipped: x*[x <= 0]. At, a bit
// vector that the server alone has, says of which: it flips its share of the sign, of
// which the client learns nothing.
type Flip struct{ At []uint64 }

// turn flips this party's share of the signs.
func (f *Flip) turn(b []uint64) {
	if f != nil && f.At != nil {
		xor(b, f.At)
	}
}

// Relu gives x*[x >= 0] in Z_2^to, to >= Bits, where flip does not say otherwise; nil: it
// is nowhere flipped. Error: x instead of 0, or 0 instead of x, for 0 <= x < 2^Lo.
//
// DReLU then Mux: their flights, bits and leakage (none). Where to > Bits the operand is
// extended in DReLU's first flights (ExtendNonNeg: 1 bit and to-Bits more) and multiplied in
// Z_2^to. Where x is negative that extension is wrong, and multiplied by 0. With flips x
// is what may be negative: then Extend, which needs |x| < 2^(Bits-2).
// Where the client's share is known ahead the multiplexer is a masked one.
func (p *Party) Relu(ctx context.Context, x []uint64, s Sign, flip *Flip, to int) ([]uint64, error) {
	if s.Tree.Tabled() {
		return p.relu(ctx, x, s, flip, to)
	}
	var with beside
	wide, end := x, func() {}
	if to > s.Bits {
		off := uint64(0)
		if flip != nil {
			off = 1 << (s.Bits - 2)
		}
		wide = p.plus(x, off, s.Bits)
		t, unwrap := p.wrap(wide, s.Bits, to-s.Bits)
		with = terms{t}
		end = func() {
			unwrap(wide, s.Bits)
			wide = p.plus(wide, -off, to)
		}
	}
	b, err := p.above(ctx, x, []int64{0}, s, with)
	if err != nil {
		return nil, err
	}
	end()
	flip.turn(b[0])
	return p.Mux(ctx, b[0], wide, to)
}
