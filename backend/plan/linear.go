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

// DigitNorm is the smallest exponent of a norm that is stated of filters that are digits
// of weights.
const DigitNorm = 6

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
	return l.validateSizes()
}

func (l *Linear) validateSizes() error {
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

// Legal checks slots and fields.
func (l *Linear) Legal(p *Plan, s *Step) error {
	if err := arity(s, 1, 1, 1); err != nil {
		return err
	}
	in, out := p.Slots[s.In[0]], p.Slots[s.Out[0]]
	if in.Bits != l.InBits || out.Bits != l.OutBits || s.W == "" {
		return fmt.Errorf("slots of %d and %d bits for a step from %d to %d bits", in.Bits, out.Bits, l.InBits, l.OutBits)
	}
	if l.NumIn() != in.N() || l.NumOut() != out.N() {
		return fmt.Errorf("geometry takes %d elements to %d, the slots have %d and %d", l.NumIn(), l.NumOut(), in.N(), out.N())
	}
	if s.Proto == ProtoLinearOT {
		return l.validateOT()
	}
	if l.OT != nil || l.Addends != 0 {
		return errors.New("digits of weights but not over OT, or a part of a sum")
	}
	return l.Validate()
}

// Cost of a call: the encrypted engine counts with the layout that it runs by.
func (l *Linear) Cost(p *Plan, _ []*Step) Cost {
	if l.OT != nil {
		return l.CostOT()
	}
	return p.linear(l).cost
}

// Text shows what an explanation prints.
func (l *Linear) Text() string {
	return fmt.Sprintf(" (%d->%d groups %d, %dx%d stride %dx%d dilation %dx%d pad %d,%d; i%d >> %d%s, norm 2^%d; %+v)",
		l.CIn, l.COut, l.G, l.KH, l.KW, l.SH, l.SW, l.DH, l.DW, l.PT, l.PL, l.InBits, l.Shift, exactly(l.Exact), l.NormLog2, l.Packing)
}

func (l *Linear) format(_ SlotType, out string) string {
	return fmt.Sprintf("i%d >> %d = %s", l.InBits, l.Shift, out) + exactly(l.Exact)
}

// Merges: never.
func (*Linear) Merges(*Plan, *Step, *Step) bool { return false }

// Memory is what the encrypted engine holds, and the server's weights.
func (l *Linear) Memory(p *Plan, _ []*Step) Memory {
	if l.OT != nil {
		return Memory{}
	}
	f := p.linear(l)
	m := Memory{f.server + 2*wordBytes*int64(l.NumWeights()), f.client}
	if l.Addends > 0 { // what the client encrypts is made of its share
		m.Client += wordBytes * int64(l.NumIn())
		m.Server += wordBytes * int64(l.NumIn())
	}
	return m
}

// Linear gives a step's linear operator, nil if it is none.
func (s *Step) Linear() *Linear {
	l, _ := s.Attrs.(*Linear)
	return l
}
