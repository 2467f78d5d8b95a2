package wire

import (
	"errors"
	"fmt"
	"math/bits"
)

// Piecewise is a public function made of lines, chosen by the top bits of the
// argument: all that the parties and the cost model need to know of it.
//
// The name of x in Z_2^Bits, |x| < 2^(Bits-2), is the bits b_i = [x_i is the sign bit],
// Low <= i <= Bits-3, all set near zero and alike on both sides of it, those turned round
// that Flip names (b_Low is its lowest bit), and above them [x < 0] or, if Positive, [x >= 0].
// Slope, offset and step are
//
//	slope  = Slope + 2^SlopeShift * XOR of the Slope of all Terms whose bits are all set
//	offset = Offset + 2^OffsetShift * XOR of their Offset
//	step   = Step + 2^StepShift * XOR of their Step
//
// and the result, in Z_2^Out, is
//
//	(line + step + Beyond[x >= 0] + Steep[x >= 0] * x) / 2^Frac
//
// without line and step unless all bits of the name are set that Gate names. line = slope*x +
// offset is evaluated in Z_2^Ring and extended, which asks for |line| < 2^(Ring-2), unless
// that is the ring Z_2^(Out+Frac) of all the rest. On a segment lines vary little: what is
// common to a segment is its step, and what grows without bound is steep. On XOR shares of
// the products of bits, slope, offset and step are local.
type Piecewise struct {
	Bits, Low               int
	Positive                bool
	Flip                    uint32 `cbor:",omitempty"`
	Leaf, Arity             int    // of the adder: see Tree; of its low bits
	Ripple, Cross           bool
	Triples                 bool   // products of three bits in one flight
	Terms                   []Term // in the order of their Bits
	SlopeBits, OffsetBits   int
	SlopeShift, OffsetShift int
	Slope, Offset           int64
	Frac, Out, Ring         int
	StepBits, StepShift     int      `cbor:",omitempty"`
	Step                    int64    `cbor:",omitempty"`
	Gate                    uint32   `cbor:",omitempty"`
	Beyond, Steep           [2]int64 // of negative x, and of the others

	Prepared bool `cbor:"-"` // the OTs are made before the argument exists, and corrections of their pads are sent then
}

// Term is the product of some bits of the name, b_Low the lowest, and what it changes.
type Term struct {
	Bits          uint32
	Slope, Offset uint64
	Step          uint64 `cbor:",omitempty"`
}

// Limits of a Piecewise.
const (
	MaxTerms     = 1 << 12
	maxNamed     = 24
	maxPieceBits = 62
)

// Named is the number of bits that name a segment, without the sign.
func (f *Piecewise) Named() int { return f.Bits - 2 - f.Low }

// Wide is the ring of results before they are shifted.
func (f *Piecewise) Wide() int { return f.Out + f.Frac }

// Extends reports whether lines are evaluated in a narrower ring.
func (f *Piecewise) Extends() bool { return f.Ring < f.Wide() }

// Tree is how carries are computed.
func (f *Piecewise) Tree() Tree {
	return Tree{Leaf: f.Leaf, Arity: f.Arity, Ripple: f.Ripple, Cross: f.Cross, Prepared: f.Prepared}
}

// Naming is the circuit of the carries that make the bits of x.
func (f *Piecewise) Naming() *Carries { return NewPrefixes(f.Low, f.Named(), f.Tree()) }

// Monomials is the circuit of the terms' products, and in the end that of the gate if there is
// one, of the bits in their Order.
func (f *Piecewise) Monomials() *Monomials {
	order := f.Order()
	masks := make([]uint32, len(f.Terms), len(f.Terms)+1)
	for i, t := range f.Terms {
		masks[i] = t.Bits
	}
	if f.Gate != 0 {
		masks = append(masks, f.Gate)
	}
	for i, m := range masks {
		masks[i] = 0
		for to, from := range order {
			masks[i] |= m >> from & 1 << to
		}
	}
	return NewMonomials(len(order), masks, f.Triples)
}

// Order is the bits of the name, those of the gate above all others, which no product has both of.
func (f *Piecewise) Order() (bits []int) {
	var gate []int
	for i := range f.Named() + 1 {
		if f.Gate>>i&1 == 1 {
			gate = append(gate, i)
		} else {
			bits = append(bits, i)
		}
	}
	return append(bits, gate...)
}

// Operand is the ring that x is needed in: 0 if in none, that is, if all lines
// are constants.
func (f *Piecewise) Operand() (ring int) {
	switch {
	case f.Slope != 0:
		ring = f.Ring
	case f.SlopeBits > 0:
		ring = f.Ring - f.SlopeShift
	}
	for _, s := range f.Steep {
		if s != 0 {
			ring = max(ring, f.Wide()-bits.TrailingZeros64(uint64(s)))
		}
	}
	return ring
}

// SlopeWidths are the rings in which x is multiplied by each bit of the slope.
func (f *Piecewise) SlopeWidths() []int { return descending(f.Ring-f.SlopeShift, f.SlopeBits) }

// OffsetWidths are the rings in which the bits of the offset become numbers.
func (f *Piecewise) OffsetWidths() []int { return descending(f.Ring-f.OffsetShift, f.OffsetBits) }

// StepWidths are those of the bits of the step.
func (f *Piecewise) StepWidths() []int { return descending(f.Wide()-f.StepShift, f.StepBits) }

// Change is a difference of x >= 0 from x < 0: an odd number times 2^Shift, and the ring in which
// that many numbers are chosen; Width is at most 0 where there is none.
type Change struct {
	Odd          int64
	Shift, Width int
}

// Bend is by how much x >= 0 is steeper, and Jump how much more is beyond the gate there.
func (f *Piecewise) Bend() Change { return f.change(f.Steep) }

func (f *Piecewise) Jump() Change { return f.change(f.Beyond) }

func (f *Piecewise) change(of [2]int64) Change {
	d := of[1] - of[0]
	if d == 0 {
		return Change{}
	}
	shift := bits.TrailingZeros64(uint64(d))
	return Change{d >> shift, shift, f.Wide() - shift}
}

func descending(from, n int) []int {
	w := make([]int, n)
	for i := range w {
		w[i] = from - i
	}
	return w
}

// Slab is how many elements are evaluated in one flight.
func (f *Piecewise) Slab() int { return StepSlab(max(f.SlopeBits+f.OffsetBits+f.StepBits, 1)) }

// Eval is the function at x, in units of 2^-Frac.
func (f *Piecewise) Eval(x int64) int64 {
	line, step := f.at(x)
	side := 1 + x>>63
	return signed(line+step+f.Beyond[side]+f.Steep[side]*x, f.Wide())
}

// Promised reports whether the line at x is what its extension asks for.
func (f *Piecewise) Promised(x int64) bool {
	line, _ := f.at(x)
	return !f.Extends() || line < 1<<(f.Ring-2) && line >= -1<<(f.Ring-2)
}

func (f *Piecewise) at(x int64) (line, step int64) {
	name := f.name(x)
	if name&f.Gate != f.Gate {
		return 0, 0
	}
	slope, offset, step := f.line(name)
	return signed(slope*x+offset, f.Ring), step
}

// signed is the number that the low bits of y stand for.
func signed(y int64, bits int) int64 { return y << (64 - bits) >> (64 - bits) }

func (f *Piecewise) name(x int64) uint32 {
	small := ^(x ^ x>>63)
	name, side := uint32(small>>f.Low)&(1<<f.Named()-1), uint32(uint64(x)>>63)
	if f.Positive {
		side ^= 1
	}
	return name ^ f.Flip | side<<f.Named()
}

func (f *Piecewise) line(name uint32) (slope, offset, step int64) {
	var a, b, c uint64
	for _, t := range f.Terms {
		if name&t.Bits == t.Bits {
			a ^= t.Slope
			b ^= t.Offset
			c ^= t.Step
		}
	}
	return f.Slope + int64(a)<<f.SlopeShift, f.Offset + int64(b)<<f.OffsetShift, f.Step + int64(c)<<f.StepShift
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
	case f.Gate >= 2<<f.Named():
		return fmt.Errorf("piecewise: bits %#x of a name of %d are a gate", f.Gate, f.Named()+1)
	case f.Flip >= 1<<f.Named():
		return fmt.Errorf("piecewise: bits %#x of a name of %d are turned round", f.Flip, f.Named())
	}
	if err := f.Tree().Check(); err != nil {
		return fmt.Errorf("piecewise: %w", err)
	}
	return nil
}

func (f *Piecewise) checkRings(out int) error {
	if f.Out < 3 || f.Out != out || f.Frac < 0 || f.Wide() > maxPieceBits {
		return fmt.Errorf("piecewise: results of %d bits with %d fraction bits for %d", f.Out, f.Frac, out)
	}
	if f.Ring < 3 || f.Ring > f.Wide() {
		return fmt.Errorf("piecewise: lines in a ring of %d bits for one of %d", f.Ring, f.Wide())
	}
	for _, c := range []struct {
		what              string
		bits, shift, ring int
	}{
		{"slopes", f.SlopeBits, f.SlopeShift, f.Ring}, {"offsets", f.OffsetBits, f.OffsetShift, f.Ring}, {"steps", f.StepBits, f.StepShift, f.Wide()},
	} {
		if !fits(c.bits, c.shift, c.ring) {
			return fmt.Errorf("piecewise: %s of %d bits from bit %d on in a ring of %d", c.what, c.bits, c.shift, c.ring)
		}
	}
	for _, s := range append(f.Steep[:], f.Beyond[:]...) {
		if s < -1<<f.Wide() || s >= 1<<f.Wide() {
			return fmt.Errorf("piecewise: a number of %d in a ring of %d bits", s, f.Wide())
		}
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
		if t.Bits >= 2<<f.Named() || t.Slope >= 1<<f.SlopeBits || t.Offset >= 1<<f.OffsetBits || t.Step >= 1<<f.StepBits || i > 0 && t.Bits <= f.Terms[i-1].Bits {
			return errors.New("piecewise: a term out of range or out of order")
		}
	}
	return nil
}
