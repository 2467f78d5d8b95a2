package ot

import (
	"context"
	"fmt"
)

// SendReserve is a run of a Sender's OTs set apart for one of several consumers
// that work side by side. Take must be called from one goroutine at a time.
type SendReserve struct{ rest SendBatch }

// RecvReserve is the same at the Receiver.
type RecvReserve struct{ rest RecvBatch }

// SendVia is a Sender for the consumer that uses one channel.
type SendVia struct {
	s *Sender
	w Waiter
}

// RecvVia is a Receiver for the consumer that uses one channel.
type RecvVia struct {
	r *Receiver
	w Waiter
}

// Via gives the Sender to the consumer that uses w.
func (s *Sender) Via(w Waiter) SendVia { return SendVia{s, w} }

// Via gives the Receiver to the consumer that uses w.
func (r *Receiver) Via(w Waiter) RecvVia { return RecvVia{r, w} }

// Take returns the next n OTs, waiting until they are made.
func (v SendVia) Take(ctx context.Context, n int) (*SendBatch, error) {
	return v.s.takeVia(ctx, n, v.w)
}

// Take returns the next n OTs, waiting until they are made.
func (v RecvVia) Take(ctx context.Context, n int) (*RecvBatch, error) {
	return v.r.takeVia(ctx, n, v.w)
}

// Reserve sets the next n OTs apart, waiting until they are made. The peer's
// Receiver must reserve them at the same place among what it takes.
func (s *Sender) Reserve(ctx context.Context, n int) (*SendReserve, error) {
	b, err := s.Take(ctx, n)
	if err != nil {
		return nil, err
	}
	return &SendReserve{*b}, nil
}

// Reserve sets the next n OTs apart; see Sender.Reserve.
func (r *Receiver) Reserve(ctx context.Context, n int) (*RecvReserve, error) {
	b, err := r.Take(ctx, n)
	if err != nil {
		return nil, err
	}
	return &RecvReserve{*b}, nil
}

// Take returns the next n OTs of the reserve.
func (r *SendReserve) Take(_ context.Context, n int) (*SendBatch, error) {
	b, err := r.rest.cut(n)
	if err != nil {
		return nil, err
	}
	return &SendBatch{batch: b, delta: r.rest.delta}, nil
}

// Take returns the next n OTs of the reserve.
func (r *RecvReserve) Take(_ context.Context, n int) (*RecvBatch, error) {
	b, err := r.rest.cut(n)
	if err != nil {
		return nil, err
	}
	return &RecvBatch{batch: b}, nil
}

// cut takes the first n OTs off a batch.
func (b *batch) cut(n int) (batch, error) {
	if n < 0 || n > b.n {
		return batch{}, fmt.Errorf("%w: %d are left in the reserve, %d wanted", ErrExhausted, b.n, n)
	}
	head := batch{n: n, index: b.index, hash: b.hash, home: b.home}
	b.n, b.index = b.n-n, b.index+uint64(n)
	for n > 0 {
		p := &b.parts[0]
		m := min(n, len(p.blocks))
		head.parts = append(head.parts, part{p.from, p.blocks[:m]})
		n -= m
		if p.blocks = p.blocks[m:]; len(p.blocks) == 0 {
			b.parts = b.parts[1:]
		}
	}
	return head, nil
}
