package plan

import (
	"errors"
	"fmt"
	"reflect"

	"secc.example/secc/backend/plan/wire"
)

// Linear operators over correlated OT: every digit of every weight is one OT
// whose correlated message is all that the weight multiplies. What follows fixes
// how the runtime cuts the weights into messages, and counts them.

// BitRange is the digits [Lo, Hi) of two's complement numbers; bit Hi-1 is the sign.
type BitRange struct{ Lo, Hi int }

// OverOT is what an operator over OT needs beyond its geometry: the digits of
// its weights, one range for all or one a group. They are public, so they come
// from the largest of many weights.
type OverOT struct{ Digits []BitRange }

// Reach is the rectangle of outputs at which one tap of a kernel lies inside the
// input: rows [Y0, Y1), columns [X0, X1).
type Reach struct{ Y0, Y1, X0, X1 int }

// otWave is how many OTs of one operator are under way at once: it bounds what
// the parties hold to some 100 MB.
const otWave = 1 << 22

// maxOverOT bounds the products of an operator over OT: some terabytes.
const maxOverOT = 1 << 40

// maxOTPieces bounds the messages of one operator, which a plan's reader counts.
const maxOTPieces = 1 << 22

// OTTaps gives the reach of every tap of the kernel, row by row. Multiplications
// by padding are left out: it is public where they are.
func (l *Linear) OTTaps() []Reach {
	taps := make([]Reach, 0, l.KH*l.KW)
	for i := range l.KH {
		y0, y1 := inside(l.H, l.OH, l.SH, i*l.DH-l.PT)
		for j := range l.KW {
			x0, x1 := inside(l.W, l.OW, l.SW, j*l.DW-l.PL)
			taps = append(taps, Reach{y0, y1, x0, x1})
		}
	}
	return taps
}

// inside is the range of o in [0, out) for which 0 <= o*stride + off < size.
func inside(size, out, stride, off int) (from, to int) {
	if off < 0 {
		from = min((-off+stride-1)/stride, out)
	}
	to = from
	if off < size {
		to = min(max(from, (size-1-off)/stride+1), out)
	}
	return from, to
}

func (r Reach) area() int { return (r.Y1 - r.Y0) * (r.X1 - r.X0) }

// OTPiece is how many weights travel together: enough to fill a message.
func (l *Linear) OTPiece() int { return min(max(1<<15/(l.Batch*l.OH*l.OW), 1), 1<<12) }

// OTWave is how many OTs are under way at once.
func (l *Linear) OTWave() int { return otWave }

func (l *Linear) validateOT() error {
	if err := l.CheckShape(); err != nil {
		return err
	}
	if !bounded(maxOverOT, l.NumWeights(), l.Batch, l.OH, l.OW) {
		return errors.New("linear: too many products for OT")
	}
	if l.Packing != (Packing{}) || l.NormLog2 != 0 {
		return errors.New("linear: over OT it has neither packing nor norm")
	}
	if l.OT == nil {
		return errors.New("linear: no digits")
	}
	if l.NumWeights()/l.OTPiece() > maxOTPieces {
		return errors.New("linear: too many messages")
	}
	if n := len(l.OT.Digits); n != 1 && n != l.G {
		return fmt.Errorf("linear: digits of %d groups of weights, %d groups", n, l.G)
	}
	for _, d := range l.OT.Digits {
		if d.Lo < 0 || d.Hi <= d.Lo || d.Hi > l.InBits {
			return fmt.Errorf("linear: weights have bits [%d, %d) in a ring of %d bits", d.Lo, d.Hi, l.InBits)
		}
	}
	return nil
}

// OTTruncation is the step inside an operator over OT that follows the product,
// or nil. It is local unless exact.
func (l *Linear) OTTruncation() *Truncate {
	if l.Shift == 0 {
		return nil
	}
	return &Truncate{From: l.InBits, Shift: l.Shift, To: l.OutBits, Exact: l.Exact}
}

// CostOT is what a valid operator takes over OT.
func (l *Linear) CostOT() Cost {
	taps := l.OTTaps()
	var c Cost
	var wave struct{ toClient, toServer, ots int64 }
	elems := 0.0
	end := func() {
		c.Flights = append(c.Flights, Flight{ToClient: wave.toClient}, Flight{ToServer: wave.toServer})
		c.COTs.ClientSends += wave.ots
		wave.toClient, wave.toServer, wave.ots = 0, 0, 0
	}
	segment := l.NumWeights() / len(l.OT.Digits)
	per := newTapSums(taps, l.Batch)
	for i, d := range l.OT.Digits {
		for at := 0; at < segment; at += l.OTPiece() {
			n := min(l.OTPiece(), segment-at)
			reached := per.between(i*segment+at, n)
			wave.ots += int64(n * (d.Hi - d.Lo))
			wave.toClient += plane(n * (d.Hi - d.Lo))
			for bit := d.Lo; bit < d.Hi; bit++ {
				wave.toServer += wire.PackedLen(reached, l.InBits-bit)
			}
			if elems += float64(reached * (d.Hi - d.Lo)); wave.ots >= otWave {
				end()
			}
		}
	}
	if wave.ots > 0 {
		end()
	}
	c = c.withWork(UnitMux, int(elems))
	c.Work.Server[UnitElem] += float64(l.NumWeights()) * float64(l.Batch*l.OH*l.OW) / 4
	if t := l.OTTruncation(); t != nil && t.Exact {
		c = c.Add(CostTruncate(l.NumOut(), t))
	}
	return c
}

// tapSums counts what consecutive weights reach.
type tapSums struct{ upTo []int } // of the first i taps

func newTapSums(taps []Reach, batch int) tapSums {
	s := tapSums{make([]int, len(taps)+1)}
	for i, t := range taps {
		s.upTo[i+1] = s.upTo[i] + t.area()*batch
	}
	return s
}

func (s tapSums) before(weight int) int {
	n := len(s.upTo) - 1
	return weight/n*s.upTo[n] + s.upTo[weight%n]
}

func (s tapSums) between(first, n int) int { return s.before(first+n) - s.before(first) }

// AsOT gives the operator over OT, for weights with the digits given.
func (l *Linear) AsOT(digits []BitRange) *Linear {
	o := *l
	o.Packing, o.NormLog2, o.OT = Packing{}, 0, &OverOT{digits}
	return &o
}

// DigitsOf gives the digits of weights: one range for all groups if they agree
// or if that costs no more, else one a group.
func DigitsOf(w []int64, groups, bits int) []BitRange {
	each := len(w) / groups
	all := make([]BitRange, groups)
	for g := range all {
		all[g] = digitsOf(w[g*each:(g+1)*each], bits)
	}
	one := all[0]
	for _, d := range all[1:] {
		one.Lo, one.Hi = min(one.Lo, d.Lo), max(one.Hi, d.Hi)
	}
	for _, d := range all {
		if !reflect.DeepEqual(d, one) {
			return all
		}
	}
	return []BitRange{one}
}

// digitsOf is the fewest bits that hold all of some numbers mod 2^bits.
func digitsOf(w []int64, bits int) BitRange {
	var low, high uint64
	for _, v := range w {
		low |= uint64(v)
		high |= uint64(v ^ v>>63)
	}
	d := BitRange{0, 1}
	for high>>(d.Hi-1) != 0 {
		d.Hi++
	}
	d.Hi = min(d.Hi, bits)
	for d.Lo < d.Hi-1 && low>>d.Lo&1 == 0 {
		d.Lo++
	}
	return d
}
