package nonlinear

import (
	"context"
	"fmt"
)

// Clip gives min(max(x, lo), hi), lo <= hi public.
//
// Functionality: shares of x in Z_2^Bits; x-lo and x-hi must have a sign on bits [Lo, Hi).
// With b1 = [x >= lo] and b2 = [x >= hi], both of one batch of comparisons:
// lo + (b1^b2)*(x-lo) + b2*(hi-lo), a multiplexer and a conversion in one flight.
// Flights of Above, then one: server 2+Bits bits, client 2*Bits bits an element.
// Where the client's share is known ahead both are masked multiplexers, the conversion one of 1.
// Error: less than 2^Lo just above lo and hi. Leaks nothing.
func (p *Party) Clip(ctx context.Context, x []uint64, s Sign, lo, hi int64) ([]uint64, error) {
	if s.Tree.Tabled() {
		return p.clip(ctx, x, s, lo, hi)
	}
	b, err := p.Above(ctx, x, []int64{lo, hi}, s)
	if err != nil {
		return nil, fmt.Errorf("clip: %w", err)
	}
	xor(b[0], b[1])
	y, top := make([]uint64, len(x)), make([]uint64, len(x))
	over := p.plus(x, -uint64(lo), s.Bits)
	terms := append(p.mux(b[0], over, y, s.Bits), p.toArith(b[1], top, s.Bits)...)
	if err := p.products(ctx, len(x), terms); err != nil {
		return nil, fmt.Errorf("clip: %w", err)
	}
	p.toArithEnd(b[1], top, s.Bits)
	for i := range y {
		y[i] += top[i] * uint64(hi-lo)
	}
	return p.plus(y, uint64(lo), s.Bits), nil
}

// clip is Clip of an operand of which the client's share is known ahead.
func (p *Party) clip(ctx context.Context, x []uint64, s Sign, lo, hi int64) ([]uint64, error) {
	over, one := p.plus(x, -uint64(lo), s.Bits), make([]uint64, len(x))
	if !p.isServer() {
		for i := range one {
			one[i] = 1
		}
	}
	between := &masked{operands: []operand{{width: s.Bits, val: over}}}
	top := &masked{operands: []operand{{width: s.Bits, val: one, fixed: true}}}
	b, err := p.above(ctx, x, []int64{lo, hi}, s, several{between, top})
	if err != nil {
		return nil, fmt.Errorf("clip: %w", err)
	}
	xor(b[0], b[1])
	if err := p.selects(len(x), selection{between, b[0]}, selection{top, b[1]}); err != nil {
		return nil, fmt.Errorf("clip: %w", err)
	}
	for i, v := range one {
		over[i] += v * uint64(hi-lo)
	}
	return p.plus(over, uint64(lo), s.Bits), nil
}

// ClipBelow gives max(x, lo): Relu of x-lo, plus lo.
func (p *Party) ClipBelow(ctx context.Context, x []uint64, s Sign, lo int64) ([]uint64, error) {
	y, err := p.Relu(ctx, p.plus(x, -uint64(lo), s.Bits), s, nil, s.Bits)
	if err != nil {
		return nil, err
	}
	return p.plus(y, uint64(lo), s.Bits), nil
}

// ClipAbove gives min(x, hi): hi less the Relu of hi-x.
func (p *Party) ClipAbove(ctx context.Context, x []uint64, s Sign, hi int64) ([]uint64, error) {
	y, err := p.Relu(ctx, p.plus(negate(x), uint64(hi), s.Bits), s, nil, s.Bits)
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
