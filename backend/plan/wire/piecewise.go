package wire

import (
	"errors"
	"fmt"
)

// Piecewise is a public function made of lines, chosen by the top bits of the
// argument: all that the parties and the cost model need to know of it.
//
// The name of x in Z_2^Bits, |x| < 2^(Bits-2), is the bits b_i = [x_i is the sign bit],
// Low <= i <= Bits-3, all set near zero and alike on both sides of it, those turned round
// that Flip names (b_Low is its lowest bit), and above them [x < 0] or, if Positive, [x >= 0].
// Slope and offset are
//
//	slope  = Slope + 2^SlopeShift * XOR of the Slope of all Terms whose bits are all set
//	offset = Offset + 2^OffsetShift * XOR of their Offset
//
// and the result is (slope*x + offset) / 2^Frac, which lies in Z_2^Inner and is
// extended if that is narrower than what is asked for. On XOR shares of the
// products of bits, slope and offset are local.
type Piecewise struct {
	Bits, Low               int
	Positive                bool
	Flip                    uint32 `cbor:",omitempty"`
	Leaf, Arity             int    // of the adder: see Tree; of its low bits
	Ripple                  bool
	Triples                 bool   // products of three bits in one flight
	Terms                   []Term // in the order of their Bits
	SlopeBits, OffsetBits   int
	SlopeShift, OffsetShift int
	Slope, Offset           int64
	Frac, Inner             int

	Prepared bool `cbor:"-"` // the OTs are made before the argument exists, and corrections of their pads are sent then
}

// Term is the product of some bits of the name, b_Low the lowest, and what it changes.
type Term struct {
	Bits          uint32
	Slope, Offset uint64
}

// Limits of a Piecewise.
const (
	MaxTerms     = 1 << 12
	maxNamed     = 24
	maxPieceBits = 62
)

// Named is the number of bits that name a segment, without the sign.
func (f *Piecewise) Named() int { return f.Bits - 2 - f.Low }

// Wide is the ring in which lines are evaluated.
func (f *Piecewise) Wide() int { return f.Inner + f.Frac }

// Tree is how carries are computed.
func (f *Piecewise) Tree() Tree {
	return Tree{Leaf: f.Leaf, Arity: f.Arity, Ripple: f.Ripple, Prepared: f.Prepared}
}

// Naming is the circuit of the carries that make the bits of x.
func (f *Piecewise) Naming() *Carries { return NewPrefixes(f.Low, f.Named(), f.Tree()) }

// Monomials is the circuit of the terms' products.
func (f *Piecewise) Monomials() *Monomials {
	masks := make([]uint32, len(f.Terms))
	for i, t := range f.Terms {
		masks[i] = t.Bits
	}
	return NewMonomials(f.Named()+1, masks, f.Triples)
}

// Operand is the ring that x is needed in: 0 if in none, that is, if all lines
// are constants.
func (f *Piecewise) Operand() int {
	switch {
	case f.Slope != 0:
		return f.Wide()
	case f.SlopeBits > 0:
		return f.Wide() - f.SlopeShift
	}
	return 0
}

// SlopeWidths are the rings in which x is multiplied by each bit of the slope.
func (f *Piecewise) SlopeWidths() []int { return descending(f.Wide()-f.SlopeShift, f.SlopeBits) }

// OffsetWidths are the rings in which the bits of the offset become numbers.
func (f *Piecewise) OffsetWidths() []int { return descending(f.Wide()-f.OffsetShift, f.OffsetBits) }

func descending(from, n int) []int {
	w := make([]int, n)
	for i := range w {
		w[i] = from - i
	}
	return w
}

// Slab is how many elements are evaluated in one flight.
func (f *Piecewise) Slab() int { return StepSlab(max(f.SlopeBits+f.OffsetBits, 1)) }

// Eval is the function at x, in units of 2^-Frac.
func (f *Piecewise) Eval(x int64) int64 {
	slope, offset := f.line(f.name(x))
	y := slope*x + offset
	unused := 64 - f.Wide()
	return y << unused >> unused
}

func (f *Piecewise) name(x int64) uint32 {
	small := ^(x ^ x>>63)
	name, side := uint32(small>>f.Low)&(1<<f.Named()-1), uint32(uint64(x)>>63)
	if f.Positive {
		side ^= 1
	}
	return name ^ f.Flip | side<<f.Named()
}

func (f *Piecewise) line(name uint32) (slope, offset int64) {
	var a, b uint64
	for _, t := range f.Terms {
		if name&t.Bits == t.Bits {
			a ^= t.Slope
			b ^= t.Offset
		}
	}
	return f.Slope + int64(a)<<f.SlopeShift, f.Offset + int64(b)<<f.OffsetShift
}

// Check holds a description to what the parties rely on; out is the ring of the
// result.
func (f *Piecewise) Check(bits, out int) error {
	if err := f.checkNames(bits); err != nil {
		return err
	}
	if err := f.checkRings(out); err != nil {
		return err
	}
	return f.checkTerms()
}

func (f *Piecewise) checkNames(bits int) error {
	switch {
	case f.Bits != bits || bits < 3 || bits > maxPieceBits:
		return fmt.Errorf("piecewise: %d bits for an argument of %d", f.Bits, bits)
	case f.Low < 0 || f.Named() < 1 || f.Named() > maxNamed:
		return fmt.Errorf("piecewise: segments named by bits %d to %d", f.Low, f.Bits-3)
	case f.Flip >= 1<<f.Named():
		return fmt.Errorf("piecewise: bits %#x of a name of %d are turned round", f.Flip, f.Named())
	case f.Leaf < 1 || f.Leaf > MaxLeaf || f.Arity < 0 || f.Arity == 1 || f.Arity > MaxArity || f.Arity > 2 && f.Ripple:
		return fmt.Errorf("piecewise: leaves of %d bits, joins of %d (ripple %v)", f.Leaf, f.Arity, f.Ripple)
	}
	return nil
}

func (f *Piecewise) checkRings(out int) error {
	if f.Inner < 3 || f.Inner > out || f.Frac < 0 || f.Wide() > maxPieceBits {
		return fmt.Errorf("piecewise: results of %d bits with %d fraction bits for %d", f.Inner, f.Frac, out)
	}
	if !fits(f.SlopeBits, f.SlopeShift, f.Wide()) {
		return fmt.Errorf("piecewise: slopes of %d bits from bit %d on in a ring of %d", f.SlopeBits, f.SlopeShift, f.Wide())
	}
	if !fits(f.OffsetBits, f.OffsetShift, f.Wide()) {
		return fmt.Errorf("piecewise: offsets of %d bits from bit %d on in a ring of %d", f.OffsetBits, f.OffsetShift, f.Wide())
	}
	return nil
}

// fits reports whether bits from a bit on are in a ring.
func fits(bits, shift, ring int) bool {
	return shift >= 0 && bits >= 0 && (bits == 0 || shift+bits <= ring)
}

func (f *Piecewise) checkTerms() error {
	if len(f.Terms) == 0 || len(f.Terms) > MaxTerms {
		return fmt.Errorf("piecewise: %d terms", len(f.Terms))
	}
	for i, t := range f.Terms {
		if t.Bits >= 2<<f.Named() || t.Slope >= 1<<f.SlopeBits || t.Offset >= 1<<f.OffsetBits || i > 0 && t.Bits <= f.Terms[i-1].Bits {
			return errors.New("piecewise: a term out of range or out of order")
		}
	}
	return nil
}
