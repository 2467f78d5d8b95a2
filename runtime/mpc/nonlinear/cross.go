package nonlinear

import (
	"context"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
)

// crossed is one OT of a leaf that crosses.
type crossed struct {
	wire.Cross
	mask [][]uint64 // server: of its bit. client: of each of its bits, the difference of the OT's pads
	pad  [][]uint64
	out  [][]uint64 // what the products are added to
}

// crossLeaves is leaves in one flight: the carries that groups of bits generate, and whether they
// propagate one, as polynomials in the server's bits whose coefficients are the client's.
//
// Functionality: gen of the lowest bits of each group, and prop where asked. A product of the
// server's bits is multiplied with all of its coefficients by one OT with the client as sender,
// both masked before either is known (Beaver). One flight, both ways: of t bits 2^t - 1
// bits and OTs, and from the client a bit a coefficient; of one bit, 1 bit each. Exact; leaks
// nothing: the server's products are masked by its random choices, which the client does not
// know, and the client's coefficients by the pads that the server lacks, one of its own each.
func (p *Party) crossLeaves(ctx context.Context, n int, groups []leaf, with beside) error {
	for i := range groups {
		p.layCross(&groups[i])
	}
	return p.travel(ctx, n, with, func() error {
		return eachLeaf(n, groups, func(l *leaf, lo, n int) error { return p.maskCross(ctx, l, lo, n) })
	}, func() error { return eachLeaf(n, groups, p.openCross) })
}

// layCross makes room for the OTs of a leaf.
func (p *Party) layCross(l *leaf) {
	s, words := &l.sums[0], 64*len(l.own[0])
	for _, x := range l.Crosses() {
		c := crossed{Cross: x, pad: ring.Planes(len(x.Of), words)}
		c.mask = ring.Planes(1, words)
		if !p.isServer() {
			c.mask = ring.Planes(len(x.Of), words)
		}
		for _, o := range x.Of {
			out := s.inner(o.Bits, l.Size)
			if o.Propagates {
				c.out = append(c.out, out.prop)
			} else {
				c.out = append(c.out, out.gen)
			}
		}
		l.crossings = append(l.crossings, c)
	}
}

// inner is the node of the lowest bits.
func (s *leafSum) inner(bits, size int) node {
	if bits == size {
		return node{gen: s.gen, prop: s.prop}
	}
	return s.lower[bits-1]
}

func (p *Party) maskCross(ctx context.Context, l *leaf, lo, n int) error {
	d := make([]uint64, ring.Words(n))
	for i := range l.crossings {
		c := &l.crossings[i]
		mask, pad := windows(c.mask, lo, n), windows(c.pad, lo, n)
		err := p.material(func() error { return p.drawCross(ctx, mask, pad, n) }, func(t *Tape) error {
			return t.planes(n, append(mask[:len(mask):len(mask)], pad...)...)
		})
		if err != nil {
			return err
		}
		for j, m := range mask {
			p.factor(l, c, j, lo, d)
			xor(d, m)
			if err := p.sendBits(d, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// factor is what this party multiplies: the server's product of bits, or the client's coefficient j.
func (p *Party) factor(l *leaf, c *crossed, j, lo int, out []uint64) {
	var bits [wire.MaxLeaf]uint64
	for w := range out {
		for i, b := range l.own {
			bits[i] = b[lo/64+w]
		}
		if !p.isServer() {
			out[w] = c.Of[j].Client(c.Server, bits[:len(l.own)])
			continue
		}
		all := ^uint64(0)
		for i := range l.own {
			all &= bits[i] | (uint64(c.Server>>i&1) - 1)
		}
		out[w] = all
	}
}

// drawCross takes the OTs of a product: the masks of this party's factors and its pads.
func (p *Party) drawCross(ctx context.Context, mask, pad [][]uint64, n int) error {
	if p.isServer() {
		return p.recvPlanes(ctx, n, mask[0], pad)
	}
	err := p.sendPlanes(ctx, n, pad, mask)
	for j := range mask {
		xor(mask[j], pad[j])
	}
	return err
}

// openCross: with e = s ^ a and d = c ^ b opened, b the pads' difference,
// s&c = s&d ^ e&b ^ a&b: the server adds the first, the client the second.
func (p *Party) openCross(l *leaf, lo, n int) error {
	in, own := make([]uint64, ring.Words(n)), make([]uint64, ring.Words(n))
	for i := range l.crossings {
		c := &l.crossings[i]
		if p.isServer() {
			p.factor(l, c, 0, lo, own)
		} else if err := p.recvBits(in, n); err != nil {
			return err
		}
		for j := range c.Of {
			by, pad, out := own, window(c.pad[j], lo, n), window(c.out[j], lo, n)
			if !p.isServer() {
				by = window(c.mask[j], lo, n)
			} else if err := p.recvBits(in, n); err != nil {
				return err
			}
			for w := range out {
				out[w] ^= pad[w] ^ in[w]&by[w]
			}
		}
	}
	p.crossAlone(l, lo, n)
	return nil
}

// crossAlone adds what either party knows alone of who propagates: the product of all its bits, and
// of a single bit the bit.
func (p *Party) crossAlone(l *leaf, lo, n int) {
	if !l.Asked {
		return
	}
	s := &l.sums[0]
	for bits := 1; bits <= l.Size; bits++ {
		if bits < l.Size && len(s.lower) == 0 {
			continue
		}
		prop := window(s.inner(bits, l.Size).prop, lo, n)
		for w := range prop {
			all := ^uint64(0)
			for _, b := range l.own[:bits] {
				all &= b[lo/64+w]
			}
			prop[w] ^= all
		}
	}
}
