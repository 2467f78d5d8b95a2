package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// Piecewise evaluates a function made of lines that the top bits of x choose.
//
// Functionality: shares of x in Z_2^Bits, |x| < 2^(Bits-2) -> shares in Z_2^out of f.Eval(x)
// / 2^Frac, rounded up or down at random. The segment is exact.
//  1. The bits of x from Low on, as XOR shares, by a prefix adder of the two shares, and
//     of each whether it is the sign's: both sides of zero have the same names.
//  2. The products of bits that the table asks for (its algebraic normal form).
//  3. Every bit of slope and offset is the XOR of some of them: nothing is sent.
//  4. slope*x, a multiplexer a slope bit, bit j in Z_2^(Wide-j); the bits of the offset
//     become numbers in the same flight, bit j in Z_2^(Wide-j). Shifts by Frac are local.
//
// (Public tables evaluated on shared bits: SIRNN, Rathee et al. 2021, section 3.3, in one
// table look-up of all coefficients; here the normal form takes their place.)
//
// Flights: those of the adder (with the extension of x to Wide bits beside its first),
// one a level of products, one of multiplexers (more for very long vectors), and one
// to extend the result if Inner < out. Error: below 1 ulp beyond the table's own. Leaks
// nothing: it is a composition of carries, ANDs, products and an extension.
func (p *Party) Piecewise(ctx context.Context, x []uint64, f *wire.Piecewise, out int) ([]uint64, error) {
	y, err := p.piecewise(ctx, x, f, out)
	if err != nil {
		return nil, fmt.Errorf("piecewise: %w", err)
	}
	return y, nil
}

func (p *Party) piecewise(ctx context.Context, x []uint64, f *wire.Piecewise, out int) ([]uint64, error) {
	name, xw, err := p.nameSegments(ctx, x, f)
	if err != nil {
		return nil, err
	}
	terms, err := p.monomials(ctx, len(x), name, f.Monomials(), p.Tape != nil && f.Prepared)
	if err != nil {
		return nil, err
	}
	slope, offset := p.coefficients(len(x), terms, f)
	y := p.line(xw, f.Slope, f.Offset)
	err = wire.Slabs(len(x), f.Slab(), func(lo, n int) error {
		return p.addBits(ctx, y[lo:lo+n], xw[lo:lo+n], windows(slope, lo, n), windows(offset, lo, n), f)
	})
	if err != nil {
		return nil, err
	}
	ring.Reduce(y, f.Wide())
	if f.Frac > 0 {
		if y, err = p.TruncateStochastic(ctx, y, f.Wide(), f.Frac, f.Inner); err != nil {
			return nil, err
		}
	}
	if f.Inner == out {
		return y, nil
	}
	return p.Extend(ctx, y, f.Inner, out)
}

// nameSegments gives the bits of the name of x, and x in the ring it is
// multiplied in.
func (p *Party) nameSegments(ctx context.Context, x []uint64, f *wire.Piecewise) (name [][]uint64, xw []uint64, err error) {
	var with beside
	xw, end := x, func() {}
	if to := f.Operand(); to > f.Bits {
		off := uint64(1) << (f.Bits - 2)
		xw = p.plus(x, off, f.Bits)
		t, unwrap := p.wrap(xw, f.Bits, to-f.Bits)
		with = terms{t}
		end = func() {
			unwrap(xw, f.Bits)
			xw = p.plus(xw, -off, to)
		}
	}
	own := ring.Planes(f.Bits-1, len(x))
	ring.Slice(own, x, 0)
	carries, err := p.carries(ctx, len(x), [][][]uint64{own[:f.Bits-2]}, f.Naming(), with)
	if err != nil {
		return nil, nil, err
	}
	end()
	name = own[f.Low:]
	into := name[len(name)-len(carries):] // no carry enters bit 0
	for i, c := range carries {
		xor(into[i], c)
	}
	sign := name[len(name)-1]
	for i, b := range name[:len(name)-1] {
		xor(b, sign)
		if f.Flip>>i&1 == 0 {
			p.not(b)
		}
	}
	if f.Positive {
		p.not(sign)
	}
	return name, xw, nil
}

// monomials evaluates products of shared bits, in the order in which the circuit
// was asked for them; nil stands for 1. early: corrections were sent before.
func (p *Party) monomials(ctx context.Context, n int, bits [][]uint64, c *wire.Monomials, early bool) ([][]uint64, error) {
	nodes := append(make([][]uint64, 0, c.Nodes), bits...)
	nodes = append(nodes, ring.Planes(c.Nodes-len(bits), n)...)
	for _, level := range c.Levels {
		var gates []gate
		var chains []chain
		for _, g := range level {
			two := gate{x: nodes[g.X], y: pick(nodes, g.Y), z: pick(nodes, g.Z)}
			if g.Top < 0 {
				gates = append(gates, two)
			} else {
				chains = append(chains, chain{gate: two, top: nodes[g.Top], add: make([]uint64, ring.Words(n)), early: early})
			}
		}
		if err := p.joins(ctx, n, gates, chains); err != nil {
			return nil, err
		}
	}
	return pick(nodes, c.Of), nil
}

// pick collects nodes; -1 is none.
func pick(nodes [][]uint64, at []int) [][]uint64 {
	some := make([][]uint64, len(at))
	for i, id := range at {
		if id >= 0 {
			some[i] = nodes[id]
		}
	}
	return some
}

// coefficients are the bits of slope and offset: sums of the terms' products.
func (p *Party) coefficients(n int, products [][]uint64, f *wire.Piecewise) (slope, offset [][]uint64) {
	slope, offset = ring.Planes(f.SlopeBits, n), ring.Planes(f.OffsetBits, n)
	for i, t := range f.Terms {
		p.addTerm(slope, t.Slope, products[i])
		p.addTerm(offset, t.Offset, products[i])
	}
	return slope, offset
}

// addTerm adds a product to the planes whose bits are set in a public mask. The
// product nil is 1, which the server adds.
func (p *Party) addTerm(planes [][]uint64, mask uint64, product []uint64) {
	for j, plane := range planes {
		switch {
		case mask>>j&1 == 0:
		case product == nil:
			p.not(plane)
		default:
			xor(plane, product)
		}
	}
}

// addBits adds x times each bit of the slope and the bits of the offset, at
// their places, in one flight.
func (p *Party) addBits(ctx context.Context, y, x []uint64, slope, offset [][]uint64, f *wire.Piecewise) error {
	var terms []term
	for j, w := range f.SlopeWidths() {
		terms = append(terms, p.muxAt(slope[j], x, y, w, f.SlopeShift+j)...)
	}
	for j, w := range f.OffsetWidths() {
		terms = append(terms, p.bitAt(offset[j], y, w, f.OffsetShift+j)...)
	}
	return p.products(ctx, len(y), terms)
}

// bitAt gives the term that adds 2^shift times a shared bit, in Z_2^width, to out,
// and adds its local part: b = bS + bC - 2 bS bC (ToArith).
func (p *Party) bitAt(b, out []uint64, width, shift int) []term {
	val := make([]uint64, len(out))
	for i := range val {
		own := ring.Bit(b, i)
		out[i] += own << shift
		val[i] = -own
	}
	if width == 1 {
		return nil
	}
	return []term{{sender: transport.Client, width: width - 1, bit: b, val: val, out: out, shift: shift + 1}}
}
