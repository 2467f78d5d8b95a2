// Package mpctest runs two parties in one process, for tests: an in-memory
// connection, a dealer of correlations that both trust, and sharings.
//
// Nothing here is secure and nothing but tests may use it.
package mpctest

import (
	"context"
	"math/bits"
	"sync/atomic"
)

// Dealer is one direction of random OTs, dealt from a seed that both parties
// know. It stands in for package ot.
type Dealer struct {
	seed       uint64
	sent, recv atomic.Int64
}

// NewDealer makes a dealer.
func NewDealer(seed uint64) *Dealer { return &Dealer{seed: seed} }

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
	return &SendBatch{batch{s.d.seed, s.d.sent.Add(int64(n)) - int64(n), n, false}}, nil
}

// Take returns the next n OTs.
func (r Receiver) Take(_ context.Context, n int) (*RecvBatch, error) {
	return &RecvBatch{batch{r.d.seed, r.d.recv.Add(int64(n)) - int64(n), n, false}}, nil
}

type batch struct {
	seed  uint64
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
	b.fill(width, p0, func(i int64) uint64 { return b.pad(i, 0) })
	b.fill(width, p1, func(i int64) uint64 { return b.pad(i, 1) })
}

// PadsInto fills the choices (bit-packed) and the chosen pads.
func (b *RecvBatch) PadsInto(width int, choice, p []uint64) {
	b.spend()
	b.fill(1, choice, func(i int64) uint64 { return b.pad(i, 2) })
	b.fill(width, p, func(i int64) uint64 { return b.pad(i, b.pad(i, 2)&1) })
}

func (b *batch) spend() {
	if b.used {
		panic("BUG: a batch was read twice")
	}
	b.used = true
}

func (b *batch) fill(width int, dst []uint64, f func(int64) uint64) {
	mask := ^uint64(0) >> (64 - width)
	if width > 1 {
		for i := range b.n {
			dst[i] = f(b.first+int64(i)) & mask
		}
		return
	}
	clear(dst[:(b.n+63)/64])
	for i := range b.n {
		dst[i/64] |= f(b.first+int64(i)) & 1 << (i % 64)
	}
}

// pad mixes the OT's number; word 2 is the choice.
func (b *batch) pad(i int64, word uint64) uint64 {
	hi, lo := bits.Mul64(b.seed^(uint64(i)+1)*0x9e3779b97f4a7c15, 0xd1342543de82ef95+2*word)
	hi, lo = bits.Mul64(hi^lo, 0xbf58476d1ce4e5b9)
	return hi ^ lo
}
