package nonlinear

import (
	"context"
	"fmt"

	"secc/runtime/mpc/ring"
)

// Clip gives min(max(x, lo), hi), lo <= hi public.
//
// Functionality: shares of x in Z_2^Bits; x-lo and x-hi must have a sign on bits [Lo, Hi).
// With b1 = [x >= lo] and b2 = [x >= hi], both of one batch of comparisons:
// lo + (b1^b2)*(x-lo) + b2*(hi-lo), a multiplexer and a conversion in one flight.
// Flights of DReLU on 2n elements, then one: server 2+Bits bits, client 2*Bits bits an
// element. Error: less than 2^Lo just above lo and hi. Leaks nothing.
func (p *Party) Clip(ctx context.Context, x []uint64, s Sign, lo, hi int64) ([]uint64, error) {
	n := len(x)
	over := p.plus(x, -uint64(lo), s.Bits)
	b, err := p.DReLU(ctx, append(over[:n:n], p.plus(x, -uint64(hi), s.Bits)...), s)
	if err != nil {
		return nil, fmt.Errorf("clip: %w", err)
	}
	b1, b2 := split(b, n)
	xor(b1, b2)
	y, top := make([]uint64, n), make([]uint64, n)
	terms := append(p.mux(b1, over, y, s.Bits), p.toArith(b2, top, s.Bits)...)
	if err := p.products(ctx, n, terms); err != nil {
		return nil, fmt.Errorf("clip: %w", err)
	}
	p.toArithEnd(b2, top, s.Bits)
	for i := range y {
		y[i] += top[i] * uint64(hi-lo)
	}
	return p.plus(y, uint64(lo), s.Bits), nil
}

// ClipBelow gives max(x, lo): Relu of x-lo, plus lo.
func (p *Party) ClipBelow(ctx context.Context, x []uint64, s Sign, lo int64) ([]uint64, error) {
	y, err := p.Relu(ctx, p.plus(x, -uint64(lo), s.Bits), s, nil)
	if err != nil {
		return nil, err
	}
	return p.plus(y, uint64(lo), s.Bits), nil
}

// ClipAbove gives min(x, hi): hi less the Relu of hi-x.
func (p *Party) ClipAbove(ctx context.Context, x []uint64, s Sign, hi int64) ([]uint64, error) {
	y, err := p.Relu(ctx, p.plus(negate(x), uint64(hi), s.Bits), s, nil)
	if err != nil {
		return nil, err
	}
	return p.plus(negate(y), uint64(hi), s.Bits), nil
}

func negate(x []uint64) []uint64 {
	y := make([]uint64, len(x))
	for i, v := range x {
		y[i] = -v
	}
	return y
}

// split cuts a bit vector of 2n bits into two of n.
func split(b []uint64, n int) (low, high []uint64) {
	low, high = make([]uint64, ring.Words(n)), make([]uint64, ring.Words(n))
	copy(low, b)
	at, shift := n/64, n%64
	for i := range high {
		high[i] = b[at+i] >> shift
		if at+i+1 < len(b) {
			high[i] |= b[at+i+1] << (64 - shift) // shift 0: shifted out
		}
	}
	return low, high
}
