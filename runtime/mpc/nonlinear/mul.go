package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// Mul multiplies two shared vectors element by element.
//
// Functionality: shares of x and y in Z_2^bits -> shares of x*y in Z_2^bits. Each cross
// product xP*yQ is a sum over the bits of yQ of correlated OTs of bits-i bits (Gilbert
// 1999; correlated form Demmler et al. 2015). One flight a slab, both ways:
// bits*(bits+3)/2 bits an element each way; bits OTs each way. Exact; leaks nothing.
func (p *Party) Mul(ctx context.Context, x, y []uint64, bits int) ([]uint64, error) {
	out := make([]uint64, 0, len(x))
	for lo := 0; lo < len(x); lo += wire.MulSlab {
		hi := min(lo+wire.MulSlab, len(x))
		z, err := p.mulSlab(ctx, x[lo:hi], y[lo:hi], bits)
		if err != nil {
			return nil, fmt.Errorf("product: %w", err)
		}
		out = append(out, z...)
	}
	return out, nil
}

func (p *Party) mulSlab(ctx context.Context, x, y []uint64, bits int) ([]uint64, error) {
	out := make([]uint64, len(x))
	for i := range out {
		out[i] = x[i] * y[i]
	}
	planes := ring.Planes(bits, len(x))
	ring.Slice(planes, y, 0)
	terms := p.gilbert(transport.Server, planes, x, out, bits)
	terms = append(terms, p.gilbert(transport.Client, planes, x, out, bits)...)
	if err := p.products(ctx, len(x), terms); err != nil {
		return nil, err
	}
	ring.Reduce(out, bits)
	return out, nil
}

// Square squares a shared vector element by element.
//
// Functionality: shares of x in Z_2^bits -> shares of x*x in Z_2^bits: xS^2 + xC^2 + 2 xS xC,
// the last one product in Z_2^(bits-1). One flight a slab, both ways: the server sends bits-1
// bits, the client bits*(bits-1)/2, an element; bits-1 OTs, client as sender. Exact; leaks nothing.
func (p *Party) Square(ctx context.Context, x []uint64, bits int) ([]uint64, error) {
	out := make([]uint64, len(x))
	for i, v := range x {
		out[i] = v * v
	}
	for lo := 0; lo < len(x); lo += wire.MulSlab {
		hi := min(lo+wire.MulSlab, len(x))
		planes := ring.Planes(bits-1, hi-lo)
		ring.Slice(planes, x[lo:hi], 0)
		terms := p.gilbert(transport.Client, planes, x[lo:hi], out[lo:hi], bits-1)
		for i := range terms {
			terms[i].shift++
		}
		if err := p.products(ctx, hi-lo, terms); err != nil {
			return nil, fmt.Errorf("square: %w", err)
		}
	}
	ring.Reduce(out, bits)
	return out, nil
}

// gilbert gives the terms of (number with these bit planes at the receiver) *
// (val at the sender) in Z_2^bits, added to out.
func (p *Party) gilbert(sender transport.Role, planes [][]uint64, val, out []uint64, bits int) []term {
	terms := make([]term, len(planes))
	for i := range terms {
		terms[i] = term{sender: sender, width: bits - i, bit: planes[i], val: val, out: out, shift: i}
	}
	return terms
}

// Matrix is the geometry of batched matrix products: Batch times M x K by K x N.
type Matrix struct{ Batch, M, K, N int }

// MatMul multiplies matrices of shared numbers: Mul of all Batch*M*N*K pairs,
// and local sums. The flights, bits and OTs are those of Mul on as many elements.
func (p *Party) MatMul(ctx context.Context, a, b []uint64, g Matrix, bits int) ([]uint64, error) {
	out := make([]uint64, g.Batch*g.M*g.N)
	n := len(out) * g.K
	for lo := 0; lo < n; lo += wire.MulSlab {
		x, y := make([]uint64, min(wire.MulSlab, n-lo)), make([]uint64, min(wire.MulSlab, n-lo))
		for i := range x { // product lo+i goes to output (lo+i)/K
			o, k := (lo+i)/g.K, (lo+i)%g.K
			row, j := o/g.N, o%g.N
			x[i], y[i] = a[row*g.K+k], b[(row/g.M*g.K+k)*g.N+j]
		}
		z, err := p.mulSlab(ctx, x, y, bits)
		if err != nil {
			return nil, fmt.Errorf("matrix product: %w", err)
		}
		for i, v := range z {
			out[(lo+i)/g.K] += v
		}
	}
	ring.Reduce(out, bits)
	return out, nil
}

// MulByServer multiplies by integers that the server knows.
//
// Functionality: shares of x in Z_2^bits; at the server f, 0 <= f[i] < 2^width -> shares
// of f*x in Z_2^bits. The server's part is local; the client's by OT with the bits of f as
// choices. One flight, both ways: the server sends width bits, the client the sum over
// i < width of bits-i, an element; width OTs, client as sender. Exact; leaks nothing.
func (p *Party) MulByServer(ctx context.Context, x, f []uint64, width, bits int) ([]uint64, error) {
	out, planes := make([]uint64, len(x)), ring.Planes(width, len(x))
	if p.isServer() {
		for i := range out {
			out[i] = x[i] * f[i]
		}
		ring.Slice(planes, f, 0)
	}
	if err := p.products(ctx, len(x), p.gilbert(transport.Client, planes, x, out, bits)); err != nil {
		return nil, fmt.Errorf("product: %w", err)
	}
	ring.Reduce(out, bits)
	return out, nil
}

// PRelu gives x for x >= 0 and slope*x below, in units of 2^-frac.
//
// Functionality: shares of x in Z_2^Bits; at the server f = (2 - slope) * 2^frac an element,
// 0 <= f < 2^(frac+2) -> shares in Z_2^Bits of 2^frac*x for x >= 0 and slope*2^frac*x below:
// 2^frac*(x + m) - f*m with m = x*[x < 0]. x is small enough that this does not wrap.
// Flights: Relu, MulByServer. Error: that of the sign near zero. Leaks nothing; the
// client learns no slope.
func (p *Party) PRelu(ctx context.Context, x []uint64, s Sign, f []uint64, frac int) ([]uint64, error) {
	below := make([]uint64, ring.Words(len(x)))
	if p.isServer() {
		for i := range below {
			below[i] = ^uint64(0)
		}
	}
	m, err := p.Relu(ctx, x, s, &Flip{below}, s.Bits)
	if err != nil {
		return nil, err
	}
	y, err := p.MulByServer(ctx, m, f, frac+2, s.Bits)
	if err != nil {
		return nil, err
	}
	for i, v := range x {
		y[i] = (v+m[i])<<frac - y[i]
	}
	ring.Reduce(y, s.Bits)
	return y, nil
}
