// Package mpctest runs two parties in one process, for tests: an in-memory
// connection, a dealer of correlations that both trust, and sharings.
//
// Nothing here is secure and nothing but tests may use it.
package mpctest

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
)

// Dealer is one direction of random OTs, dealt from a seed that both parties
// know. It stands in for package ot. Its pads repeat after a while: they make
// results random enough to be tested, not secret.
type Dealer struct {
	words      [3][period]uint64 // both pads, and the choice in its lowest bit
	sent, recv atomic.Int64
}

const period = 1 << 14

// NewDealer makes a dealer.
func NewDealer(seed uint64) *Dealer {
	d, r := new(Dealer), rand.New(rand.NewPCG(seed, 0))
	for w := range d.words {
		for i := range d.words[w] {
			d.words[w][i] = r.Uint64()
		}
	}
	return d
}

// Counts is how many OTs the sender and the receiver have taken.
func (d *Dealer) Counts() (sent, received int64) { return d.sent.Load(), d.recv.Load() }

// Sender is the OT sender's end.
func (d *Dealer) Sender() Sender { return Sender{d} }

// Receiver is the OT receiver's end.
func (d *Dealer) Receiver() Receiver { return Receiver{d} }

// Sender hands out batches to the OT sender.
type Sender struct{ d *Dealer }

// Receiver hands out batches to the OT receiver.
type Receiver struct{ d *Dealer }

// Take returns the next n OTs.
func (s Sender) Take(_ context.Context, n int) (*SendBatch, error) {
	return &SendBatch{batch{s.d, s.d.sent.Add(int64(n)) - int64(n), n, false}}, nil
}

// Take returns the next n OTs.
func (r Receiver) Take(_ context.Context, n int) (*RecvBatch, error) {
	return &RecvBatch{batch{r.d, r.d.recv.Add(int64(n)) - int64(n), n, false}}, nil
}

type batch struct {
	d     *Dealer
	first int64
	n     int
	used  bool
}

// SendBatch is a batch at the sender.
type SendBatch struct{ batch }

// RecvBatch is a batch at the receiver.
type RecvBatch struct{ batch }

// PadsInto fills both pads of every OT.
func (b *SendBatch) PadsInto(width int, p0, p1 []uint64) {
	b.spend()
	b.fill(width, p0, &b.d.words[0], &b.d.words[0])
	b.fill(width, p1, &b.d.words[1], &b.d.words[1])
}

// PadsInto fills the choices (bit-packed) and the chosen pads.
func (b *RecvBatch) PadsInto(width int, choice, p []uint64) {
	b.spend()
	b.fill(1, choice, &b.d.words[2], &b.d.words[2])
	b.fill(width, p, &b.d.words[0], &b.d.words[1])
}

func (b *batch) spend() {
	if b.used {
		panic("BUG: a batch was read twice")
	}
	b.used = true
}

// fill takes each word from zero or one, as its OT's choice says.
func (b *batch) fill(width int, dst []uint64, zero, one *[period]uint64) {
	if width < 1 || width > 64 {
		panic("BUG: pads of 1 to 64 bits only")
	}
	mask := ^uint64(0) >> (64 - width)
	if width == 1 {
		clear(dst[:(b.n+63)/64])
	}
	for i := range b.n {
		at := (b.first + int64(i)) % period
		m := -(b.d.words[2][at] & 1)
		v := (zero[at]&^m | one[at]&m) & mask
		if width == 1 {
			dst[i/64] |= v << (i % 64)
		} else {
			dst[i] = v
		}
	}
}
