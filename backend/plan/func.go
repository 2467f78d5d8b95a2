package plan

import (
	"errors"
	"fmt"
	"math"
	"reflect"
)

// Func evaluates a function by its spline, or by lines that the top bits of the
// argument choose (Name and the parameters say which it was, for people); all of it
// is public.
type Func struct {
	Name        string
	Alpha, Beta float64    `cbor:",omitempty"`
	Spline      *Spline    `cbor:",omitempty"`
	Piecewise   *Piecewise `cbor:",omitempty"`
	Leaf        int        `cbor:",omitempty"` // leaf radix of a spline's comparisons; 0 means 2
}

// Legal checks slots and fields.
func (f *Func) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	if notFinite(f.Alpha) || notFinite(f.Beta) || len(f.Name) > 64 {
		return errors.New("bad parameters")
	}
	if f.Leaf < 0 || f.Leaf > 4 {
		return fmt.Errorf("leaves of %d bits", f.Leaf)
	}
	if err := f.check(p.Slots[s.In[0]].Bits, p.Slots[s.Out[0]].Bits); err != nil {
		return err
	}
	return sameElems(p, s, false)
}

// Cost of a call.
func (f *Func) Cost(p *Plan, call []*Step) Cost {
	in, out := p.Slots[call[0].In[0]], p.Slots[call[0].Out[0]]
	return CostFunc(p.width(call), in.Bits, out.Bits, f)
}

// CostFunc prices a function by whichever description it has.
func CostFunc(n, inBits, outBits int, f *Func) Cost {
	switch {
	case f.Piecewise != nil:
		return CostPiecewise(n, &f.Piecewise.Piecewise)
	case f.Spline != nil:
		return costSpline(n, inBits, outBits, f)
	}
	return Cost{}
}

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

// Text says how a function is computed and how well.
func (f *Func) Text() string {
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

// Merges steps of one function between the same formats.
func (f *Func) Merges(p *Plan, a, b *Step) bool {
	same := func(x, y Slot) bool { return p.Slots[x].Bits == p.Slots[y].Bits && p.Slots[x].Frac == p.Slots[y].Frac }
	return reflect.DeepEqual(f, b.Attrs) && same(a.In[0], b.In[0]) && same(a.Out[0], b.Out[0])
}

// Memory: none of its own.
func (*Func) Memory(*Plan, []*Step) Memory { return Memory{} }
