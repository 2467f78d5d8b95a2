package ir

import (
	"errors"
	"fmt"
	"slices"
)

// CompareAttrs says which bits [Lo, Hi) of a fixed-point element decide its
// sign. Hi == 0 stands for all bits. Dropping high bits is right while the value
// fits: 2^Lo - 2^(Hi-1) <= x < 2^(Hi-1) (below that, the carry lost with the low
// bits may turn it positive). Dropping low bits lets the sign of 0 <= x < 2^Lo
// come out negative. In the real phase it is zero.
type CompareAttrs struct{ Lo, Hi int }

// ClipAttrs bounds a value. Infinite bounds are absent. In fixed point the
// bounds are quantised to the argument's format.
type ClipAttrs struct {
	Min, Max float64
	CompareAttrs
}

// PReluAttrs: the slope's fraction bits and the shift work as in a product; the
// positive side has slope one.
type PReluAttrs struct {
	CompareAttrs
	LinearAttrs
}

// FuncAttrs names an elementwise function (see package fn). Out is the format of the
// result in fixed point, zero in the real phase. With a Grid the argument is a
// multiple of it but for errors, and the function is taken at the nearest multiple.
type FuncAttrs struct {
	Name        string
	Alpha, Beta float64
	Grid        float64
	Out         Elem
}

// ExtendAttrs widens the ring to Bits. NonNeg promises 0 <= x < 2^(k-1);
// without it |x| < 2^(k-2) holds. A value outside wraps, as in the protocol.
type ExtendAttrs struct {
	Bits   int
	NonNeg bool
}

// BitsAttrs narrows the ring to Bits.
type BitsAttrs struct{ Bits int }

// TruncateAttrs divides by 2^Shift with rounding; the result lies in Z_2^Bits.
type TruncateAttrs struct {
	Shift, Bits int
	Exact       bool
}

// RescaleAttrs reads the same integers with Frac fraction bits.
type RescaleAttrs struct{ Frac int }

var errNoFixed = errors.New("has no fixed-point form: decompose it first")

func nonlinearOps() map[Op]Info {
	return map[Op]Info{
		OpRelu:       {1, 2, newAttrs[CompareAttrs], Protocol, inferRelu, realRelu, fixedRelu},
		OpPRelu:      {2, 2, newAttrs[PReluAttrs], Protocol, inferPRelu, realPRelu, fixedPRelu},
		OpClip:       {1, 1, newAttrs[ClipAttrs], Protocol, inferClip, realClip, fixedClip},
		OpMax:        {2, 2, newAttrs[CompareAttrs], Protocol, inferCompare, realMax, fixedMax},
		OpMin:        {2, 2, newAttrs[CompareAttrs], Protocol, inferCompare, realMin, fixedMin},
		OpAbs:        {1, 1, newAttrs[CompareAttrs], Protocol, inferCompare, realAbs, fixedAbs},
		OpMaxPool:    {1, 1, newAttrs[PoolAttrs], Protocol, inferPool, realMaxPool, fixedMaxPool},
		OpReduceMax:  {1, 1, newAttrs[ReduceAttrs], Protocol, inferReduce, realReduceMax, fixedReduceMax},
		OpArgMax:     {1, 1, newAttrs[ReduceAttrs], Protocol, inferArgMax, realArgMax, fixedArgMax},
		OpFunc:       {1, 1, newAttrs[FuncAttrs], Protocol, inferFunc, realFuncOp, fixedFunc},
		OpDiv:        {2, 2, nil, Protocol, inferReal, realDiv, nil},
		OpSoftmax:    {1, 1, newAttrs[AxisAttrs], Protocol, inferSoftmax, realSoftmax, nil},
		OpOneHot:     {1, 1, newAttrs[OneHotAttrs], Protocol, inferOneHot, realOneHot, nil},
		OpLookup:     {2, 2, nil, Protocol, inferLookup, realLookup, nil},
		OpLogSoftmax: {1, 1, newAttrs[AxisAttrs], Protocol, inferSoftmax, realSoftmax, nil},
	}
}

func fixedOps() map[Op]Info {
	return map[Op]Info{
		OpExtend:   {1, 1, newAttrs[ExtendAttrs], Local, inferExtend, nil, fixedExtend},
		OpReduce:   {1, 1, newAttrs[BitsAttrs], Local, inferNarrow, nil, fixedIdentity},
		OpRescale:  {1, 1, newAttrs[RescaleAttrs], Local, inferRescale, nil, fixedIdentity},
		OpTruncate: {1, 1, newAttrs[TruncateAttrs], Protocol, inferTruncate, nil, fixedTruncate},
		OpReveal:   {1, 1, nil, Opening, inferReveal, nil, fixedIdentity},
		OpToReal:   {1, 1, nil, Opening, inferToReal, nil, nil},
	}
}

func (a CompareAttrs) check(e Elem) error {
	if e.IsReal() {
		if a != (CompareAttrs{}) {
			return fmt.Errorf("compared bits of a real number")
		}
		return nil
	}
	hi := a.High(e)
	if a.Lo < 0 || a.Lo >= hi || hi > e.Bits {
		return fmt.Errorf("compared bits [%d,%d) of %v", a.Lo, hi, e)
	}
	return nil
}

// High is Hi, or all the bits of e where it is zero.
func (a CompareAttrs) High(e Elem) int {
	if a.Hi == 0 {
		return e.Bits
	}
	return a.Hi
}

func inferCompare(v *Value) (Type, error) {
	t, err := inferSame(v)
	if err != nil {
		return Type{}, err
	}
	return t, v.Attrs.(*CompareAttrs).check(t.Elem)
}

// inferRelu: the optional second argument is one bit a channel (axis 1): where
// it is set, x*[x < 0] is computed in place of x*[x >= 0].
func inferRelu(v *Value) (Type, error) {
	x := v.Args[0].Type
	if len(v.Args) == 2 {
		f := v.Args[1]
		if len(x.Shape) < 2 || !IsConst(f) || !slices.Equal(f.Type.Shape, []int{x.Shape[1]}) {
			return Type{}, fmt.Errorf("flips must be a constant with one element a channel of %v", x.Shape)
		}
		if f.Type.Elem.IsReal() != x.Elem.IsReal() {
			return Type{}, errMixed
		}
	}
	return Type{Elem: x.Elem, Shape: slices.Clone(x.Shape)}, v.Attrs.(*CompareAttrs).check(x.Elem)
}

func inferPRelu(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*PReluAttrs)
	e, err := product(v, a.LinearAttrs, 2)
	if err != nil {
		return Type{}, err
	}
	if v.Args[1].Type.Elem.Frac < 0 {
		return Type{}, fmt.Errorf("slope with %d fraction bits", v.Args[1].Type.Elem.Frac)
	}
	shape, err := Broadcast(x.Shape, v.Args[1].Type.Shape)
	if err != nil || !slices.Equal(shape, x.Shape) {
		return Type{}, fmt.Errorf("slope of shape %v for a tensor of shape %v", v.Args[1].Type.Shape, x.Shape)
	}
	return Type{Elem: e, Shape: shape}, a.CompareAttrs.check(x.Elem)
}

func inferClip(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*ClipAttrs)
	if a.Min != a.Min || a.Max != a.Max || a.Min > a.Max {
		return Type{}, fmt.Errorf("bounds %v and %v", a.Min, a.Max)
	}
	return Type{Elem: x.Elem, Shape: slices.Clone(x.Shape)}, a.CompareAttrs.check(x.Elem)
}

// Bounds gives the bounds in units of format e, and which of them exist: one
// that no activation reaches, |x| < 2^(Bits-2), is as good as infinite, and
// the distance to it may not fit into the ring.
func (a *ClipAttrs) Bounds(e Elem) (low, high int64, hasLow, hasHigh bool) {
	low, high = e.Quantize(a.Min), e.Quantize(a.Max)
	top := int64(1) << (e.Bits - 2)
	return low, high, low > -top, high < top-1
}

func inferArgMax(v *Value) (Type, error) {
	t, err := inferReduce(v)
	if err != nil {
		return Type{}, err
	}
	a, x := v.Attrs.(*ReduceAttrs), v.Args[0].Type
	if len(a.Axes) != 1 {
		return Type{}, fmt.Errorf("argmax over axes %v, want one", a.Axes)
	}
	n := x.Shape[a.Axes[0]]
	if !t.Elem.IsReal() && t.Elem.Bits < 62 && n > 1<<(t.Elem.Bits-1) {
		return Type{}, fmt.Errorf("an index below %d in a ring of %d bits", n, t.Elem.Bits)
	}
	if a.K < 0 || a.K > n {
		return Type{}, fmt.Errorf("the %d largest of %d", a.K, n)
	}
	if a.K > 1 {
		t.Shape = slices.Clone(x.Shape)
		t.Shape[a.Axes[0]] = a.K
	}
	t.Elem.Frac = 0
	return t, nil
}

func inferFunc(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*FuncAttrs)
	if _, ok := a.Func(); !ok {
		return Type{}, fmt.Errorf("no function %q", a.Name)
	}
	if x.Elem.IsReal() != a.Out.IsReal() {
		return Type{}, fmt.Errorf("argument is %v, result %v", x.Elem, a.Out)
	}
	return Type{Elem: a.Out, Shape: slices.Clone(x.Shape)}, nil
}

func inferReal(v *Value) (Type, error) {
	t, err := inferSame(v)
	if err == nil && !t.Elem.IsReal() {
		err = errNoFixed
	}
	return t, err
}

func inferSoftmax(v *Value) (Type, error) {
	t, err := inferReal(v)
	if err != nil {
		return Type{}, err
	}
	a := v.Attrs.(*AxisAttrs)
	a.Axis, err = axis(a.Axis, len(t.Shape))
	return t, err
}

// fixedArg is the argument's type, which must have a format.
func fixedArg(v *Value) (Type, error) {
	x := v.Args[0].Type
	if x.Elem.IsReal() {
		return Type{}, errors.New("argument has no fixed-point format")
	}
	return Type{Elem: x.Elem, Shape: slices.Clone(x.Shape), Holder: x.Holder}, nil
}

func inferExtend(v *Value) (Type, error) {
	t, err := fixedArg(v)
	bits := v.Attrs.(*ExtendAttrs).Bits
	if err == nil && bits <= t.Elem.Bits {
		err = fmt.Errorf("extension from %d to %d bits", t.Elem.Bits, bits)
	}
	t.Elem.Bits = bits
	return t, err
}

func inferNarrow(v *Value) (Type, error) {
	t, err := fixedArg(v)
	bits := v.Attrs.(*BitsAttrs).Bits
	if err == nil && (bits >= t.Elem.Bits || bits < 1) {
		err = fmt.Errorf("reduction from %d to %d bits", t.Elem.Bits, bits)
	}
	t.Elem.Bits = bits
	return t, err
}

func inferRescale(v *Value) (Type, error) {
	t, err := fixedArg(v)
	t.Elem.Frac = v.Attrs.(*RescaleAttrs).Frac
	return t, err
}

func inferTruncate(v *Value) (Type, error) {
	t, err := fixedArg(v)
	a := v.Attrs.(*TruncateAttrs)
	if err == nil && (a.Shift < 1 || a.Shift >= t.Elem.Bits || a.Bits < 1 || a.Bits > t.Elem.Bits) {
		err = fmt.Errorf("truncation of %d bits by %d to %d", t.Elem.Bits, a.Shift, a.Bits)
	}
	t.Elem = Elem{a.Bits, t.Elem.Frac - a.Shift}
	return t, err
}

func inferReveal(v *Value) (Type, error) {
	t, err := fixedArg(v)
	t.Holder = Client
	return t, err
}

func inferToReal(v *Value) (Type, error) {
	t, err := fixedArg(v)
	if err == nil && t.Holder != Client && t.Holder != Public {
		err = fmt.Errorf("a %v value is not known to the client: reveal it first", t.Holder)
	}
	t.Elem = Elem{}
	return t, err
}
