package nonlinear

import (
	"context"
	"fmt"
	"slices"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// masked is a multiplexer of which the client's operands are known ahead.
//
// Functionality: <b>, shares of x in Z_2^w, the client's known ahead -> shares of b*x in Z_2^w.
// With a random bit m = mS ^ mC, D = b ^ m is opened: b*x = D*x + (1-2D)*m*x, so that what is left is
// a share of m*x, for which nobody waits for b:
//
//	m*xC = mC xC + mS (1-2mC) xC: an OT whose choice is mS; the client's number goes ahead
//	m*xS = mS xS + mC (1-2mS) xS: an OT whose choice is mC; the server's number goes as soon as xS is there
//
// Both choices are the OTs' own, so nobody corrects one. Bits an element: ahead w; online w from the
// server, with the first flight of what computes b, and 1 each way at the end (2w+2 where the
// operand is not known). One OT each way. Exact; leaks nothing: D is masked by a bit of which each
// party lacks one share, the numbers by the pad that the other lacks. (Opening masked values is
// Beaver's; that the products are made ahead of one fixed operand is what is won here.)
type masked struct {
	operands []operand
	wide     *widening // of the first operand, if that comes in a narrower ring
	mask     []uint64  // this party's share of m
	alone    bool      // m is the client's alone (labelled): the server's share is 0, and the client sends nothing ahead of its operands
}

// operand is a number that is selected, or not.
type operand struct {
	width int
	val   []uint64 // this party's share, less what widening adds
	fixed bool     // the server has no share: the number is known ahead

	prod []uint64 // this party's share of m times the number
	diff []uint64 // server: what its number is masked by
}

// widening makes the first operand, given by shares in Z_2^from, a number of by bits more, where it is not
// negative; elsewhere what comes out is selected away.
//
// Such shares wrap unless both have their top bit unset: x = xS + xC - 2^from + 2^from a c, with a
// and c one if that of server and client is. a*c and a*mC' (mC' the client's share of m*c) are
// products of a bit of the server's and numbers known ahead: an OT, the numbers ahead, a bit
// online that masks a. m*c goes with the first OT of the multiplexer. 3*by bits ahead.
type widening struct {
	from, by int
	top      []uint64 // bits: at the server a, at the client c

	flip            []uint64 // server: mask of a
	both, sel, part []uint64 // shares of a*c, of a*m*c, and of m*c
}

// pads is the number of bits of the OT whose sender the client is, and of the server's.
func (m *masked) pads() (client, server int) {
	var s wire.Mask
	for _, o := range m.operands {
		if o.fixed {
			s.Ones = append(s.Ones, o.width)
		} else {
			s.Widths = append(s.Widths, o.width)
		}
	}
	if m.wide != nil {
		s.By = m.wide.by
	}
	return s.Pads()
}

// alloc makes room for n elements.
func (m *masked) alloc(p *Party, n int) {
	m.mask = p.drawn(ring.Words(n))
	for i := range m.operands {
		o := &m.operands[i]
		o.prod = p.drawn(n)
		if p.isServer() && !o.fixed {
			o.diff = p.drawn(n)
		}
	}
	if w := m.wide; w != nil {
		w.flip = p.drawn(ring.Words(n))
		w.both, w.sel, w.part = p.drawn(n), p.drawn(n), p.drawn(n)
	}
	if m.alone && p.isServer() { // the mask is the client's
		clear(m.mask)
		if m.wide != nil {
			clear(m.wide.part)
		}
	}
}

// of is the part of elements [lo, lo+n): of what was given those, of what alloc made those from own on.
func (m *masked) of(lo, own, n int) *masked {
	part := *m
	part.mask = window(m.mask, own, n)
	part.operands = slices.Clone(m.operands)
	for i := range part.operands {
		o := &part.operands[i]
		o.val, o.prod = o.val[lo:lo+n], o.prod[own:own+n]
		if o.diff != nil {
			o.diff = o.diff[own : own+n]
		}
	}
	if m.wide != nil {
		w := *m.wide
		w.top, w.flip = window(w.top, lo, n), window(w.flip, own, n)
		w.both, w.sel, w.part = w.both[own:own+n], w.sel[own:own+n], w.part[own:own+n]
		part.wide = &w
	}
	return &part
}

// zero clears what was drawn.
func (m *masked) zero() {
	clear(m.mask)
	for _, o := range m.operands {
		clear(o.prod)
		clear(o.diff)
	}
	if w := m.wide; w != nil {
		for _, x := range [][]uint64{w.flip, w.both, w.sel, w.part} {
			clear(x)
		}
	}
}

// start takes the OTs and, at the server, sends its numbers under them.
func (m *masked) start(ctx context.Context, p *Party, n int) error {
	m.alloc(p, p.kept(n))
	return chunks(n, func(lo, n int) error {
		part := m.of(lo, p.from(lo), n)
		if p.recording() {
			part.zero()
		}
		err := p.material(func() error { return p.drawMasked(ctx, part, n) }, func(t *Tape) error { return part.move(t, p.Role, n) })
		if err != nil || p.recording() || !p.isServer() {
			return err
		}
		return p.offer(part, n)
	})
}

// end receives the server's numbers.
func (m *masked) end(p *Party, n int) error {
	if p.recording() {
		return nil
	}
	var err error
	if !p.isServer() {
		err = chunks(n, func(lo, n int) error { return p.accept(m.of(lo, lo, n), n) })
	}
	m.widen()
	return err
}

// move tells a tape what is kept.
func (m *masked) move(t *Tape, role transport.Role, n int) error {
	if !m.alone || role == transport.Client {
		if err := t.planes(n, m.mask); err != nil {
			return err
		}
	}
	for _, o := range m.operands {
		if err := t.words(o.width, o.prod); err != nil {
			return err
		}
		if o.diff == nil {
			continue
		}
		if err := t.words(o.width, o.diff); err != nil {
			return err
		}
	}
	w := m.wide
	if w == nil {
		return nil
	}
	if role == transport.Server {
		if err := t.planes(n, w.flip); err != nil {
			return err
		}
	}
	if m.alone {
		return t.words(w.by, w.both, w.sel)
	}
	return t.words(w.by, w.both, w.sel, w.part)
}

// drawMasked makes what is kept of a chunk.
func (p *Party) drawMasked(ctx context.Context, m *masked, n int) error {
	client, server := m.pads()
	asSender, asReceiver := func() error { return nil }, func() error { return p.receiveFixed(ctx, m, client, n) }
	if server > 0 {
		asSender = func() error { return p.sendOnline(ctx, m, server, n) }
	}
	if !p.isServer() {
		asSender, asReceiver = func() error { return p.sendFixed(ctx, m, client, n) }, func() error { return nil }
		if server > 0 {
			asReceiver = func() error { return p.receiveOnline(ctx, m, server, n) }
		}
	}
	return p.bothWays(asSender, asReceiver)
}

// fields cuts pads into numbers, lowest bits first.
type fields struct {
	words []uint64
	at    int
}

// next fills out with the next bits of every pad.
func (f *fields) next(out []uint64, bits int) {
	mask, words := ring.Mask(bits), f.words[:len(out)]
	for i, w := range words {
		out[i] = w >> f.at & mask
	}
	f.at += bits
}

// receiveOnline, at the client: its share of the mask, and the pads of the numbers to come.
func (p *Party) receiveOnline(ctx context.Context, m *masked, bits, n int) error {
	batch, err := p.Corr.Recv(ctx, n)
	if err != nil {
		return err
	}
	w, _ := p.scratch(n)
	batch.PadsInto(max(bits, 2), m.mask, w)
	f := fields{words: w}
	for _, o := range m.operands {
		if !o.fixed {
			f.next(o.prod, o.width)
		}
	}
	return nil
}

// sendOnline, at the server: the pads of its numbers to come.
func (p *Party) sendOnline(ctx context.Context, m *masked, bits, n int) error {
	batch, err := p.Corr.Send(ctx, n)
	if err != nil {
		return err
	}
	w0, w1 := p.scratch(n)
	batch.PadsInto(max(bits, 2), w0, w1)
	f0, f1 := fields{words: w0}, fields{words: w1}
	for _, o := range m.operands {
		if o.fixed {
			continue
		}
		f0.next(o.prod, o.width)
		f1.next(o.diff, o.width)
		diff := o.diff[:len(o.prod)]
		for i, v := range o.prod {
			diff[i] -= v
			o.prod[i] = -v
		}
	}
	return nil
}

// sendFixed, at the client: its shares times the server's share of the mask.
func (p *Party) sendFixed(ctx context.Context, m *masked, bits, n int) error {
	if m.alone {
		m.selectOwn()
	} else if err := p.sendMask(ctx, m, bits, n); err != nil {
		return err
	}
	if m.wide == nil {
		return nil
	}
	return p.sendWide(ctx, m.wide, n)
}

// selectOwn selects the client's numbers by a mask that is its alone.
func (m *masked) selectOwn() {
	for _, o := range m.operands {
		ring.AddWhere(o.prod, o.val, m.mask)
	}
	if m.wide != nil {
		m.wide.selectOwn(m.mask)
	}
}

// selectOwn is m*c where the client knows both.
func (w *widening) selectOwn(mask []uint64) {
	for i := range w.part {
		w.part[i] = ring.Bit(mask, i) & ring.Bit(w.top, i)
	}
}

// sendMask is what the client sends for the server's share of the mask.
func (p *Party) sendMask(ctx context.Context, m *masked, bits, n int) error {
	batch, err := p.Corr.Send(ctx, n)
	if err != nil {
		return err
	}
	w0, w1 := p.pads(n)
	batch.PadsInto(max(bits, 2), w0, w1)
	if _, server := m.pads(); server == 0 { // the server knows one of the two pads
		for i, w := range w0 {
			m.mask[i/64] |= (w ^ w1[i]) >> (bits - 1) & 1 << (i % 64)
		}
	}
	f0, f1 := fields{words: w0}, fields{words: w1}
	for _, o := range m.operands {
		if err := p.sendSelected(m.mask, o.val, o.prod, o.width, &f0, &f1); err != nil {
			return err
		}
	}
	if m.wide == nil {
		return nil
	}
	return p.sendSelected(m.mask, p.unpackBits(m.wide.top, n), m.wide.part, m.wide.by, &f0, &f1)
}

// sendWide is what the client sends for the server's bit of what widens.
func (p *Party) sendWide(ctx context.Context, w *widening, n int) error {
	batch, err := p.Corr.Send(ctx, n)
	if err != nil {
		return err
	}
	w0, w1 := p.pads(n)
	batch.PadsInto(max(2*w.by, 2), w0, w1)
	f0, f1 := fields{words: w0}, fields{words: w1}
	if err := p.sendSelected(nil, p.unpackBits(w.top, n), w.both, w.by, &f0, &f1); err != nil {
		return err
	}
	return p.sendSelected(nil, w.part, w.sel, w.by, &f0, &f1)
}

// sendSelected multiplies numbers of the client's by the XOR of a bit of its own (nil: none) and the choice of an OT
// that it sends, and adds its share to out.
func (p *Party) sendSelected(own, val, out []uint64, bits int, f0, f1 *fields) error {
	p0, p1 := p.scratch(len(val))
	f0.next(p0, bits)
	f1.next(p1, bits)
	out = out[:len(val)]
	if own != nil {
		ring.AddWhere(out, val, own)
		val = ring.NegateWhere(p.spare(5, len(val)), val, own)
	}
	for i, v := range val {
		q := p0[i]
		out[i] -= q
		p1[i] = v - p1[i] + q
	}
	return p.aheadWords(p1, bits)
}

// receiveFixed, at the server: its share of the mask, and what that selects of the client's.
func (p *Party) receiveFixed(ctx context.Context, m *masked, bits, n int) error {
	if !m.alone {
		if err := p.receiveMask(ctx, m, bits, n); err != nil {
			return err
		}
	}
	if m.wide == nil {
		return nil
	}
	return p.receiveWide(ctx, m.wide, n)
}

// receiveMask is the server's side of sendMask.
func (p *Party) receiveMask(ctx context.Context, m *masked, bits, n int) error {
	batch, err := p.Corr.Recv(ctx, n)
	if err != nil {
		return err
	}
	pads, _ := p.pads(n)
	batch.PadsInto(max(bits, 2), m.mask, pads)
	f := fields{words: pads}
	for _, o := range m.operands {
		if err := p.receiveSelected(m.mask, o.prod, o.width, &f); err != nil {
			return err
		}
	}
	if m.wide == nil {
		return nil
	}
	return p.receiveSelected(m.mask, m.wide.part, m.wide.by, &f)
}

// receiveWide is the server's side of sendWide.
func (p *Party) receiveWide(ctx context.Context, w *widening, n int) error {
	batch, err := p.Corr.Recv(ctx, n)
	if err != nil {
		return err
	}
	pads, _ := p.pads(n)
	batch.PadsInto(max(2*w.by, 2), w.flip, pads)
	f := fields{words: pads}
	if err := p.receiveSelected(w.flip, w.both, w.by, &f); err != nil {
		return err
	}
	return p.receiveSelected(w.flip, w.sel, w.by, &f)
}

// receiveSelected is the server's side of sendSelected.
func (p *Party) receiveSelected(choice, out []uint64, bits int, f *fields) error {
	pad, msg := p.scratch(len(out))
	f.next(pad, bits)
	if err := p.aheadWords(msg, bits); err != nil {
		return err
	}
	ring.AddWhere(pad, msg, choice)
	for i, v := range pad {
		out[i] += v
	}
	return nil
}

// offer sends the server's numbers of a chunk.
func (p *Party) offer(m *masked, n int) error {
	msg, _ := p.scratch(n)
	for _, o := range m.operands {
		if o.fixed {
			continue
		}
		ring.AddWhere(o.prod, o.val, m.mask)
		ring.NegateWhere(msg, o.val, m.mask)
		for i, v := range o.diff {
			msg[i] -= v
		}
		if err := p.sendWords(msg, o.width); err != nil {
			return err
		}
	}
	w := m.wide
	if w == nil {
		return nil
	}
	xor(w.flip, w.top)
	w.turn(w.flip, w.top)
	return p.sendBits(w.flip, n)
}

// accept receives the server's numbers of a chunk.
func (p *Party) accept(m *masked, n int) error {
	msg, _ := p.scratch(n)
	for _, o := range m.operands {
		if o.fixed {
			continue
		}
		if err := p.recvWords(msg, o.width); err != nil {
			return err
		}
		ring.AddWhere(o.prod, msg, m.mask)
	}
	w := m.wide
	if w == nil {
		return nil
	}
	if err := p.recvBits(w.flip, n); err != nil {
		return err
	}
	if m.alone {
		w.selectOwn(m.mask)
	}
	w.turn(w.flip, w.flip)
	for i := range w.both {
		w.both[i] += ring.Bit(w.top, i) & ring.Bit(w.flip, i)
	}
	return nil
}

// turn makes shares of a*c and a*m*c of those whose bit was a's mask: e = a ^ mask is public, and
// a*y = e*y + (1-2e)*mask*y. Of its own part of y = m*c a party adds that which by selects: the
// server knows a, the client e.
func (w *widening) turn(e, by []uint64) {
	ring.NegateWhere(w.both, w.both, e)
	ring.NegateWhere(w.sel, w.sel, e)
	ring.AddWhere(w.sel, w.part, by)
}

// widen adds what the first operand's shares lack.
func (m *masked) widen() {
	w := m.wide
	if w == nil {
		return
	}
	val, prod := m.operands[0].val, m.operands[0].prod
	for i := range val {
		val[i] += w.both[i] << w.from
		prod[i] += w.sel[i] << w.from
	}
}

// unpackBits gives n bits of a chunk as numbers.
func (p *Party) unpackBits(b []uint64, n int) []uint64 {
	x := p.spare(2, n)
	for lo := 0; lo < n; lo += 64 {
		w, part := b[lo/64], x[lo:min(lo+64, n)]
		for i := range part {
			part[i] = w >> i & 1
		}
	}
	return x
}

// selection is a masked multiplexer and this party's share of the bit that selects.
type selection struct {
	*masked
	by []uint64
}

// selects opens the bits under their masks and makes the operands' products of them, in place.
func (p *Party) selects(n int, all ...selection) error {
	if p.recording() {
		return nil
	}
	open := p.Memory.Planes(len(all), n)
	for k, s := range all {
		copy(open[k], s.by)
		xor(open[k], s.mask)
	}
	err := chunks(n, func(lo, n int) error {
		for _, d := range open {
			if err := p.sendBits(window(d, lo, n), n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.Conn.Flush(); err != nil {
		return err
	}
	return chunks(n, func(lo, n int) error {
		for k, d := range open {
			if err := p.recvXor(window(d, lo, n), n); err != nil {
				return err
			}
			all[k].of(lo, lo, n).finish(window(d, lo, n))
		}
		return nil
	})
}

// finish makes the products of a chunk's operands and the opened bit's.
func (m *masked) finish(open []uint64) {
	for _, o := range m.operands {
		o.finish(open)
	}
}

func (o *operand) finish(open []uint64) {
	low, val, prod := ring.Mask(o.width), o.val, o.prod[:len(o.val)]
	for lo := 0; lo < len(val); lo += 64 {
		w := open[lo/64]
		for i := lo; i < min(lo+64, len(val)); i++ {
			d := -(w & 1)
			val[i] = (val[i]&d + (prod[i] ^ d - d)) & low
			w >>= 1
		}
	}
}

// relu is Relu of an operand of which the client's share is known ahead.
//
// Flights: those of the sign (the server's numbers and the bit that widens leave with the first),
// and one. Online bits beyond the sign's: to+2, and 1 if to > Bits. Leaks nothing. With labels it is two flights,
// and the client's share of the result is Share.
func (p *Party) relu(ctx context.Context, x []uint64, s Sign, flip *Flip, to int) ([]uint64, error) {
	n := len(x)
	m := &masked{operands: []operand{{width: to}}}
	off := uint64(0)
	if to > s.Bits && flip != nil {
		off = 1 << (s.Bits - 2)
	}
	y := x // nobody writes to it
	if !p.recording() {
		y = p.plus(x, off, s.Bits)
	}
	if to > s.Bits {
		m.wide = p.widening(y, s.Bits, to)
		if p.isServer() && !p.recording() {
			p.shift(y, -off-1<<s.Bits, to)
		}
	}
	m.operands[0].val = y
	if s.Tree.Labelled {
		return y, p.hand(ctx, x, s, flip, p.newLabelled(*m, p.shares()))
	}
	b, err := p.above(ctx, x, []int64{0}, s, m)
	if err != nil {
		return nil, err
	}
	flip.turn(b[0])
	if err := p.selects(n, selection{m, b[0]}); err != nil {
		return nil, fmt.Errorf("multiplexer: %w", err)
	}
	return y, nil
}

// shares is the client's share of a result, if that is drawn.
func (p *Party) shares() [][]uint64 {
	if p.Share == nil { // while a tape is recorded nothing depends on it
		return nil
	}
	return [][]uint64{p.Share}
}

// widening is that of numbers y from one ring to another.
func (p *Party) widening(y []uint64, from, to int) *widening {
	top := p.Memory.Planes(1, len(y))
	ring.Slice(top, y, from-1)
	for i := range top[0] {
		top[0][i] = ^top[0][i]
	}
	return &widening{from: from, by: to - from, top: top[0]}
}

// fix makes the client's share of numbers a uniform one that it drew when this was
// recorded, so that what follows knows it ahead.
//
// Functionality: shares of x in Z_2^bits -> other shares of x. One flight, from the client, bits
// bits an element: its share less the new one, which is uniform and used for nothing that
// is sent. Exact; leaks nothing.
func (p *Party) fix(x []uint64, bits int) error {
	return chunks(len(x), func(lo, n int) error {
		part, r := x[lo:lo+n], p.spare(0, n)
		if p.isServer() {
			if p.recording() {
				return nil
			}
			if err := p.recvWords(r, bits); err != nil {
				return err
			}
			for i, v := range r {
				part[i] += v
			}
			ring.Reduce(part, bits)
			return nil
		}
		err := p.material(func() error { return p.random(r, bits) }, func(t *Tape) error { return t.words(bits, r) })
		if err != nil {
			return err
		}
		for i, v := range part {
			part[i], r[i] = r[i], v-r[i]
		}
		return p.sendWords(r, bits)
	})
}
