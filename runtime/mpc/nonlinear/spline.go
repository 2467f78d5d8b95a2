package nonlinear

import (
	"context"
	"fmt"

	"secc/runtime/mpc/ring"
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
// Flights: Extend (if x is narrower than out+Frac), DReLU on n times the knots, one. The
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
	y := p.lines(xw, f.Slope[:1], f.Offset[:1])
	if len(f.Knots) > 0 {
		b, err := p.above(ctx, x, f.Knots, s)
		if err != nil {
			return nil, err
		}
		steps := func(c []int64) []int64 {
			d := make([]int64, len(c)-1)
			for i := range d {
				d[i] = c[i+1] - c[i]
			}
			return d
		}
		if err := p.addSteps(ctx, y, xw, b, steps(f.Slope), steps(f.Offset), wide, flat); err != nil {
			return nil, err
		}
	}
	ring.Reduce(y, wide)
	if f.Frac == 0 {
		return y, nil
	}
	return p.TruncateStochastic(ctx, y, wide, f.Frac, out)
}

// above compares x with every knot: one vector of bits, knot after knot.
func (p *Party) above(ctx context.Context, x []uint64, knots []int64, s Sign) ([]uint64, error) {
	d := make([]uint64, 0, len(x)*len(knots))
	for _, k := range knots {
		d = append(d, p.plus(x, -uint64(k), s.Bits)...)
	}
	return p.DReLU(ctx, d, s)
}

// lines is slope*x + offset for each line in turn; the server adds the offsets.
func (p *Party) lines(x []uint64, slope, offset []int64) []uint64 {
	y := make([]uint64, 0, len(x)*len(slope))
	for i, a := range slope {
		c := uint64(offset[i])
		if !p.isServer() {
			c = 0
		}
		for _, v := range x {
			y = append(y, uint64(a)*v+c)
		}
	}
	return y
}

// addSteps adds, for every knot whose bit is set, the difference of its lines.
func (p *Party) addSteps(ctx context.Context, y, x, b []uint64, slope, offset []int64, wide int, flat bool) error {
	n := len(x)
	all := make([]uint64, n*len(slope))
	if flat {
		if err := p.products(ctx, len(all), p.toArith(b, all, wide)); err != nil {
			return err
		}
		p.toArithEnd(b, all, wide)
	} else if err := p.products(ctx, len(all), p.mux(b, p.lines(x, slope, offset), all, wide)); err != nil {
		return err
	}
	for i := range all {
		v := all[i]
		if flat {
			v *= uint64(offset[i/n])
		}
		y[i%n] += v
	}
	return nil
}
