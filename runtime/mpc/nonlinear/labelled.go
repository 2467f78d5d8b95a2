package nonlinear

import (
	"context"
	"errors"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// labelled is a masked multiplexer whose result the server gets with the client's answer, where the client's
// share of the operands and its share r of the result are known ahead: a flight from the server and
// one back.
//
// Functionality: <x >= 0>, from shares of x, those of y in Z_2^w, and r at the client -> shares of
// y*[x >= 0], r the client's. The sign's carry is a sum of products of a bit of the client's with one
// of the server's (two for two tables, six for three), and what either knows alone:
//
//	b = u ^ v ^ sum of A_j B_j, the client's u and A_j known to it once it has the server's entries, the server's v
//	and B_j when it has said them
//
// Ahead, for each j and for v an OT that the client sends, with pads of w bits: with one correction
// for each but the first, the server has K_j ^ c_j D, c_j its choice, the client K_j and D. One more bit of
// the pads gives shares of a_j c_j, a_j their difference. The server says B_j ^ c_j, which makes
// of K_j ^ c_j D a label K'_j ^ B_j D, and of shares of a_j c_j those of a_j B_j. The client says d_j = A_j ^ a_j:
// so shares of b are s at the server, a sum of bits that it has labels of by coefficients d_j that
// both know, and hence a label Q ^ s D; and the rest at the client. That is made the client's mask m by a
// bit that it says: b = s ^ m. With shares of m*y (masked) what is left for the server is, if s is 0, the
// client's share of m*y less r, and if s is 1 its share of y less that and less r. Both are sent, under
// Q and Q ^ D.
//
// (Labels whose XOR is one difference, so that sums are free, are those of garbled circuits: Kolesnikov,
// Schneider, ICALP 2008. Here each is as long as what it hides, and used once: no hash.)
//
// Bits an element, for f products: f+1 from the server beside the tables' and the operands', 2w + f+1 from the
// client; ahead f*w. f+1 OTs. Exact; leaks nothing: c_j and a_j mask what is said, r the result, and D, which
// the server lacks, what it has no label of.
type labelled struct {
	masked
	next [][]uint64 // client: its share of each result, known ahead

	nodes  []node
	join   wire.Join
	own    []uint64 // bits: this party's part of b that no table knows
	labels []label  // that of v, and those of all B_j
	part   []uint64 // bits: shares of the sum of all a_j B_j
	differ []uint64 // client: D
}

// label is one party's half of a label.
type label struct {
	choice []uint64 // server: c_j; client: a_j, none for v
	bit    []uint64 // server: what it is a label of
	key    []uint64 // server: K_j ^ c_j D; client: K_j, from the server's first message on K'_j
}

// newLabelled is that of operands, selected by the sign of x; flip turns the server's share of it round.
func (p *Party) newLabelled(m masked, next [][]uint64) *labelled {
	m.alone = true
	return &labelled{masked: m, next: next}
}

// width is the bits of all operands.
func (l *labelled) width() (bits int) {
	for _, o := range l.operands {
		bits += o.width
	}
	return bits
}

// hand runs a labelled multiplexer on the sign of x, n numbers.
func (p *Party) hand(ctx context.Context, x []uint64, s Sign, flip *Flip, l *labelled) error {
	n, m := len(x), s.Hi-s.Lo-1
	planes := p.Memory.Planes(m+1, n)
	ring.Slice(planes, x, s.Lo)
	c := wire.NewCarries(m, 0, 1, s.Tree)
	if c.Factors() == 0 || !p.isServer() && !p.recording() && l.next == nil {
		return errors.New("BUG: nonlinear: labels for another circuit, or without the client's share")
	}
	l.own, l.join = planes[m], c.Levels[0][0]
	flip.turn(l.own)
	p.not(l.own)
	var leaves []leaf
	l.nodes, leaves = p.plant(n, [][][]uint64{planes[:m]}, c)
	l.labels = make([]label, c.Factors()+1)
	if err := p.tabled(ctx, n, leaves, l); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if p.recording() { // results that were drawn now may be operands
		l.settle()
		return nil
	}
	if p.isServer() {
		return chunks(n, func(lo, n int) error { return p.receiveHanded(l, lo, n) })
	}
	if err := p.handAll(l, n); err != nil {
		return err
	}
	return p.Conn.Flush()
}

// alloc makes room for the labels of n elements.
func (l *labelled) alloc(p *Party, n int) {
	l.part = p.drawn(ring.Words(n))
	if !p.isServer() {
		l.differ = p.drawn(n)
	}
	for j := range l.labels {
		l.labels[j] = label{p.drawn(ring.Words(n)), nil, p.drawn(n)}
	}
}

// zero clears what drawing adds to.
func (l *labelled) zero() {
	clear(l.part)
	for _, b := range l.labels {
		clear(b.choice)
	}
}

// start takes the OTs and, at the server, says all it has to say.
func (l *labelled) start(ctx context.Context, p *Party, n int) error {
	if err := l.masked.start(ctx, p, n); err != nil {
		return err
	}
	l.alloc(p, p.kept(n))
	err := chunks(n, func(lo, n int) error {
		if p.recording() {
			l.zero()
		}
		at := p.from(lo)
		return p.material(func() error { return p.drawLabels(ctx, l, at, n) }, func(t *Tape) error { return l.moveLabels(t, p.Role, at, n) })
	})
	if err != nil || !p.isServer() || p.recording() {
		return err
	}
	known, factors := l.serverFactors(n)
	xor(known, l.own)
	xor(known, l.part)
	for j := range l.labels {
		l.labels[j].bit = known
		if j > 0 {
			l.labels[j].bit = factors[j-1]
		}
	}
	return chunks(n, func(lo, n int) error {
		said := p.spare(0, ring.Words(n))
		for _, b := range l.labels {
			copy(said, window(b.bit, lo, n))
			xor(said, window(b.choice, lo, n))
			if err := p.sendBits(said, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// end receives, at the client, what the server has said.
func (l *labelled) end(p *Party, n int) error {
	if err := l.masked.end(p, n); err != nil || p.isServer() || p.recording() {
		return err
	}
	return chunks(n, func(lo, n int) error {
		said, part := p.spare(0, ring.Words(n)), window(l.part, lo, n)
		for j, b := range l.labels {
			if err := p.recvBits(said, n); err != nil {
				return err
			}
			ring.XorWhere(b.key[lo:lo+n], l.differ[lo:lo+n], said)
			for i, a := range window(b.choice, lo, n) {
				if j > 0 {
					part[i] ^= a & said[i]
				}
			}
		}
		return nil
	})
}

// drawLabels makes what is kept of a chunk's labels.
func (p *Party) drawLabels(ctx context.Context, l *labelled, lo, n int) error {
	w := l.width()
	for j, b := range l.labels {
		var err error
		if p.isServer() {
			err = p.receiveLabel(ctx, l, b, j > 0, w, lo, n)
		} else {
			err = p.sendLabel(ctx, l, b, j > 0, w, lo, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sendLabel is the client's side of a label; the first one's pads say by what all labels differ.
func (p *Party) sendLabel(ctx context.Context, l *labelled, b label, factor bool, w, lo, n int) error {
	batch, err := p.Corr.Send(ctx, n)
	if err != nil {
		return err
	}
	low, p1 := b.key[lo:lo+n], p.spare(0, n)
	differ := l.differ[lo : lo+n]
	if !factor {
		batch.PadsInto(w, low, p1)
		for i, v := range low {
			differ[i] = v ^ p1[i]
		}
		return nil
	}
	batch.PadsInto(w+1, low, p1)
	mask, part := window(b.choice, lo, n), window(l.part, lo, n)
	for i, v := range low {
		d := v ^ p1[i]
		mask[i/64] |= d >> w & 1 << (i % 64)
		part[i/64] ^= v >> w & 1 << (i % 64)
		low[i], p1[i] = v&ring.Mask(w), d&ring.Mask(w)^differ[i]
	}
	return p.aheadWords(p1, w)
}

// receiveLabel is the server's side of a label.
func (p *Party) receiveLabel(ctx context.Context, l *labelled, b label, factor bool, w, lo, n int) error {
	batch, err := p.Corr.Recv(ctx, n)
	if err != nil {
		return err
	}
	key, choice := b.key[lo:lo+n], window(b.choice, lo, n)
	if !factor {
		batch.PadsInto(w, choice, key)
		return nil
	}
	batch.PadsInto(w+1, choice, key)
	part, fix := window(l.part, lo, n), p.spare(0, n)
	for i, v := range key {
		part[i/64] ^= v >> w & 1 << (i % 64)
		key[i] = v & ring.Mask(w)
	}
	if err := p.aheadWords(fix, w); err != nil {
		return err
	}
	ring.XorWhere(key, fix, choice)
	return nil
}

// moveLabels tells a tape what is kept.
func (l *labelled) moveLabels(t *Tape, role transport.Role, lo, n int) error {
	kept := l.labels
	if role == transport.Client {
		kept = kept[1:] // nothing is multiplied with v
	}
	for _, b := range kept {
		if err := t.planes(n, window(b.choice, lo, n)); err != nil {
			return err
		}
	}
	if err := t.planes(n, window(l.part, lo, n)); err != nil {
		return err
	}
	w := l.width()
	for _, b := range l.labels {
		if err := t.words(w, b.key[lo:lo+n]); err != nil {
			return err
		}
	}
	if role == transport.Server {
		return nil
	}
	return t.words(w, l.differ[lo:lo+n])
}

// bits are a party's shares of what the joined nodes hold: the carry out of the lowest, and of each above
// it whether it generates or propagates one.
func (l *labelled) bits() (g, p [][]uint64) {
	for _, id := range l.join.In {
		g, p = append(g, l.nodes[id].gen), append(p, l.nodes[id].prop)
	}
	return g, p
}

// serverFactors gives what the server knows of the carry alone, and the B_j.
//
// Of two nodes, g1 ^ p1 g0 with shared g0, g1, p1 is one's own part ^ p1S g0C ^ g0S p1C. Of three,
// g2 ^ p2 (g1 ^ p1 g0) has, besides either's own part, six products; B_j stands by what it is
// multiplied with (clientFactors).
func (l *labelled) serverFactors(n int) (own []uint64, factors [][]uint64) {
	g, p := l.bits()
	own, low := carry(n, g, p)
	if len(g) == 2 {
		return own, [][]uint64{p[1], g[0]}
	}
	return own, [][]uint64{product(n, p[2], p[1]), product(n, p[2], g[0]), low, p[2], p[1], g[0]}
}

// clientFactors gives what the client knows of the carry alone, and the A_j.
func (l *labelled) clientFactors(n int) (own []uint64, factors [][]uint64) {
	g, p := l.bits()
	own, low := carry(n, g, p)
	if len(g) == 2 {
		return own, [][]uint64{g[0], p[1]}
	}
	return own, [][]uint64{g[0], p[1], p[2], low, product(n, p[2], g[0]), product(n, p[2], p[1])}
}

// carry is that of nodes a party has alone, and that of the two lowest of them.
func carry(n int, g, p [][]uint64) (all, low []uint64) {
	low = sum(g[1], product(n, p[1], g[0]))
	if len(g) == 2 {
		return low, low
	}
	return sum(g[2], product(n, p[2], low)), low
}

// product is the AND of bits that this party knows.
func product(n int, a, b []uint64) []uint64 {
	z := make([]uint64, ring.Words(n))
	for i := range z {
		z[i] = a[i] & b[i]
	}
	return z
}

// sum is the XOR of bits.
func sum(a, b []uint64) []uint64 {
	z := append([]uint64(nil), a...)
	xor(z, b)
	return z
}

// handAll sends both results of all elements, under labels, and what the server adds its labels up by.
func (p *Party) handAll(l *labelled, n int) error {
	own, factors := l.clientFactors(n)
	xor(own, l.own)
	xor(own, l.part)
	xor(own, l.mask)
	for j, b := range l.labels[1:] {
		xor(factors[j], b.choice)
	}
	err := chunks(n, func(lo, n int) error { return p.handChunk(l, own, factors, lo, n) })
	l.settle()
	return err
}

// settle makes the client's shares of the results what was drawn, where anything was.
func (l *labelled) settle() {
	for k, r := range l.next {
		copy(l.operands[k].val, r)
	}
}

// handChunk is handAll of a chunk.
func (p *Party) handChunk(l *labelled, turn []uint64, coefficients [][]uint64, lo, n int) error {
	q := l.labels[0].key[lo : lo+n]
	differ := l.differ[lo : lo+n]
	for j, c := range coefficients {
		c = window(c, lo, n)
		ring.XorWhere(q, l.labels[j+1].key[lo:lo+n], c)
		if err := p.sendBits(c, n); err != nil {
			return err
		}
	}
	ring.XorWhere(q, differ, window(turn, lo, n))
	if err := p.sendBits(window(turn, lo, n), n); err != nil {
		return err
	}
	unset, set := q, p.spare(0, n)
	for i, v := range q {
		set[i] = v ^ differ[i]
	}
	at := 0
	for k, o := range l.operands {
		val, prod, next, low := o.val[lo:lo+n], o.prod[lo:lo+n], l.next[k][lo:lo+n], ring.Mask(o.width)
		for i, r := range next {
			unset[i] ^= (prod[i] - r) & low << at
			set[i] ^= (val[i] - prod[i] - r) & low << at
		}
		at += o.width
	}
	if err := p.sendWords(unset, at); err != nil {
		return err
	}
	return p.sendWords(set, at)
}

// receiveHanded takes in what the client hands over of a chunk.
func (p *Party) receiveHanded(l *labelled, lo, n int) error {
	q := l.labels[0].key[lo : lo+n]
	s, c := window(l.labels[0].bit, lo, n), p.spare(2, ring.Words(n))
	for _, b := range l.labels[1:] {
		if err := p.recvBits(c, n); err != nil {
			return err
		}
		ring.XorWhere(q, b.key[lo:lo+n], c)
		for i, v := range window(b.bit, lo, n) {
			s[i] ^= c[i] & v
		}
	}
	if err := p.recvXor(s, n); err != nil {
		return err
	}
	w := l.width()
	unset, set := p.scratch(n)
	if err := errors.Join(p.recvWords(unset, w), p.recvWords(set, w)); err != nil {
		return err
	}
	for i, v := range unset {
		q[i] ^= v ^ (v^set[i])&-ring.Bit(s, i)
	}
	at := 0
	for _, o := range l.operands {
		val, prod, low := o.val[lo:lo+n], o.prod[lo:lo+n], ring.Mask(o.width)
		for i := range val {
			d := -ring.Bit(s, i)
			val[i] = (q[i]>>at + val[i]&d + (prod[i] ^ d - d)) & low
		}
		at += o.width
	}
	return nil
}

var _ beside = (*labelled)(nil)

// drawNext draws the client's shares of results where they follow from no other part of a run.
func (p *Party) drawNext(l *labelled, n int) error {
	if p.isServer() {
		return nil
	}
	for _, o := range l.operands {
		r := p.Memory.Dirty(n)
		err := chunks(n, func(lo, n int) error {
			part := r[lo : lo+n]
			return p.material(func() error { return p.random(part, o.width) }, func(t *Tape) error { return t.words(o.width, part) })
		})
		if err != nil {
			return err
		}
		l.next = append(l.next, r)
	}
	return nil
}
