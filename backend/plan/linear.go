package plan

import (
	"errors"
	"fmt"
)

// Linear describes one linear operator with server-held integer weights:
// a (grouped, strided, dilated, padded) 2-D convolution over NCHW, of which a
// matrix product is the case H = W = KH = KW = 1 with the rows as Batch.
//
//	acc[b,o,y,x] = bias[o] + sum_{c,i,j} w[o,c,i,j] * in[b, g*CIn/G + c, y*SH + i*DH - PT, x*SW + j*DW - PL]   in Z_2^InBits
//	out          = round(acc / 2^Shift)                                                                     in Z_2^OutBits
//
// InBits = OutBits + Shift. Weights (o,c,i,j order, signed) and bias (one a
// filter, in units of the accumulator) stand in the server's weights file.
//
// An exact operator rounds halves up and is never off: its engine first gives
// shares of 4*acc + 2 + e with |e| < 2 in Z_2^(InBits+ExactGuard); whatever e is,
// the upper bits hold acc, and a faithful truncation by ExactGuard + Shift (one
// comparison an element) gives floor((acc + 2^(Shift-1)) / 2^Shift).
type Linear struct {
	Batch                  int
	G                      int // groups
	CIn, COut              int // totals over all groups
	H, W, OH, OW           int
	KH, KW, SH, SW, DH, DW int
	PT, PL                 int

	InBits, Shift, OutBits int
	Exact                  bool `cbor:",omitempty"` // never off by one: see above
	ClientInput            bool `cbor:",omitempty"` // the input is the client's own: the server's share is zero
	Addends                int  `cbor:",omitempty"` // the results of so many operators, of which this is one, are added up before they are rounded; 0 and 1 are the same

	// NormLog2 is a public, coarse bound: the l2 norm of any filter's integer
	// weights is at most 2^NormLog2. It fixes how many low bits the upload drops.
	NormLog2 int

	Packing Packing // see packing.go; zero over OT

	OT *OverOT `cbor:",omitempty"` // set if and only if the protocol is linear_ot
}

// ExactGuard is how many bits an exact operator keeps below the accumulator's
// last one, so that the protocol's own error never reaches the accumulator.
const ExactGuard = 2

// Limits of one linear operator.
const (
	maxLinearSide  = 1 << 16
	maxLinearElems = 1 << 28
	maxLinearBits  = 62
	maxChannels    = 1 << 20
	maxKernel      = 1 << 16
	maxFilterLen   = 1 << 22
)

// EngineBits is the ring that the encrypted product is re-shared in: the
// output's, or the accumulator's with guard bits when the operator is exact.
func (l *Linear) EngineBits() int {
	if l.Exact {
		return l.InBits + ExactGuard
	}
	return l.OutBits
}

// Truncation is the step inside an exact operator that follows the product.
func (l *Linear) Truncation() *Truncate {
	return &Truncate{From: l.EngineBits(), Shift: l.Shift + ExactGuard, To: l.OutBits, Exact: true}
}

// NumWeights is the number of weights.
func (l *Linear) NumWeights() int { return l.COut * l.FilterLen() }

// FilterLen is the number of weights of one filter.
func (l *Linear) FilterLen() int { return l.CIn / l.G * l.KH * l.KW }

// NumIn is the number of input elements.
func (l *Linear) NumIn() int { return l.Batch * l.CIn * l.H * l.W }

// NumOut is the number of output elements.
func (l *Linear) NumOut() int { return l.Batch * l.COut * l.OH * l.OW }

// Validate checks everything the runtime relies on: sizes are positive, bounded
// and consistent, and the packing fits the operator.
func (l *Linear) Validate() error {
	if err := l.CheckShape(); err != nil {
		return err
	}
	lay, err := newLayout(l)
	if err != nil {
		return fmt.Errorf("linear: packing: %w", err)
	}
	if err := lay.validate(); err != nil {
		return fmt.Errorf("linear: packing: %w", err)
	}
	return nil
}

// CheckShape checks all but the packing.
func (l *Linear) CheckShape() error {
	if err := l.validateShape(); err != nil {
		return fmt.Errorf("linear: %w", err)
	}
	if err := l.validateFormat(); err != nil {
		return fmt.Errorf("linear: %w", err)
	}
	return nil
}

func (l *Linear) validateShape() error {
	for _, v := range []int{l.H, l.W, l.OH, l.OW, l.KH, l.KW, l.SH, l.SW, l.DH, l.DW} {
		if v < 1 || v > maxLinearSide {
			return fmt.Errorf("side, kernel, stride or dilation %d", v)
		}
	}
	if l.PT < 0 || l.PL < 0 || l.PT > maxLinearSide || l.PL > maxLinearSide {
		return fmt.Errorf("padding %d,%d", l.PT, l.PL)
	}
	if !bounded(maxLinearElems, l.Batch, l.CIn, l.H, l.W) || !bounded(maxLinearElems, l.Batch, l.COut, l.OH, l.OW) {
		return errors.New("too many elements")
	}
	if l.CIn > maxChannels || l.COut > maxChannels || !bounded(maxKernel, l.KH, l.KW) {
		return fmt.Errorf("%d and %d channels, kernel %dx%d", l.CIn, l.COut, l.KH, l.KW)
	}
	if l.G < 1 || l.CIn%l.G != 0 || l.COut%l.G != 0 {
		return fmt.Errorf("%d groups of %d to %d channels", l.G, l.CIn, l.COut)
	}
	if !bounded(maxFilterLen, l.CIn/l.G, l.KH, l.KW) || !bounded(maxLinearElems, l.COut, l.FilterLen()) {
		return errors.New("too many weights")
	}
	return nil
}

// bounded reports whether all factors are positive and their product is at most limit.
func bounded(limit int, factors ...int) bool {
	for _, f := range factors {
		if f < 1 || f > limit {
			return false
		}
		limit /= f
	}
	return true
}

func (l *Linear) validateFormat() error {
	if l.InBits < 1 || l.InBits > maxLinearBits || l.OutBits < 1 || l.OutBits > maxLinearBits || l.InBits != l.OutBits+l.Shift {
		return fmt.Errorf("from %d bits by shift %d to %d bits", l.InBits, l.Shift, l.OutBits)
	}
	if l.Shift < 0 || l.EngineBits() > maxLinearBits {
		return fmt.Errorf("shift %d to %d bits (exact: %v)", l.Shift, l.OutBits, l.Exact)
	}
	if l.NormLog2 < 0 || l.NormLog2 > 40 {
		return fmt.Errorf("norm 2^%d", l.NormLog2)
	}
	return nil
}
