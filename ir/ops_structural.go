package ir

import (
	"errors"
	"fmt"
	"slices"
)

// ReshapeAttrs gives the new shape, completely (no -1, no 0).
type ReshapeAttrs struct{ Shape []int }

// TransposeAttrs: dimension i of the result is dimension Perm[i] of the argument.
type TransposeAttrs struct{ Perm []int }

// AxisAttrs names one axis; negative counts from the end.
type AxisAttrs struct{ Axis int }

// SliceAttrs: element i of the result along dimension d is element
// Start[d] + i*Step[d] of the argument; Size is the shape of the result.
// Step may be negative.
type SliceAttrs struct{ Start, Step, Size []int }

// PadMode says what stands in padding.
type PadMode string

const (
	PadConstant PadMode = "" // Value
	PadReflect  PadMode = "reflect"
	PadEdge     PadMode = "edge"
	PadWrap     PadMode = "wrap"
)

// PadAttrs adds Before[d] and After[d] (>= 0) elements around dimension d.
type PadAttrs struct {
	Before, After []int
	Value         float64
	Mode          PadMode
}

// GatherAttrs: out[..i..] = in[..Index[i]..] along Axis; Index is not negative.
type GatherAttrs struct {
	Axis  int
	Index []int
}

// ExpandAttrs broadcasts (numpy rules) to Shape exactly.
type ExpandAttrs struct{ Shape []int }

// OneHotAttrs: Depth numbers stand for an element, all 0 but a 1 at the one whose number
// the element is, if there is one. FromEnd says that negative elements count from the
// end; Strict, that an element without a number is an error in the input, which the
// client finds.
type OneHotAttrs struct {
	Depth           int
	FromEnd, Strict bool
}

func structuralOps() map[Op]Info {
	return map[Op]Info{
		OpInput:     {Class: Leaf, Attrs: newAttrs[InputAttrs]},
		OpConst:     {Class: Leaf, Attrs: newAttrs[ConstAttrs]},
		OpReshape:   {1, 1, newAttrs[ReshapeAttrs], Local, inferReshape, realStructural, fixedStructural},
		OpTranspose: {1, 1, newAttrs[TransposeAttrs], Local, inferTranspose, realStructural, fixedStructural},
		OpConcat:    {1, -1, newAttrs[AxisAttrs], Local, inferConcat, realStructural, fixedStructural},
		OpSlice:     {1, 1, newAttrs[SliceAttrs], Local, inferSlice, realStructural, fixedStructural},
		OpPad:       {1, 1, newAttrs[PadAttrs], Local, inferPad, realStructural, fixedStructural},
		OpGather:    {1, 1, newAttrs[GatherAttrs], Local, inferGather, realStructural, fixedStructural},
		OpExpand:    {1, 1, newAttrs[ExpandAttrs], Local, inferExpand, realStructural, fixedStructural},
	}
}

func newAttrs[T any]() any { return new(T) }

func inferReshape(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*ReshapeAttrs)
	if err := checkShape(a.Shape); err != nil {
		return Type{}, err
	}
	if Numel(a.Shape) != x.N() {
		return Type{}, fmt.Errorf("cannot reshape %v to %v", x.Shape, a.Shape)
	}
	return Type{Elem: x.Elem, Shape: slices.Clone(a.Shape)}, nil
}

func inferTranspose(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*TransposeAttrs)
	if !isPerm(a.Perm, len(x.Shape)) {
		return Type{}, fmt.Errorf("%v is not a permutation of %d dimensions", a.Perm, len(x.Shape))
	}
	shape := make([]int, len(a.Perm))
	for i, p := range a.Perm {
		shape[i] = x.Shape[p]
	}
	return Type{Elem: x.Elem, Shape: shape}, nil
}

func isPerm(p []int, n int) bool {
	s := slices.Sorted(slices.Values(p))
	for i, d := range s {
		if d != i {
			return false
		}
	}
	return len(s) == n
}

// axis resolves a possibly negative axis.
func axis(a, rank int) (int, error) {
	if a < -rank || a >= rank {
		return 0, fmt.Errorf("axis %d of a tensor with %d dimensions", a, rank)
	}
	if a < 0 {
		a += rank
	}
	return a, nil
}

func inferConcat(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*AxisAttrs)
	d, err := axis(a.Axis, len(x.Shape))
	if err != nil {
		return Type{}, err
	}
	a.Axis = d
	shape := slices.Clone(x.Shape)
	for _, y := range v.Args[1:] {
		if y.Type.Elem != x.Elem {
			return Type{}, fmt.Errorf("formats differ: %v and %v", x.Elem, y.Type.Elem)
		}
		if len(y.Type.Shape) != len(shape) {
			return Type{}, fmt.Errorf("ranks differ: %v and %v", x.Shape, y.Type.Shape)
		}
		for i, n := range y.Type.Shape {
			if i != d && n != shape[i] {
				return Type{}, fmt.Errorf("shapes differ beside axis %d: %v and %v", d, x.Shape, y.Type.Shape)
			}
		}
		shape[d] += y.Type.Shape[d]
	}
	return Type{Elem: x.Elem, Shape: shape}, nil
}

func inferSlice(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*SliceAttrs)
	n := len(x.Shape)
	if a.Step == nil {
		a.Step = filled(n, 1)
	}
	if len(a.Start) != n || len(a.Step) != n || len(a.Size) != n {
		return Type{}, fmt.Errorf("start %v, step %v, size %v of a tensor with %d dimensions", a.Start, a.Step, a.Size, n)
	}
	if err := checkShape(a.Size); err != nil {
		return Type{}, err
	}
	for d, dim := range x.Shape {
		if a.Step[d] == 0 || a.Step[d] > MaxElems || a.Step[d] < -MaxElems {
			return Type{}, fmt.Errorf("step %d along dimension %d", a.Step[d], d)
		}
		last := a.Start[d] + (a.Size[d]-1)*a.Step[d]
		if a.Start[d] < 0 || a.Start[d] >= dim || last < 0 || last >= dim {
			return Type{}, fmt.Errorf("dimension %d: elements %d to %d of %d", d, a.Start[d], last, dim)
		}
	}
	return Type{Elem: x.Elem, Shape: slices.Clone(a.Size)}, nil
}

func inferPad(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*PadAttrs)
	n := len(x.Shape)
	if len(a.Before) != n || len(a.After) != n {
		return Type{}, fmt.Errorf("pads %v and %v for %d dimensions", a.Before, a.After, n)
	}
	shape := make([]int, n)
	for d, dim := range x.Shape {
		b, e := a.Before[d], a.After[d]
		if b < 0 || e < 0 || b > MaxElems || e > MaxElems {
			return Type{}, fmt.Errorf("pads %d and %d along dimension %d", b, e, d)
		}
		if limit := padLimit(a.Mode, dim); limit >= 0 && max(b, e) > limit {
			return Type{}, fmt.Errorf("%s padding of %d along a dimension of %d", a.Mode, max(b, e), dim)
		}
		shape[d] = b + dim + e
	}
	switch a.Mode {
	case PadConstant, PadReflect, PadEdge, PadWrap:
		return Type{Elem: x.Elem, Shape: shape}, nil
	}
	return Type{}, fmt.Errorf("padding mode %q", string(a.Mode))
}

// padLimit is how far a mode can pad a dimension, or -1.
func padLimit(m PadMode, dim int) int {
	if m == PadReflect {
		return dim - 1
	}
	return -1
}

func inferGather(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*GatherAttrs)
	d, err := axis(a.Axis, len(x.Shape))
	if err != nil {
		return Type{}, err
	}
	a.Axis = d
	for _, i := range a.Index {
		if i < 0 || i >= x.Shape[d] {
			return Type{}, fmt.Errorf("index %d along a dimension of %d", i, x.Shape[d])
		}
	}
	shape := slices.Clone(x.Shape)
	shape[d] = len(a.Index)
	return Type{Elem: x.Elem, Shape: shape}, nil
}

func inferOneHot(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*OneHotAttrs)
	if !x.Elem.IsReal() {
		return Type{}, errNoFixed
	}
	shape := append(slices.Clone(x.Shape), a.Depth)
	return Type{Elem: x.Elem, Shape: shape}, checkShape(shape)
}

func inferLookup(v *Value) (Type, error) {
	x, table := v.Args[0].Type, v.Args[1].Type
	if !x.Elem.IsReal() {
		return Type{}, errNoFixed
	}
	if !IsConst(v.Args[1]) || len(table.Shape) == 0 {
		return Type{}, errors.New("the table must be a constant with rows")
	}
	shape := slices.Concat(x.Shape, table.Shape[1:])
	return Type{Elem: x.Elem, Shape: shape}, checkShape(shape)
}

func inferExpand(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*ExpandAttrs)
	shape, err := Broadcast(x.Shape, a.Shape)
	if err != nil {
		return Type{}, err
	}
	if !slices.Equal(shape, a.Shape) {
		return Type{}, fmt.Errorf("cannot broadcast %v to %v", x.Shape, a.Shape)
	}
	return Type{Elem: x.Elem, Shape: shape}, nil
}

// Broadcast gives the common shape of two tensors under numpy's rules.
func Broadcast(a, b []int) ([]int, error) {
	n := max(len(a), len(b))
	out := make([]int, n)
	for i := range out {
		p, q := dimFromEnd(a, n-i), dimFromEnd(b, n-i)
		switch {
		case p == q || q == 1:
			out[i] = p
		case p == 1:
			out[i] = q
		default:
			return nil, fmt.Errorf("shapes %v and %v do not broadcast", a, b)
		}
	}
	return out, nil
}

func dimFromEnd(s []int, back int) int {
	if back > len(s) {
		return 1
	}
	return s[len(s)-back]
}

func filled(n, x int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = x
	}
	return s
}

var errMixed = errors.New("real and fixed-point arguments together")
