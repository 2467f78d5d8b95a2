package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/mpc/ring"
)

// server sends a correction for every choice, and then opens the client's messages.
// (Both parties take all OTs of a wave before any message of it: were one of them
// to wait for a message in between, the other could be waiting for its OTs.)
func (r *crossing) server(ctx context.Context, wave []piece, w []int64) error {
	choices, flips, seeds := make([][]uint64, len(wave)), make([][]uint64, len(wave)), make([][]prg.Block, len(wave))
	for i := range wave {
		p := &wave[i]
		batch, err := r.Corr.Recv(ctx, p.ots())
		if err != nil {
			return err
		}
		flips[i], seeds[i] = make([]uint64, ring.Words(p.ots())), make([]prg.Block, p.ots())
		seedsOf(batch).(RecvSeeds).SeedsInto(flips[i], seeds[i])
		choices[i] = make([]uint64, len(flips[i]))
		p.choices(choices[i], w)
		xor(flips[i], choices[i])
	}
	for i, flip := range flips {
		if err := r.sendBits(flip, wave[i].ots()); err != nil {
			return err
		}
	}
	if err := r.Conn.Flush(); err != nil {
		return err
	}
	for i := range wave {
		if err := r.open(&wave[i], choices[i], seeds[i]); err != nil {
			return err
		}
		seeds[i] = nil
	}
	return nil
}

// seedsOf names the assumption that a source of OTs also gives seeds.
func seedsOf(batch any) any {
	switch batch.(type) {
	case SendSeeds, RecvSeeds:
		return batch
	}
	panic(fmt.Sprintf("BUG: OTs of type %T give no seeds", batch))
}

// check holds the server's own weights to the digits that the plan promises.
func (c *Conv) check(w []int64) error {
	segment := len(w) / len(c.Digits)
	for i, d := range c.Digits {
		var bad uint64
		for _, v := range w[i*segment : (i+1)*segment] {
			bad |= uint64(v) & (1<<d.Lo - 1)
			if d.Hi < c.Bits { // else it counts mod 2^Bits
				bad |= uint64(v<<(64-d.Hi)>>(64-d.Hi)) ^ uint64(v)
			}
		}
		if bad != 0 {
			return fmt.Errorf("a weight has other digits than bits [%d, %d)", d.Lo, d.Hi)
		}
	}
	return nil
}

// local is the product with the server's own share, and the bias.
func (r *crossing) local(w, bias []int64) {
	plane := r.c.OH * r.c.OW
	for i := range r.out {
		r.out[i] = uint64(bias[i/plane%r.c.COut])
	}
	for t, v := range w {
		k := uint64(v)
		r.c.rows(t, func(l row) {
			out, in := r.out[l.out:l.out+l.n], r.x[l.in:]
			for i := range out {
				out[i] += k * in[i*l.step]
			}
		})
	}
}

// choices lists the bits of the piece's weights, lowest first.
func (p *piece) choices(dst []uint64, w []int64) {
	at := 0
	for bit := p.digits.Lo; bit < p.digits.Hi; bit++ {
		for _, v := range w[p.first : p.first+p.n] {
			dst[at>>6] |= uint64(v) >> bit & 1 << (at & 63)
			at++
		}
	}
}

// open adds the client's messages for one piece: choice*d plus the pad.
func (r *crossing) open(p *piece, choice []uint64, seeds []prg.Block) error {
	var pad []uint64
	for at, bit := 0, p.digits.Lo; bit < p.digits.Hi; bit++ {
		width := r.c.Bits - bit
		d := r.words(p.elems)
		if err := r.recvWords(d, width); err != nil {
			return err
		}
		factor := p.factor(bit)
		for t := p.first; t < p.first+p.n; t, at = t+1, at+1 {
			n := r.c.reach(t).area() * r.c.Batch
			pad = grown(pad, n)
			r.stretch(pad, seeds[at], width)
			on, k := -ring.Bit(choice, at), 0
			r.c.rows(t, func(l row) {
				out, d, pad := r.out[l.out:l.out+l.n], d[k:k+l.n], pad[k:k+l.n]
				for i := range out {
					out[i] += (d[i]&on + pad[i]) * factor
				}
				k += l.n
			})
			d = d[n:]
		}
	}
	return nil
}

// factor is the value of a bit; the highest is the sign.
func (p *piece) factor(bit int) uint64 {
	f := uint64(1) << bit
	if bit == p.digits.Hi-1 {
		return -f
	}
	return f
}

func grown(x []uint64, n int) []uint64 {
	if cap(x) < n {
		return make([]uint64, n)
	}
	return x[:n]
}

// client takes a wave's seeds, then its corrections, then answers with its messages.
func (r *crossing) client(ctx context.Context, wave []piece) error {
	seeds := make([][2][]prg.Block, len(wave))
	for i := range wave {
		n := wave[i].ots()
		batch, err := r.Corr.Send(ctx, n)
		if err != nil {
			return err
		}
		seeds[i] = [2][]prg.Block{make([]prg.Block, n), make([]prg.Block, n)}
		seedsOf(batch).(SendSeeds).SeedsInto(seeds[i][0], seeds[i][1])
	}
	for i := range wave {
		flip := make([]uint64, ring.Words(wave[i].ots()))
		if err := r.recvBits(flip, wave[i].ots()); err != nil {
			return err
		}
		inOrder(seeds[i], flip)
	}
	for i := range wave {
		if err := r.answer(&wave[i], seeds[i]); err != nil {
			return err
		}
		seeds[i] = [2][]prg.Block{}
	}
	return r.Conn.Flush()
}

// inOrder brings the seeds in the order of the peer's true choices.
func inOrder(seeds [2][]prg.Block, flip []uint64) {
	for i := range seeds[0] {
		diff := seeds[0][i].Xor(seeds[1][i]).And(-ring.Bit(flip, i))
		seeds[0][i], seeds[1][i] = seeds[0][i].Xor(diff), seeds[1][i].Xor(diff)
	}
}

// answer sends d = x - pad1 + pad0 and keeps -pad0, for every weight and bit.
func (r *crossing) answer(p *piece, seeds [2][]prg.Block) error {
	var pad0, pad1 []uint64
	for at, bit := 0, p.digits.Lo; bit < p.digits.Hi; bit++ {
		width := r.c.Bits - bit
		d := r.words(p.elems)
		factor, rest := p.factor(bit), d
		for t := p.first; t < p.first+p.n; t, at = t+1, at+1 {
			n := r.c.reach(t).area() * r.c.Batch
			pad0, pad1 = grown(pad0, n), grown(pad1, n)
			r.stretch(pad0, seeds[0][at], width)
			r.stretch(pad1, seeds[1][at], width)
			k := 0
			r.c.rows(t, func(l row) {
				out, in := r.out[l.out:l.out+l.n], r.x[l.in:]
				d, pad0, pad1 := rest[k:k+l.n], pad0[k:k+l.n], pad1[k:k+l.n]
				for i := range out {
					d[i] = in[i*l.step] - pad1[i] + pad0[i]
					out[i] -= pad0[i] * factor
				}
				k += l.n
			})
			rest = rest[n:]
		}
		if err := r.sendWords(d, width); err != nil {
			return err
		}
	}
	return nil
}
