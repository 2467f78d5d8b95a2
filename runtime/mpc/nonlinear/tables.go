package nonlinear

import (
	"context"
	"errors"

	"secc.example/secc/runtime/mpc/ring"
)

// Tables that are made before the server's operand exists, for leaves whose client's bits are
// known then.
//
// Functionality: server's bits s, client's bits c of a group of t bits, the latter known ahead
// -> <s+c >= 2^t> and, where asked, <s+c == 2^t-1>. Ahead, the client has a table T of both functions
// of all s; entry u is moved to entry u ^ rho, rho the server's random choices of t random
// OTs, and shared by XOR: for each bit i of rho the entries that differ in bit i are exchanged
// where rho_i is set, 2^(t-1) bits a function. Online the server sends u = s ^ rho, and both
// look entry u up in their shares: one flight, t bits (one-time truth tables: Ishai et al.,
// TCC 2013; their tables come from a dealer, these are moved by OT). Exact; leaks nothing:
// what is sent ahead is masked by the pad that the server lacks, u by rho.

// tabled computes gen and prop of all groups.
func (p *Party) tabled(ctx context.Context, n int, groups []leaf, with beside) error {
	if p.Tape == nil {
		return errors.New("BUG: nonlinear: tables without a tape")
	}
	err := p.travel(ctx, n, with, func() error {
		return eachLeaf(n, groups, func(l *leaf, lo, n int) error { return p.layOut(ctx, l, lo, n) })
	}, func() error {
		if p.isServer() || p.recording() {
			return nil
		}
		return eachLeaf(n, groups, p.followUp)
	})
	for i := range groups {
		groups[i].table = nil
	}
	return err
}

// layOut makes this party's share of a chunk's table, and says at the server which entry is meant. Until it
// has heard that the client keeps the table.
func (p *Party) layOut(ctx context.Context, l *leaf, lo, n int) error {
	if !p.isServer() && !p.recording() {
		return p.drawTable(ctx, l, lo, n)
	}
	mark := p.Memory.given()
	defer func() {
		l.table, l.choice = nil, nil
		p.Memory.giveBack(mark)
	}()
	if err := p.drawTable(ctx, l, lo, n); err != nil || p.recording() {
		return err
	}
	return p.pointOut(l, lo, n)
}

// drawTable makes this party's share of a chunk's table.
func (p *Party) drawTable(ctx context.Context, l *leaf, lo, n int) error {
	table := p.Memory.Planes(l.Entries(), n)
	if p.isServer() {
		l.choice, l.table = p.Memory.Planes(l.Size, n), [][][]uint64{table}
	} else {
		l.table = append(l.table, table)
	}
	return p.material(func() error {
		if p.isServer() {
			return p.receiveTable(ctx, l, table, n)
		}
		return p.sendTable(ctx, l, table, lo, n)
	}, func(t *Tape) error { return t.planes(n, append(l.choice[:len(l.choice):len(l.choice)], table...)...) })
}

// sendTable is the client's side of a table: its entries less what the server gets of them.
func (p *Party) sendTable(ctx context.Context, l *leaf, table [][]uint64, lo, n int) error {
	own := windows(l.own, lo, n)
	for e, entry := range table {
		if e>>l.Size == 0 {
			generates(entry, own, e)
		} else {
			propagates(entry, own, e&(1<<l.Size-1))
		}
	}
	p0, p1 := p.Memory.Planes(len(table)/2, n), p.Memory.Planes(len(table)/2, n)
	for i := range l.Size {
		if err := p.sendPlanes(ctx, n, p0, p1); err != nil {
			return err
		}
		err := eachPair(table, i, func(k int, low, high []uint64) error {
			pad, msg := p0[k], p1[k]
			for w := range low {
				msg[w] ^= pad[w] ^ low[w] ^ high[w]
				low[w] ^= pad[w]
				high[w] ^= pad[w]
			}
			return p.aheadBits(msg, n)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// receiveTable is the server's side: its choices, and what it gets of the entries.
func (p *Party) receiveTable(ctx context.Context, l *leaf, table [][]uint64, n int) error {
	pads, msg := p.Memory.Planes(len(table)/2, n), p.spare(2, ring.Words(n))
	for i := range l.Size {
		rho := l.choice[i]
		if err := p.recvPlanes(ctx, n, rho, pads); err != nil {
			return err
		}
		err := eachPair(table, i, func(k int, low, high []uint64) error {
			if err := p.aheadBits(msg, n); err != nil {
				return err
			}
			pad := pads[k]
			for w := range low {
				d := pad[w] ^ rho[w]&(msg[w]^low[w]^high[w])
				low[w] ^= d
				high[w] ^= d
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachPair visits the pairs of entries, numbered, that differ in bit i of their place.
func eachPair(table [][]uint64, i int, f func(k int, low, high []uint64) error) error {
	k := 0
	for e := range table {
		if e>>i&1 == 1 {
			continue
		}
		if err := f(k, table[e], table[e|1<<i]); err != nil {
			return err
		}
		k++
	}
	return nil
}

// pointOut sends which entry is meant, and looks it up.
func (p *Party) pointOut(l *leaf, lo, n int) error {
	for i, u := range l.choice {
		xor(u, window(l.own[i], lo, n))
		if err := p.sendBits(u, n); err != nil {
			return err
		}
	}
	l.take(l.table[0], l.choice, lo, n)
	return nil
}

// followUp receives which entry is meant, and looks it up.
func (p *Party) followUp(l *leaf, lo, n int) error {
	mark := p.Memory.given()
	defer p.Memory.giveBack(mark)
	at := p.Memory.Planes(l.Size, n)
	for _, u := range at {
		if err := p.recvBits(u, n); err != nil {
			return err
		}
	}
	l.take(l.table[0], at, lo, n)
	l.table = l.table[1:]
	return nil
}

// take looks entry at up.
func (l *leaf) take(table, at [][]uint64, lo, n int) {
	s, size := &l.sums[0], 1<<l.Size
	entry(window(s.gen, lo, n), table[:size], at)
	switch {
	case !l.Asked:
	case l.Size == 1: // one bit propagates if the parties' bits differ
		copy(window(s.prop, lo, n), window(l.own[0], lo, n))
	default:
		entry(window(s.prop, lo, n), table[size:], at)
	}
}

// entry gives entry at of a table, which is gone afterwards.
func entry(out []uint64, table, at [][]uint64) {
	for i := len(at) - 1; i >= 0; i-- {
		half := 1 << i
		for e, low := range table[:half] {
			high := table[e|half]
			for w := range low {
				low[w] ^= at[i][w] & (low[w] ^ high[w])
			}
		}
	}
	copy(out, table[0])
}
