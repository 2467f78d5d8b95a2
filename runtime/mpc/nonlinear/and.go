package nonlinear

import (
	"context"

	"secc.example/secc/runtime/mpc/ring"
)

// gate is a group of AND gates that share an operand: z[j] ^= x & y[j].
type gate struct {
	x    []uint64
	y, z [][]uint64

	a, dx    []uint64 // random mask of x; x ^ a, then its opening
	b, c, dy [][]uint64
}

// joins evaluates gates and chains on XOR-shared bit vectors of n bits in one flight.
//
// Functionality of a gate: <x>, <y_j> -> <z_j> ^= <x & y_j>. The Beaver triples (a, b_j, a & b_j)
// come out of random OTs with nothing sent: one OT each way a gate, whose choice is
// this party's share of a and whose pad difference is the share of b (GMW; Asharov et
// al. 2013, section 5.1), with several b_j under one a.
// One flight, both ways: 1 + len(y) bits a gate and element. Exact. Leaks nothing:
// what is opened is masked by fresh uniform bits.
//
// What a chain sends is 4 masked bits and 3 corrections (5 and 5 with two values at its
// bottom), for two OTs each way: each bit is masked by a uniform bit of its own, the
// corrections by the pad that the peer lacks.
func (p *Party) joins(ctx context.Context, n int, gates []gate, chains []chain) error {
	for i := range gates {
		gates[i].alloc(p, n)
	}
	for i := range chains {
		chains[i].alloc(p, n)
	}
	err := p.eachJoin(n, gates, chains,
		func(g *gate, lo, n int) error { return p.mask(ctx, g, lo, n) },
		func(c *chain, lo, n int) error { return p.maskChain(ctx, c, lo, n) })
	if err != nil || p.recording() {
		return err
	}
	if err := p.Conn.Flush(); err != nil {
		return err
	}
	return p.eachJoin(n, gates, chains, p.open, p.openChain)
}

func (p *Party) eachJoin(n int, gates []gate, chains []chain, one func(*gate, int, int) error, three func(*chain, int, int) error) error {
	return chunks(n, func(lo, n int) error {
		for i := range gates {
			if err := one(&gates[i], lo, n); err != nil {
				return err
			}
		}
		for i := range chains {
			if err := three(&chains[i], lo, n); err != nil {
				return err
			}
		}
		return nil
	})
}

func (g *gate) alloc(p *Party, n int) {
	w := len(g.y)
	all := p.Memory.Planes(2+3*w, n)
	g.a, g.dx = all[0], all[1]
	g.b, g.c, g.dy = all[2:2+w], all[2+w:2+2*w], all[2+2*w:]
}

// mask makes the triples of a chunk and sends the masked operands.
func (p *Party) mask(ctx context.Context, g *gate, lo, n int) error {
	a, b, c := window(g.a, lo, n), windows(g.b, lo, n), windows(g.c, lo, n)
	t := windows(g.dy, lo, n) // the received pads, until dy is known
	if err := p.triples(ctx, n, a, b, c, t); err != nil || p.recording() {
		return err
	}
	dx, x := window(g.dx, lo, n), window(g.x, lo, n)
	for i := range dx {
		dx[i] = x[i] ^ a[i]
	}
	if err := p.sendBits(dx, n); err != nil {
		return err
	}
	for j := range b {
		y := window(g.y[j], lo, n)
		for i := range y {
			t[j][i] = y[i] ^ b[j][i]
		}
		if err := p.sendBits(t[j], n); err != nil {
			return err
		}
	}
	return nil
}

// triple turns pads into a share of a & b: on entry c and b are the two pads
// sent, t the pad received; on return b is their difference and c the product.
func triple(a, b, c, t []uint64) {
	for i := range a {
		u := c[i]
		b[i] ^= u
		c[i] = a[i]&b[i] ^ t[i] ^ u
	}
}

// open receives the peer's masked operands and finishes the products.
func (p *Party) open(g *gate, lo, n int) error {
	in := p.spare(0, ring.Words(n))
	a, dx := window(g.a, lo, n), window(g.dx, lo, n)
	if err := p.recvBits(in, n); err != nil {
		return err
	}
	for i := range dx {
		dx[i] ^= in[i]
	}
	own := p.serverMask() // the server adds the product of the openings
	for j := range g.b {
		if err := p.recvBits(in, n); err != nil {
			return err
		}
		b, c, dy, z := window(g.b[j], lo, n), window(g.c[j], lo, n), window(g.dy[j], lo, n), window(g.z[j], lo, n)
		for i := range z {
			d := dy[i] ^ in[i]
			z[i] ^= c[i] ^ dx[i]&(b[i]^d&own) ^ d&a[i]
		}
	}
	return nil
}
