package he

import (
	"errors"
	"fmt"
	"slices"

	"secc.example/secc/backend/plan/wire"
)

// Map is the public index map of one operator,
//
//	response[t][o] = sum_i upload[t][i] * W[i][o],
//
// t a tile, i an input block, o a filter block. Its slices are read only. It is
// used by several goroutines at once.
type Map interface {
	Tiles() int
	Blocks() int
	OutBlocks() int
	Responses() int
	// OutBlock is the group, the first filter and the number of filters of block o.
	OutBlock(o int) (group, first, count int)
	// InBlocks is the range of input blocks that a group's filters read.
	InBlocks(group int) (from, to int)
	// Terms lists the weight polynomial of block i for the first filter of a
	// group: exponents below N, and indices into the filter.
	Terms(group, i int) (exponent, index []int32)
	// FilterStep is the distance in exponents between two filters of a block.
	FilterStep() int
	// Upload lists the coefficients that are sent, ascending, and what each
	// holds: element e, -1 for zero, -2-e for the negative of element e.
	Upload(t, i int, src []int32) (coef, source []int32)
	UploadLen(t, i int) int
	ResponseLen(t, m int) int
	// Response lists useful coefficients and the output elements they are, in lists that it is given.
	Response(t, m int, coef, elem []int32) ([]int32, []int32)
}

// Op is one linear operator as this package sees it. All of it is public.
type Op struct {
	Map             Map
	NumIn, NumOut   int
	InBits, OutBits int // shares come in Z_2^InBits and leave in Z_2^OutBits
	FilterLen       int // weights a filter

	Keys               int // tiles that share a uniform half
	Low, Merge, Digits int // folding: see fold.go
	UploadBits         int
	C0Bits, C1Bits     int

	ClientInput bool   // the server's share of the input is zero
	Offset      uint64 // added to every output by the server
}

// sets is the number of groups of tiles that share a uniform half.
func (o *Op) sets() int { return (o.Map.Tiles() + o.Keys - 1) / o.Keys }

// tilesOf is the range of tiles in a set.
func (o *Op) tilesOf(set int) (from, to int) {
	return set * o.Keys, min((set+1)*o.Keys, o.Map.Tiles())
}

// validate checks what a session relies on; spec is what the session has keys for.
func (o *Op) validate(spec wire.LinearKeys, inputs int) error {
	if o.Map == nil || inputs != o.NumIn {
		return fmt.Errorf("he: operator with %d inputs got %d", o.NumIn, inputs)
	}
	if o.InBits < 1 || o.InBits > 62 || o.OutBits < 1 || o.OutBits > 62 {
		return fmt.Errorf("he: rings of %d and %d bits", o.InBits, o.OutBits)
	}
	if err := wire.CheckCoefficients(o.UploadBits, o.C0Bits, o.C1Bits, o.OutBits); err != nil {
		return fmt.Errorf("he: %w", err)
	}
	if o.Keys < 1 || min(o.Keys, o.Map.Tiles()) > spec.Secrets {
		return fmt.Errorf("he: operator uses %d secrets, the session has %d", o.Keys, spec.Secrets)
	}
	if err := wire.CheckFolding(o.Low, o.Merge, o.Digits); err != nil {
		return fmt.Errorf("he: %w", err)
	}
	for level := o.Low - o.Merge + 1; level <= o.Low; level++ {
		if !slices.Contains(spec.Levels[o.Digits], level) {
			return fmt.Errorf("he: the session has no switching key for level %d with %d digits", level, o.Digits)
		}
	}
	return nil
}

// Term is one operator of a sum and what a party brings to it.
type Term struct {
	Op   *Op
	Turn *Turn
	In   []uint64 // this party's share of the input

	Weights, Bias []int64 // the server's
}

// validateTerms checks operators whose results are added up, and this party's own
// addend.
func validateTerms(terms []Term, own []uint64, spec wire.LinearKeys) error {
	if len(terms) == 0 {
		return errors.New("he: a sum of no operators")
	}
	first := terms[0].Op
	for _, t := range terms {
		if err := t.Op.validate(spec, len(t.In)); err != nil {
			return err
		}
		if t.Op.NumOut != first.NumOut || t.Op.InBits != first.InBits || t.Op.OutBits != first.OutBits || t.Op.Offset != first.Offset {
			return errors.New("he: a sum of operators of different results")
		}
	}
	if own != nil && len(own) != first.NumOut {
		return fmt.Errorf("he: an addend of %d elements to %d results", len(own), first.NumOut)
	}
	return nil
}
