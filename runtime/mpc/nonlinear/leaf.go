package nonlinear

import (
	"context"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// leaf is a group of adjacent bits of the party that chooses, and what it is
// added to: of each sum the carry it generates, and whether it would propagate
// one, become XOR-shared bits.
type leaf struct {
	*wire.Leaf
	own    [][]uint64 // the chooser's bits, lowest first
	sums   []leafSum
	choice [][]uint64 // chooser: its random choices, one plane a bit

	table [][][]uint64 // this party's share of the table, if that was made ahead: of the chunks at hand

	crossings []crossed // where leaves cross
}

// leafSum is one sum that a leaf's bits take part in.
type leafSum struct {
	own   [][]uint64 // this party's bits, lowest first
	gen   []uint64   // out: own + peer's >= 2^len(own)
	prop  []uint64   // out: own + peer's == 2^len(own) - 1; nil where nobody asks
	lower []node     // out: the same of the lowest bits, of one bit, of two and so on; none where nobody asks
	pad   [][]uint64 // chooser: the pad of gen [0] and of prop [1]; for pairs the latter's two parts are summed
	table [][]uint64 // answerer: pads of gen by choice, then pads of prop by choice
	diff  [][]uint64 // answerer: differences of the two propagate pads of a pair
}

// leaves computes gen and prop of all groups.
//
// Functionality: chooser's bits a, the other's bits c of a group of t bits -> <a+c >= 2^t>
// and, where asked, <a+c == 2^t-1>. 1-of-2^t OT, made of t random OTs: the pad of table entry u
// is the sum over positions i of the bits of pad u_i of OT i that the other positions
// select, so that any entry but the chosen one contains a bit the chooser lacks which is used for
// no other entry. The entry at a = 0 is not sent: it defines the answerer's share
// (correlated OT). (Leaves: CrypTFlow2, Rathee et al. 2020, section 3.1.) Several sums with
// the same bits of the chooser's share its choices: they use different bits of the pads.
// Two flights: the chooser t bits a group, then the other 2^t-1 a table; a pair's propagate
// bit, a1 a0 ^ c1 c0 ^ a1 c0 ^ a0 c1, needs two products of bits: 2 bits. Exact. The
// chooser sends masked bits, the other masked table entries.
//
// with is what travels with the leaves' messages.
func (p *Party) leaves(ctx context.Context, n int, groups []leaf, chooser transport.Role, with beside) error {
	if p.Role == chooser {
		return p.leavesChooser(ctx, n, groups, with)
	}
	return p.leavesAnswerer(ctx, n, groups, with)
}

func (p *Party) leavesChooser(ctx context.Context, n int, groups []leaf, with beside) error {
	err := p.travel(ctx, n, with, func() error {
		return eachLeaf(n, groups, func(l *leaf, lo, n int) error { return p.choose(ctx, l, lo, n) })
	}, func() error { return nil })
	if err != nil {
		return err
	}
	return eachLeaf(n, groups, p.lookUp)
}

// leavesAnswerer sends its half of what stands beside before the answers, so that the chooser
// reads them in that order; both leave with one flush.
func (p *Party) leavesAnswerer(ctx context.Context, n int, groups []leaf, with beside) error {
	err := eachLeaf(n, groups, func(l *leaf, lo, n int) error { return p.tables(ctx, l, lo, n) })
	if err != nil {
		return err
	}
	if err := with.start(ctx, p, n); err != nil {
		return err
	}
	if err := eachLeaf(n, groups, p.permute); err != nil {
		return err
	}
	if err := with.end(p, n); err != nil {
		return err
	}
	if err := eachLeaf(n, groups, p.answer); err != nil {
		return err
	}
	return p.Conn.Flush()
}

func eachLeaf(n int, groups []leaf, f func(l *leaf, lo, n int) error) error {
	return chunks(n, func(lo, n int) error {
		for i := range groups {
			if err := f(&groups[i], lo, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// choose takes the OTs and sends which choices have to be flipped.
func (p *Party) choose(ctx context.Context, l *leaf, lo, n int) error {
	t, w := l.Size, l.Width()
	if l.choice == nil {
		words := 64 * len(l.own[0])
		l.choice = ring.Planes(t, words)
		for k := range l.sums {
			l.sums[k].pad = ring.Planes(2, words)
		}
	}
	choice := windows(l.choice, lo, n)
	err := p.material(func() error { return p.drawChoices(ctx, l, choice, w, lo, n) }, func(t *Tape) error {
		all := choice[:len(choice):len(choice)]
		for k := range l.sums {
			pad := windows(l.sums[k].pad, lo, n)
			all = append(all, pad[:l.Selected()]...)
		}
		return t.planes(n, all...)
	})
	if err != nil {
		return err
	}
	flip := make([]uint64, ring.Words(n))
	for i := range t {
		copy(flip, window(l.own[i], lo, n))
		xor(flip, choice[i])
		if err := p.sendBits(flip, n); err != nil {
			return err
		}
	}
	return nil
}

// drawChoices takes the OTs of a leaf at the chooser: its choices, and of every sum the pads
// that these select.
func (p *Party) drawChoices(ctx context.Context, l *leaf, choice [][]uint64, w, lo, n int) error {
	t := l.Size
	mark := p.Memory.given()
	defer p.Memory.giveBack(mark)
	pads := make([][][]uint64, t)
	for i := range pads {
		pads[i] = p.Memory.Planes(w*len(l.sums), n)
		if err := p.recvPlanes(ctx, n, choice[i], pads[i]); err != nil {
			return err
		}
	}
	for k := range l.sums {
		pad := windows(l.sums[k].pad, lo, n)
		for f := range l.Functions() {
			selectPads(pad[f], choice, pads, k*w+f<<(t-1))
		}
		if l.Pair() {
			xor(pad[1], pads[0][k*w+2])
			xor(pad[1], pads[1][k*w+2])
		}
	}
	return nil
}

// selectPads sums, over the OTs i, bit (choices of the others) of pad i.
func selectPads(out []uint64, choice [][]uint64, pads [][][]uint64, from int) {
	t := len(choice)
	for i := range t {
		for j := range 1 << (t - 1) {
			src := pads[i][from+j]
			for w := range out {
				sel := ^uint64(0)
				for o := range t - 1 {
					c := choice[other(i, o)][w]
					sel &= c ^ (uint64(j>>o&1) - 1)
				}
				out[w] ^= src[w] & sel
			}
		}
	}
}

// other is the o-th position that is not i.
func other(i, o int) int {
	if o >= i {
		return o + 1
	}
	return o
}

// without removes bit i of u.
func without(u, i int) int { return u&(1<<i-1) | u>>(i+1)<<i }

// tables takes the OTs and lays out the pads of all table entries.
func (p *Party) tables(ctx context.Context, l *leaf, lo, n int) error {
	t, w := l.Size, l.Width()
	words := 64 * len(l.own[0])
	for k := range l.sums {
		if s := &l.sums[k]; s.table == nil {
			s.table, s.diff = ring.Planes(l.Functions()<<t, words), ring.Planes(2, words)
		}
	}
	return p.material(func() error { return p.drawTables(ctx, l, w, lo, n) }, func(t *Tape) error {
		var all [][]uint64
		for k := range l.sums {
			s := &l.sums[k]
			all = append(all, windows(s.table, lo, n)...)
			if l.Pair() {
				all = append(all, window(s.prop, lo, n), window(s.diff[0], lo, n), window(s.diff[1], lo, n))
			}
		}
		return t.planes(n, all...)
	})
}

// drawTables takes the OTs of a leaf at the answerer: the pads of all table entries.
func (p *Party) drawTables(ctx context.Context, l *leaf, w, lo, n int) error {
	mark := p.Memory.given()
	defer p.Memory.giveBack(mark)
	p0, p1 := p.Memory.Planes(w*len(l.sums), n), p.Memory.Planes(w*len(l.sums), n)
	for i := range l.Size {
		if err := p.sendPlanes(ctx, n, p0, p1); err != nil {
			return err
		}
		for k := range l.sums {
			l.sums[k].lay(i, l.Size, p0[k*w:(k+1)*w], p1[k*w:(k+1)*w], lo, n)
			if l.Pair() {
				out, base := window(l.sums[k].diff[i], lo, n), window(l.sums[k].prop, lo, n)
				copy(out, p0[k*w+2])
				xor(out, p1[k*w+2])
				xor(base, p0[k*w+2])
			}
		}
	}
	return nil
}

// lay adds the pads of OT i to the table entries.
func (s *leafSum) lay(i, t int, p0, p1 [][]uint64, lo, n int) {
	for e := range s.table {
		f, u := e>>t, e&(1<<t-1)
		src := p0
		if u>>i&1 == 1 {
			src = p1
		}
		xor(window(s.table[e], lo, n), src[f<<(t-1)+without(u, i)])
	}
}

func xor(dst, src []uint64) {
	for i := range dst {
		dst[i] ^= src[i]
	}
}

// permute receives the chooser's flips and moves the pads to the entries they
// now belong to.
func (p *Party) permute(l *leaf, lo, n int) error {
	flip := make([]uint64, ring.Words(n))
	for i := range l.Size {
		if err := p.recvBits(flip, n); err != nil {
			return err
		}
		for k := range l.sums {
			s := &l.sums[k]
			table := windows(s.table, lo, n)
			for u := range table {
				if u>>i&1 == 0 {
					swapWhere(table[u], table[u|1<<i], flip)
				}
			}
			if l.Pair() {
				base, diff := window(s.prop, lo, n), window(s.diff[i], lo, n)
				for w := range base {
					base[w] ^= flip[w] & diff[w]
				}
			}
		}
	}
	return nil
}

// swapWhere exchanges the bits of a and b where sel is set.
func swapWhere(a, b, sel []uint64) {
	for i := range a {
		d := (a[i] ^ b[i]) & sel[i]
		a[i] ^= d
		b[i] ^= d
	}
}

// answer sends the masked tables.
func (p *Party) answer(l *leaf, lo, n int) error {
	for k := range l.sums {
		if err := p.answerSum(l, &l.sums[k], lo, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *Party) answerSum(l *leaf, s *leafSum, lo, n int) error {
	t := l.Size
	own, table := windows(s.own, lo, n), windows(s.table, lo, n)
	for u := range 1 << t {
		generates(table[u], own, u)
		if l.Functions() == 2 {
			propagates(table[1<<t+u], own, u)
		}
	}
	for f := range l.Functions() {
		entries := table[f<<t : (f+1)<<t]
		for _, e := range entries[1:] {
			xor(e, entries[0])
			if err := p.sendBits(e, n); err != nil {
				return err
			}
		}
	}
	copy(window(s.gen, lo, n), table[0])
	switch {
	case !l.Asked:
	case t == 1:
		copy(window(s.prop, lo, n), own[0])
	case t == 2:
		return p.answerPair(s, lo, n)
	default:
		copy(window(s.prop, lo, n), table[1<<t])
	}
	return nil
}

// answerPair sends the two products of a pair's propagate bit.
func (p *Party) answerPair(s *leafSum, lo, n int) error {
	own, diff, prop := windows(s.own, lo, n), windows(s.diff, lo, n), window(s.prop, lo, n)
	for w := range prop {
		prop[w] ^= own[0][w] & own[1][w]
	}
	for i := range 2 {
		xor(diff[i], own[1-i])
		if err := p.sendBits(diff[i], n); err != nil {
			return err
		}
	}
	return nil
}

// generates adds the carry out of own + u.
func generates(out []uint64, own [][]uint64, u int) {
	for w := range out {
		var c uint64
		for i := range own {
			if u>>i&1 == 1 {
				c |= own[i][w]
			} else {
				c &= own[i][w]
			}
		}
		out[w] ^= c
	}
}

// propagates adds whether own + u is all ones.
func propagates(out []uint64, own [][]uint64, u int) {
	for w := range out {
		c := ^uint64(0)
		for i := range own {
			c &= own[i][w] ^ -uint64(u>>i&1)
		}
		out[w] ^= c
	}
}

// lookUp receives the tables and unmasks the entry of the chooser's own bits.
func (p *Party) lookUp(l *leaf, lo, n int) error {
	for k := range l.sums {
		if err := p.lookUpSum(l, &l.sums[k], lo, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *Party) lookUpSum(l *leaf, s *leafSum, lo, n int) error {
	t := l.Size
	own, in := windows(l.own, lo, n), make([]uint64, ring.Words(n))
	outs := [][]uint64{s.gen, s.prop}
	for f := range l.Functions() {
		out := window(outs[f], lo, n)
		xor(out, window(s.pad[f], lo, n))
		for u := 1; u < 1<<t; u++ {
			if err := p.recvBits(in, n); err != nil {
				return err
			}
			for w := range out {
				sel := in[w]
				for i := range own {
					sel &= own[i][w] ^ (uint64(u>>i&1) - 1)
				}
				out[w] ^= sel
			}
		}
	}
	if l.Asked && t == 1 {
		copy(window(s.prop, lo, n), own[0])
	}
	if l.Pair() {
		return p.lookUpPair(own, s, lo, n)
	}
	return nil
}

func (p *Party) lookUpPair(own [][]uint64, s *leafSum, lo, n int) error {
	in, prop, pad := make([]uint64, ring.Words(n)), window(s.prop, lo, n), window(s.pad[1], lo, n)
	for w := range prop {
		prop[w] ^= pad[w] ^ own[0][w]&own[1][w]
	}
	for i := range 2 {
		if err := p.recvBits(in, n); err != nil {
			return err
		}
		for w := range prop {
			prop[w] ^= own[i][w] & in[w]
		}
	}
	return nil
}
