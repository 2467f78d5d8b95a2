package evaluate

import (
	"fmt"
	"math"

	"secc.example/secc/ir"
)

// Formats sums up the number formats of a compiled network. Means are taken
// over elements (for weights: over operators), as it is elements that cost.
type Formats struct {
	Ring        Extent `json:"ring_bits"`        // k of activations: results of linear operators and of comparisons
	Fraction    Extent `json:"fraction_bits"`    // f of the same
	Accumulator Extent `json:"accumulator_bits"` // what linear operators sum in
	Weight      Extent `json:"weight_bits"`      // s: fraction bits of weights
	Compared    Extent `json:"compared_bits"`    // b: how many bits a sign is computed on
	Dropped     Extent `json:"dropped_bits"`     // how many low bits a sign leaves out
}

// Extent is the smallest, the largest and the mean of a number of bits.
type Extent struct {
	Min  int     `json:"min"`
	Max  int     `json:"max"`
	Mean float64 `json:"mean"`

	sum, n float64
}

func (e *Extent) add(bits, times int) {
	if e.n == 0 {
		e.Min, e.Max = math.MaxInt, math.MinInt
	}
	e.Min, e.Max = min(e.Min, bits), max(e.Max, bits)
	e.sum, e.n = e.sum+float64(bits)*float64(times), e.n+float64(times)
	e.Mean = e.sum / e.n
}

// String prints "16", or "9..13 (mean 11.2)".
func (e Extent) String() string {
	switch {
	case e.n == 0:
		return "-"
	case e.Min == e.Max:
		return fmt.Sprint(e.Min)
	}
	return fmt.Sprintf("%d..%d (mean %.1f)", e.Min, e.Max, e.Mean)
}

func (u Formats) String() string {
	return fmt.Sprintf("activations: %v ring bits, %v fraction bits; weights: %v fraction bits, summed in %v; signs on %v bits, %v low ones left out",
		u.Ring, u.Fraction, u.Weight, u.Accumulator, u.Compared, u.Dropped)
}

// FormatsOf reads the formats off a fixed-point graph.
func FormatsOf(g *ir.Graph) (u Formats) {
	for _, v := range g.Values {
		compare, wide := comparison(v)
		product := v.Op == ir.OpConv || v.Op == ir.OpMul || v.Op == ir.OpPRelu
		if product && !ofDigits(v) || v.Op == ir.OpTruncate || compare != nil {
			u.Ring.add(v.Type.Elem.Bits, v.Type.N())
			u.Fraction.add(v.Type.Elem.Frac, v.Type.N())
		}
		if product {
			u.Accumulator.add(v.Args[0].Type.Elem.Bits, v.Type.N())
		}
		if product && ir.IsConst(v.Args[1]) {
			u.Weight.add(v.Args[1].Type.Elem.Frac, 1)
		}
		if compare != nil {
			hi := compare.High(v.Args[0].Type.Elem)
			u.Compared.add(hi-compare.Lo, wide)
			u.Dropped.add(compare.Lo, wide)
		}
	}
	return u
}

// ofDigits reports what is no activation yet.
func ofDigits(v *ir.Value) bool {
	a, ok := v.Attrs.(*ir.ConvAttrs)
	return ok && a.OfDigits()
}

// comparison gives the bits that a value's signs are computed on, and how many
// signs there are, about; nil if it computes none.
func comparison(v *ir.Value) (*ir.CompareAttrs, int) {
	switch a := v.Attrs.(type) {
	case *ir.CompareAttrs:
		return a, v.Type.N()
	case *ir.PReluAttrs:
		return &a.CompareAttrs, v.Type.N()
	case *ir.ClipAttrs:
		return &a.CompareAttrs, 2 * v.Type.N()
	case *ir.PoolAttrs:
		if v.Op == ir.OpMaxPool {
			return &a.CompareAttrs, v.Args[0].Type.N()
		}
	case *ir.ReduceAttrs:
		if v.Op == ir.OpArgMax || v.Op == ir.OpReduceMax {
			return &a.CompareAttrs, v.Args[0].Type.N()
		}
	}
	return nil, 0
}
