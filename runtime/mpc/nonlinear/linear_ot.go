package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/mpc/ring"
)

// BitRange says which bits [Lo, Hi) of a two's complement number are used; bit
// Hi-1 is its sign.
type BitRange struct{ Lo, Hi int }

// Reach is the rectangle of outputs, rows [Y0, Y1) and columns [X0, X1), at
// which a tap of a kernel lies inside the input.
type Reach struct{ Y0, Y1, X0, X1 int }

// Conv is a convolution by weights that the server holds, in Z_2^Bits. Digits
// are the bits of its weights: one range for all or one a group. Taps are the
// reaches of the kernel's taps, row by row. Piece is how many weights, in their
// order, travel together; a change of digits starts a new piece. Wave is how many
// OTs are under way at once, give or take a piece: it bounds the memory for seeds.
type Conv struct {
	Batch, G, CIn, COut    int
	H, W, OH, OW           int
	KH, KW, SH, SW, DH, DW int
	PT, PL                 int

	Bits   int
	Digits []BitRange
	Taps   []Reach
	Piece  int
	Wave   int
}

// SendSeeds is a batch of random OTs of seeds at the OT sender.
type SendSeeds interface{ SeedsInto(s0, s1 []prg.Block) }

// RecvSeeds is the same batch at the receiver.
type RecvSeeds interface {
	SeedsInto(choice []uint64, s []prg.Block)
}

// LinearOT multiplies shared tensors by the server's weights.
//
// Functionality: shares of x in Z_2^Bits; at the server integers w and a bias b a filter
// -> shares of conv(x, w) + b in Z_2^Bits. The server's share is multiplied locally. The
// client's is multiplied by correlated OT with the weights' bits as choices (Gilbert 1999;
// CrypTFlow2, section 4.1 with the roles such that the weights choose): bit i of a weight is
// one OT whose correlation is all that lies under the weight, in Z_2^(Bits-i), stretched from
// a seed. One cross term, for the weights are the server's alone.
// Flights, a wave: the server's corrections, 1 bit an OT; then the client's messages,
// Bits-i bits for each output that the weight reaches. OTs: weights times digits, client as
// sender.
// Exact; leaks nothing: corrections are masked by uniform choices, messages by the
// seed that the server lacks.
func (p *Party) LinearOT(ctx context.Context, x []uint64, c *Conv, w, bias []int64) ([]uint64, error) {
	r := &crossing{Party: p, c: c, x: x, out: make([]uint64, c.Batch*c.COut*c.OH*c.OW)}
	var err error
	if p.isServer() {
		if err = c.check(w); err == nil {
			r.local(w, bias)
			err = c.waves(func(wave []piece) error { return r.server(ctx, wave, w) })
		}
	} else {
		err = c.waves(func(wave []piece) error { return r.client(ctx, wave) })
	}
	if err != nil {
		return nil, fmt.Errorf("product by weights: %w", err)
	}
	ring.Reduce(r.out, c.Bits)
	return r.out, nil
}

// crossing is one run of LinearOT at one party.
type crossing struct {
	*Party
	c      *Conv
	x, out []uint64
	lines  []uint64    // words of one message
	blocks []prg.Block // what a seed is stretched to
	cipher prg.Cipher
}

// piece is some consecutive weights with equal digits.
type piece struct {
	first, n int
	digits   BitRange
	elems    int // outputs that the weights reach, all batch entries
}

func (p *piece) width() int { return p.digits.Hi - p.digits.Lo }

func (p *piece) ots() int { return p.n * p.width() }

// waves visits the weights in order: pieces of which each wave has as many as
// it takes to reach c.Wave OTs.
func (c *Conv) waves(f func(wave []piece) error) error {
	var wave []piece
	ots, segment := 0, c.COut*c.filterLen()/len(c.Digits)
	for i, d := range c.Digits {
		for at := 0; at < segment; at += c.Piece {
			p := piece{first: i*segment + at, n: min(c.Piece, segment-at), digits: d}
			for t := p.first; t < p.first+p.n; t++ {
				p.elems += c.reach(t).area() * c.Batch
			}
			wave = append(wave, p)
			if ots += p.ots(); ots < c.Wave {
				continue
			}
			if err := f(wave); err != nil {
				return err
			}
			wave, ots = nil, 0
		}
	}
	if len(wave) == 0 {
		return nil
	}
	return f(wave)
}

func (c *Conv) filterLen() int { return c.CIn / c.G * c.KH * c.KW }

// reach is where a weight acts.
func (c *Conv) reach(weight int) Reach { return c.Taps[weight%len(c.Taps)] }

func (r Reach) area() int { return (r.Y1 - r.Y0) * (r.X1 - r.X0) }

// row is one line of outputs that a weight reaches: n elements of the output
// from out on, and as many of the input from in on, step apart.
type row struct{ out, in, n, step int }

// rows visits the lines that a weight reaches.
func (c *Conv) rows(weight int, f func(row)) {
	r, tap, per := c.reach(weight), weight%len(c.Taps), c.CIn/c.G
	o := weight / c.filterLen()
	channel := o/(c.COut/c.G)*per + weight/len(c.Taps)%per
	dy, dx := tap/c.KW*c.DH-c.PT, tap%c.KW*c.DW-c.PL
	if r.X0 == r.X1 {
		return
	}
	for b := range c.Batch {
		for y := r.Y0; y < r.Y1; y++ {
			f(row{
				out: ((b*c.COut+o)*c.OH+y)*c.OW + r.X0, n: r.X1 - r.X0,
				in: ((b*c.CIn+channel)*c.H+y*c.SH+dy)*c.W + r.X0*c.SW + dx, step: c.SW,
			})
		}
	}
}

// stretch writes n pseudorandom words from a seed: their low bits count, width
// of them. A seed that is long enough is its own output; each is used once.
func (r *crossing) stretch(dst []uint64, seed prg.Block, width int) {
	per := 2
	if width <= 32 {
		per = 4
	}
	blocks := r.room((len(dst) + per - 1) / per)
	if len(blocks) == 1 {
		blocks[0] = seed
	} else if len(blocks) > 1 {
		r.cipher.Reset(seed)
		r.cipher.Fill(blocks, 0)
	}
	if per == 2 {
		for i := range dst {
			dst[i] = blocks[i>>1][i&1]
		}
		return
	}
	for i := range dst {
		dst[i] = blocks[i>>2][i>>1&1] >> (i & 1 * 32)
	}
}

func (r *crossing) room(n int) []prg.Block {
	if cap(r.blocks) < n {
		r.blocks = make([]prg.Block, n)
	}
	return r.blocks[:n]
}

func (r *crossing) words(n int) []uint64 {
	if cap(r.lines) < n {
		r.lines = make([]uint64, n)
	}
	return r.lines[:n]
}
