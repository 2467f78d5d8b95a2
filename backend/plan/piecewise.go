package plan

import (
	"errors"
	"fmt"
	"math"

	"secc.example/secc/backend/plan/wire"
)

// Piecewise is a function of one fixed-point number made of lines on segments that
// the top bits of the number name. It is public. Error is as in Spline.
type Piecewise struct {
	wire.Piecewise
	Error float64
}

// Exact reports that results are the function's and are not rounded.
func (p *Piecewise) Exact() bool { return p.Error == 0 && p.Frac == 0 }

// Eval is the function as the plan has it at x, in units of 2^-Frac.
func (f *Func) Eval(x int64) int64 {
	if f.Piecewise != nil {
		return f.Piecewise.Eval(x)
	}
	return f.Spline.Eval(x)
}

// Frac is the number of fraction bits that Eval has beyond the result's.
func (f *Func) Frac() int {
	if f.Piecewise != nil {
		return f.Piecewise.Frac
	}
	return f.Spline.Frac
}

// Error is how far the lines are from the function, in ulps of the result.
func (f *Func) Error() float64 {
	if f.Piecewise != nil {
		return f.Piecewise.Error
	}
	return f.Spline.Error
}

func (f *Func) check(in, out int) error {
	switch {
	case (f.Spline == nil) == (f.Piecewise == nil):
		return errors.New("a function needs a spline or lines named by bits, and not both")
	case f.Spline != nil:
		return f.Spline.Check(in, out)
	case !(f.Piecewise.Error >= 0 && f.Piecewise.Error < math.Inf(1)) || f.Leaf != 0:
		return fmt.Errorf("an error of %g ulp, leaves of %d bits", f.Piecewise.Error, f.Leaf)
	}
	return f.Piecewise.Check(in, out)
}

// text says how a function is computed and how well.
func (f *Func) text() string {
	switch {
	case f.Piecewise != nil:
		p := f.Piecewise
		return fmt.Sprintf(" (%s: bits %d..%d name segments, %d terms, slopes of %d bits, offsets of %d, %d fraction bits, error %.2f ulp)",
			f.Name, p.Low, p.Bits-2, len(p.Terms), p.SlopeBits, p.OffsetBits, p.Frac, p.Error)
	case f.Spline != nil:
		return fmt.Sprintf(" (%s: %d pieces, error %.2f ulp)", f.Name, len(f.Spline.Slope), f.Spline.Error)
	}
	return fmt.Sprintf(" (%s)", f.Name)
}
