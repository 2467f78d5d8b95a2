package nonlinear

import (
	"context"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/ring"
)

// Pieces is a public function made of straight pieces: on Knots[i-1] <= x < Knots[i]
// it is (Slope[i]*x + Offset[i]) / 2^Frac.
type Pieces struct {
	Knots, Slope, Offset []int64
	Frac                 int
}

// flat reports whether all pieces are constants.
func (f Pieces) flat() bool {
	for _, a := range f.Slope {
		if a != 0 {
			return false
		}
	}
	return true
}

// Spline evaluates pieces.
//
// Functionality: shares of x in Z_2^Bits, |x| and all knots below 2^(Bits-2) -> shares in
// Z_2^out of the spline, rounded up or down at random (constants, with Frac = 0:
// exactly). With b_i = [x >= Knots[i]], all of one batch of comparisons, y = l_0(x) + sum b_i*(l_i(x) - l_(i-1)(x)) in Z_2^(out+Frac): the
// lines are local, the products one flight of multiplexers; constants need only
// conversions of the bits. (Splines by comparison: MiniONN, Liu et al. 2017.)
// Flights: Extend (if x is narrower than out+Frac), Above, one (more for very long vectors). The
// truncation by Frac is local. Error beyond the spline's own: below 1 ulp. Leaks nothing.
func (p *Party) Spline(ctx context.Context, x []uint64, f Pieces, s Sign, out int) ([]uint64, error) {
	y, err := p.spline(ctx, x, f, s, out)
	if err != nil {
		return nil, fmt.Errorf("spline: %w", err)
	}
	return y, nil
}

func (p *Party) spline(ctx context.Context, x []uint64, f Pieces, s Sign, out int) ([]uint64, error) {
	wide, flat := out+f.Frac, f.flat()
	xw := x
	if !flat && wide > s.Bits {
		var err error
		if xw, err = p.Extend(ctx, x, s.Bits, wide); err != nil {
			return nil, err
		}
	}
	y := p.line(xw, f.Slope[0], f.Offset[0])
	if len(f.Knots) > 0 {
		b, err := p.Above(ctx, x, f.Knots, s)
		if err != nil {
			return nil, err
		}
		if err := p.addSteps(ctx, y, xw, b, f, wide, flat); err != nil {
			return nil, err
		}
	}
	ring.Reduce(y, wide)
	if f.Frac == 0 {
		return y, nil
	}
	return p.TruncateStochastic(ctx, y, wide, f.Frac, out)
}

// line is slope*x + offset; the server adds the offset.
func (p *Party) line(x []uint64, slope, offset int64) []uint64 {
	y := make([]uint64, len(x))
	p.addLine(y, x, slope, offset)
	return y
}

func (p *Party) addLine(y, x []uint64, slope, offset int64) {
	if !p.isServer() {
		offset = 0
	}
	for i, v := range x {
		y[i] += uint64(slope)*v + uint64(offset)
	}
}

// addSteps adds, for every knot whose bit is set, the difference of its lines.
func (p *Party) addSteps(ctx context.Context, y, x []uint64, b [][]uint64, f Pieces, wide int, flat bool) error {
	add := p.addLines
	if flat {
		add = p.addConstants
	}
	return wire.Slabs(len(y), wire.StepSlab(len(b)), func(lo, n int) error {
		return add(ctx, y[lo:lo+n], x[lo:lo+n], windows(b, lo, n), f, wide)
	})
}

func (p *Party) addLines(ctx context.Context, y, x []uint64, b [][]uint64, f Pieces, wide int) error {
	var terms []term
	for i := range b {
		step := p.line(x, f.Slope[i+1]-f.Slope[i], f.Offset[i+1]-f.Offset[i])
		terms = append(terms, p.mux(b[i], step, y, wide)...)
	}
	return p.products(ctx, len(y), terms)
}

func (p *Party) addConstants(ctx context.Context, y, _ []uint64, b [][]uint64, f Pieces, wide int) error {
	var terms []term
	bits := make([][]uint64, len(b))
	for i := range b {
		bits[i] = make([]uint64, len(y))
		terms = append(terms, p.toArith(b[i], bits[i], wide)...)
	}
	if err := p.products(ctx, len(y), terms); err != nil {
		return err
	}
	for i, v := range bits {
		p.toArithEnd(b[i], v, wide)
		for j := range y {
			y[j] += v[j] * uint64(f.Offset[i+1]-f.Offset[i])
		}
	}
	return nil
}
