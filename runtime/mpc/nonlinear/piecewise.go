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
// Functionality: shares of x in Z_2^Bits, |x| < 2^(Bits-2) -> shares in Z_2^Out of f.Eval(x)
// / 2^Frac, rounded up or down at random. The segment is exact.
//  1. The bits of x from Low on, as XOR shares, by a prefix adder of the two shares, and
//     of each whether it is the sign's: both sides of zero have the same names.
//  2. The products of bits that the table asks for (its algebraic normal form).
//  3. Every bit of slope, offset and step is the XOR of some of them: nothing is sent.
//  4. slope*x, a multiplexer a slope bit, bit j in Z_2^(Ring-j); the bits of the offset
//     become numbers in the same flight, bit j in Z_2^(Ring-j), those of the step in
//     Z_2^(Out+Frac-j), and one multiplexer adds what is steep.
//  5. Lines are extended from Z_2^Ring to Z_2^(Out+Frac), where that is wider, and multiplied by
//     the gate, if there is one, both in one flight. The shift by Frac is local.
//
// (Public tables evaluated on shared bits: SIRNN, Rathee et al. 2021, section 3.3, in one
// table look-up of all coefficients; here the normal form takes their place.)
//
// Flights: those of the adder (with the extension of x beside its first), one a level of
// products, one of multiplexers (more for very long vectors), and one for extension and gate,
// if there are any. Error: below 1 ulp beyond the table's own. Leaks nothing: it is a
// composition of carries, ANDs, products and an extension.
func (p *Party) Piecewise(ctx context.Context, x []uint64, f *wire.Piecewise) ([]uint64, error) {
	y, err := p.piecewise(ctx, x, f)
	if err != nil {
		return nil, fmt.Errorf("piecewise: %w", err)
	}
	return y, nil
}

func (p *Party) piecewise(ctx context.Context, x []uint64, f *wire.Piecewise) ([]uint64, error) {
	name, xw, err := p.nameSegments(ctx, x, f)
	if err != nil {
		return nil, err
	}
	terms, err := p.monomials(ctx, len(x), pick(name, f.Order()), f.Monomials(), p.Tape != nil && f.Prepared)
	if err != nil {
		return nil, err
	}
	l := p.newLines(xw, name[f.Named()], terms, f)
	err = wire.Slabs(len(x), f.Slab(), func(lo, n int) error { return l.add(ctx, p, lo, n) })
	if err != nil {
		return nil, err
	}
	y, err := l.whole(ctx, p)
	if err != nil || f.Frac == 0 {
		return y, err
	}
	return p.TruncateStochastic(ctx, y, f.Wide(), f.Frac, f.Out)
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

// lines are the results in the making.
type lines struct {
	*wire.Piecewise
	x                   []uint64
	slope, offset, step [][]uint64 // their bits: sums of the terms' products
	above               []uint64   // [x >= 0]; nil where nothing is different there
	gate                []uint64   // nil if there is none
	line                []uint64   // in Z_2^Ring
	rest, outside       []uint64   // in Z_2^(Out+Frac): steps, and what no gate is for; one vector for what is added up anyway
}

// newLines begins with what is local. side is the highest bit of the name.
func (p *Party) newLines(x, side []uint64, products [][]uint64, f *wire.Piecewise) *lines {
	n := len(x)
	l := &lines{Piecewise: f, x: x, slope: ring.Planes(f.SlopeBits, n), offset: ring.Planes(f.OffsetBits, n), step: ring.Planes(f.StepBits, n)}
	for i, t := range f.Terms {
		p.addTerm(l.slope, t.Slope, products[i])
		p.addTerm(l.offset, t.Offset, products[i])
		p.addTerm(l.step, t.Step, products[i])
	}
	if f.Gate != 0 {
		l.gate = products[len(f.Terms)]
	}
	if f.Steep[0] != f.Steep[1] || f.Beyond[0] != f.Beyond[1] {
		if l.above = side; !f.Positive {
			l.above = append([]uint64(nil), side...)
			p.not(l.above)
		}
	}
	l.outside = p.line(x, f.Steep[0], f.Beyond[0])
	if l.rest = l.outside; l.gate != nil {
		l.rest = make([]uint64, n)
	}
	p.addLine(l.rest, x, 0, f.Step)
	if l.line = l.rest; f.Extends() {
		l.line = make([]uint64, n)
	}
	p.addLine(l.line, x, f.Slope, f.Offset)
	return l
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

// add adds, of some elements and in one flight, x times each bit of the slope, the bits of
// offset and step, at their places, and what is steeper above zero.
func (l *lines) add(ctx context.Context, p *Party, lo, n int) error {
	x, line, rest, outside := l.x[lo:lo+n], l.line[lo:lo+n], l.rest[lo:lo+n], l.outside[lo:lo+n]
	slope, offset, step := windows(l.slope, lo, n), windows(l.offset, lo, n), windows(l.step, lo, n)
	var terms []term
	for j, w := range l.SlopeWidths() {
		terms = append(terms, p.muxAt(slope[j], x, line, w, l.SlopeShift+j)...)
	}
	if c := l.Bend(); c.Width > 0 {
		many := make([]uint64, n)
		for i, v := range x {
			many[i] = uint64(c.Odd) * v
		}
		terms = append(terms, p.muxAt(window(l.above, lo, n), many, outside, c.Width, c.Shift)...)
	}
	if c := l.Jump(); c.Width > 0 {
		terms = append(terms, p.bitAt(window(l.above, lo, n), outside, c)...)
	}
	for j, w := range l.OffsetWidths() {
		terms = append(terms, p.bitAt(offset[j], line, wire.Change{Odd: 1, Shift: l.OffsetShift + j, Width: w})...)
	}
	for j, w := range l.StepWidths() {
		terms = append(terms, p.bitAt(step[j], rest, wire.Change{Odd: 1, Shift: l.StepShift + j, Width: w})...)
	}
	return p.products(ctx, n, terms)
}

// whole makes results of the lines.
func (l *lines) whole(ctx context.Context, p *Party) ([]uint64, error) {
	if l.Extends() {
		ring.Reduce(l.line, l.Ring)
	}
	switch {
	case l.gate != nil:
		err := wire.Slabs(len(l.line), wire.GateSlab, func(lo, n int) error { return l.gated(ctx, p, lo, n) })
		if err != nil {
			return nil, err
		}
	case l.Extends():
		wide, err := p.Extend(ctx, l.line, l.Ring, l.Wide())
		if err != nil {
			return nil, err
		}
		for i, v := range wide {
			l.outside[i] += v
		}
	}
	ring.Reduce(l.outside, l.Wide())
	return l.outside, nil
}

// gated adds what is behind the gate, of some elements.
//
// With mS and mC the top bits of the shares, which wrap iff either is set, the line is uS + uC - 2^Ring
// (mS + mC - mS mC), so what a gate b chooses is a number of either party's, by a multiplexer, and the
// product b mS mC, where b = bS + bC - 2 bS bC: of bits a party knows two products, (bS mS) (mC - 2 bC mC)
// and mS (bC mC). One flight, all of it.
func (l *lines) gated(ctx context.Context, p *Party, lo, n int) error {
	y, line, rest, gate := l.outside[lo:lo+n], l.line[lo:lo+n], l.rest[lo:lo+n], window(l.gate, lo, n)
	if !l.Extends() {
		return p.products(ctx, n, p.muxAt(gate, line, y, l.Wide(), 0))
	}
	off := uint64(1) << (l.Ring - 2)
	twice, once := make([]uint64, n), make([]uint64, n)
	top, open := make([]uint64, ring.Words(n)), make([]uint64, ring.Words(n))
	for i, v := range p.plus(line, off, l.Ring) {
		m := v >> (l.Ring - 1)
		b := m & ring.Bit(gate, i)
		rest[i] += v - m<<l.Ring
		if p.isServer() {
			rest[i] -= off
		}
		top[i/64] |= m << (i % 64)
		open[i/64] |= b << (i % 64)
		twice[i], once[i] = m-2*b, b
	}
	width := l.Wide() - l.Ring
	terms := append(p.muxAt(gate, rest, y, l.Wide(), 0),
		term{sender: transport.Client, width: width, bit: open, val: twice, out: y, shift: l.Ring},
		term{sender: transport.Client, width: width, bit: top, val: once, out: y, shift: l.Ring})
	return p.products(ctx, n, terms)
}

// bitAt gives the term that adds so many times a shared bit to out, and adds its local part:
// b = bS + bC - 2 bS bC (ToArith).
func (p *Party) bitAt(b, out []uint64, c wire.Change) []term {
	val := make([]uint64, len(out))
	for i := range val {
		own := ring.Bit(b, i) * uint64(c.Odd)
		out[i] += own << c.Shift
		val[i] = -own
	}
	if c.Width <= 1 {
		return nil
	}
	return []term{{sender: transport.Client, width: c.Width - 1, bit: b, val: val, out: out, shift: c.Shift + 1}}
}
