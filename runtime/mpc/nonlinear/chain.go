package nonlinear

import (
	"context"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
)

// chain is a join of three in one flight: z[j] ^= top & (lower & y[j] ^ add), where
// add takes part for j = 0 only. The gate in it is the lower product; its masks are
// drawn and its operands opened as those of any gate, but nobody computes it.
//
// Let a hat mark what is opened, m a mask. With e, r, s_j the masks of add, lower, y[j] and
// t_j = r s_j, which the lower OT gives,
//
//	top (lower y_j ^ add) = (^top ^ m)(^add ^ e ^ (^lower ^ r)(^y_j ^ s_j))
//
// is linear in the masks, in t_j, and in the products of m with e, r, s_j and t_j:
// those come out of one more OT each way, whose choice is this party's share of m. The
// difference of the pads that belong to e defines this party's share of e; the other
// pads get a correction, the difference that they have xor the one that they should
// have (correlated OT). The correction leaves with the masked operands.
type chain struct {
	gate
	top, add []uint64
	early    bool // corrections are sent when the masks are made

	m, dtop   []uint64   // mask of top; top ^ m, then its opening
	e, dadd   []uint64   // the same of add
	prod, fix [][]uint64 // shares of m's products, in the order of upper; the corrections
}

func (c *chain) alloc(p *Party, n int) {
	c.gate.alloc(p, n)
	k := wire.ChainPads(len(c.y))
	all := p.Memory.Planes(4+2*k, n)
	c.m, c.dtop, c.e, c.dadd = all[0], all[1], all[2], all[3]
	c.prod, c.fix = all[4:4+k], all[4+k:]
}

// upper is what m is multiplied with, as this party's shares: the mask of add, that of
// the lower factor, those of the bottom values and their products with the lower factor.
func (c *chain) upper() [][]uint64 {
	u := append([][]uint64{c.e, c.a}, c.b...)
	return append(u, c.c...)
}

// maskChain draws all masks of a chunk and sends masked operands and corrections.
func (p *Party) maskChain(ctx context.Context, c *chain, lo, n int) error {
	if err := p.mask(ctx, &c.gate, lo, n); err != nil {
		return err
	}
	m, prod, fix := window(c.m, lo, n), windows(c.prod, lo, n), windows(c.fix, lo, n)
	e := window(c.e, lo, n)
	err := p.material(func() error { return p.drawChain(ctx, c, m, prod, fix, lo, n) }, func(t *Tape) error {
		all := append([][]uint64{m, e}, prod...)
		if !c.early {
			all = append(all, fix[1:]...)
		}
		return t.planes(n, all...)
	})
	if err != nil {
		return err
	}
	if !p.recording() {
		if err := p.sendMasked(c.top, m, c.dtop, lo, n); err != nil {
			return err
		}
		if err := p.sendMasked(c.add, e, c.dadd, lo, n); err != nil {
			return err
		}
	}
	for _, f := range fix[1:] {
		if err := p.sends(c.early)(f, n); err != nil {
			return err
		}
	}
	return nil
}

// drawChain makes the mask of the upper factor, that of what is added, this party's shares of
// the products and the corrections.
func (p *Party) drawChain(ctx context.Context, c *chain, m []uint64, prod, fix [][]uint64, lo, n int) error {
	received := p.Memory.Planes(len(prod), n)
	err := p.bothWays(
		func() error { return p.sendPlanes(ctx, n, prod, fix) },
		func() error { return p.recvPlanes(ctx, n, m, received) },
	)
	if err != nil {
		return err
	}
	for k, u := range windows(c.upper(), lo, n) {
		correct(m, u, prod[k], fix[k], received[k], k == 0)
	}
	return nil
}

// correct turns pads into a share of m & u, but for the peer's correction: on
// entry p and f are the two pads sent, t the pad received. If u is free to be
// anything it becomes the pads' difference; else f becomes the correction.
func correct(m, u, p, f, t []uint64, free bool) {
	for i := range m {
		f[i] ^= p[i]
		if free {
			u[i] = f[i]
		}
		f[i] ^= u[i]
		p[i] ^= m[i]&u[i] ^ t[i]
	}
}

// sendMasked sends x ^ mask of a chunk and keeps it in d.
func (p *Party) sendMasked(x, mask, d []uint64, lo, n int) error {
	w := window(d, lo, n)
	copy(w, window(x, lo, n))
	xor(w, mask)
	return p.sendBits(w, n)
}

// openChain receives the peer's messages of a chunk and finishes the join.
func (p *Party) openChain(c *chain, lo, n int) error {
	opened := append([][]uint64{c.dx}, c.dy...)
	for _, d := range windows(append(opened, c.dtop, c.dadd), lo, n) {
		if err := p.recvXor(d, n); err != nil {
			return err
		}
	}
	m, prod := window(c.m, lo, n), windows(c.prod, lo, n)
	in := p.spare(0, ring.Words(n))
	for _, q := range prod[1:] {
		if err := p.receives(c.early)(in, n); err != nil {
			return err
		}
		for i := range q {
			q[i] ^= m[i] & in[i]
		}
	}
	for j := range c.z {
		p.finish(c, j, lo, n)
	}
	return nil
}

// recvXor adds the peer's masked operand to this party's.
func (p *Party) recvXor(d []uint64, n int) error {
	in := p.spare(0, ring.Words(n))
	if err := p.recvBits(in, n); err != nil {
		return err
	}
	xor(d, in)
	return nil
}

// finish adds this party's share of the join to z[j]. The server adds the
// products of openings.
func (p *Party) finish(c *chain, j, lo, n int) {
	w := len(c.y)
	at := func(x []uint64) []uint64 { return window(x, lo, n) }
	top, lower, y, add := at(c.dtop), at(c.dx), at(c.dy[j]), at(c.dadd)
	m, r, s, t, e := at(c.m), at(c.a), at(c.b[j]), at(c.c[j]), at(c.e)
	me, mr, ms, mt := at(c.prod[0]), at(c.prod[1]), at(c.prod[2+j]), at(c.prod[2+w+j])
	z := at(c.z[j])
	server, first := p.serverMask(), -uint64(1&^min(j, 1))
	for i := range z {
		known := add[i]&first ^ lower[i]&y[i]
		masks := e[i]&first ^ r[i]&y[i] ^ s[i]&lower[i] ^ t[i]
		z[i] ^= top[i]&(known&server^masks) ^ m[i]&known ^
			me[i]&first ^ mr[i]&y[i] ^ ms[i]&lower[i] ^ mt[i]
	}
}

// serverMask is all ones at the server.
func (p *Party) serverMask() uint64 { return -uint64(1 & ^p.Role) }
