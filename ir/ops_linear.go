package ir

import (
	"fmt"
	"slices"
)

// LinearAttrs belongs to every product. In the real phase it is zero. In fixed
// point the accumulator, in the ring of the argument, is divided by 2^Shift with
// rounding (exact or stochastic) and the result lies in Shift fewer bits.
type LinearAttrs struct {
	Shift int
	Exact bool
}

// ConvAttrs describes a convolution over NC followed by 1, 2 or 3 spatial
// dimensions. Weights are [M, C/Group, K...], for a transposed convolution
// [C, M/Group, K...]. Slices may be nil: strides and dilations of one, no pads.
// OutputPads only for the transposed one.
type ConvAttrs struct {
	Group                         int // 0: one
	Strides, Dilations            []int
	PadsBegin, PadsEnd, OutputPad []int
	Tile                          int // real phase: to be computed by Winograd's algorithm, this many results a tile and axis; 0: directly
	LinearAttrs
}

// OfDigits reports a product by the digits of weights: it is exact and stays in its
// accumulator, until the products of all digits are added up and truncated.
func (a *ConvAttrs) OfDigits() bool { return a.Exact && a.Shift == 0 }

// PoolAttrs describes windows over NC followed by 1, 2 or 3 spatial dimensions.
// What lies outside is absent for a maximum and zero for a sum. With Ceil the
// number of windows is rounded up, but every window starts inside the input or
// the padding before it. An average divides by the number of elements inside
// the input or, with CountIncludePad, inside the input and its pads.
type PoolAttrs struct {
	Kernel, Strides, Dilations []int
	PadsBegin, PadsEnd         []int
	Ceil                       bool
	CountIncludePad            bool // avg_pool only
	CompareAttrs                    // max_pool only
}

// ReduceAttrs reduces over Axes (nil: all of them), keeping them as dimensions
// of one with Keep. Argmax takes one axis; of equal elements it names the first,
// or with Last the last. With K > 1 it names the K largest in falling order along
// that axis, which stays (equal ones in any order).
type ReduceAttrs struct {
	Axes []int
	Keep bool
	Last bool // argmax only
	K    int  // argmax only; 0 and 1 are the same
	CompareAttrs
}

func linearOps() map[Op]Info {
	return map[Op]Info{
		OpConv:          {2, 3, newAttrs[ConvAttrs], Protocol, inferConv, realConv, fixedConv},
		OpConvTranspose: {2, 3, newAttrs[ConvAttrs], Protocol, inferConvTranspose, realConv, fixedConv},
		OpMatMul:        {2, 3, newAttrs[LinearAttrs], Protocol, inferMatMul, realMatMul, fixedMatMul},
		OpBatchNorm:     {3, 3, newAttrs[LinearAttrs], Protocol, inferBatchNorm, realBatchNorm, fixedBatchNorm},
		OpMul:           {2, 2, newAttrs[LinearAttrs], Protocol, inferMul, realMul, fixedMul},
		OpAdd:           {2, 2, nil, Local, inferSame, realAdd, fixedAdd},
		OpSub:           {2, 2, nil, Local, inferSame, realSub, fixedSub},
		OpNeg:           {1, 1, nil, Local, inferSame, realNeg, fixedNeg},
		OpSum:           {1, 1, newAttrs[ReduceAttrs], Local, inferReduce, realSum, fixedSum},
		OpSumPool:       {1, 1, newAttrs[PoolAttrs], Local, inferPool, realSumPool, fixedSumPool},
		OpAvgPool:       {1, 1, newAttrs[PoolAttrs], Protocol, inferRealPool, realAvgPool, nil},
	}
}

// inferSame is for elementwise operators: one format, broadcast shapes.
func inferSame(v *Value) (Type, error) {
	t := Type{Elem: v.Args[0].Type.Elem, Shape: slices.Clone(v.Args[0].Type.Shape)}
	for _, a := range v.Args[1:] {
		if a.Type.Elem != t.Elem {
			return Type{}, fmt.Errorf("formats differ: %v and %v", t.Elem, a.Type.Elem)
		}
		shape, err := Broadcast(t.Shape, a.Type.Shape)
		if err != nil {
			return Type{}, err
		}
		t.Shape = shape
	}
	return t, nil
}

// product is the format of a product of x and w after its shift; a bias must
// have the format of the accumulator. Where the second factor is a constant its
// integers are what counts, not its ring; two shared factors share one ring.
func product(v *Value, a LinearAttrs, bias int) (Elem, error) {
	x, w := v.Args[0], v.Args[1]
	if IsConst(x) && !IsConst(w) {
		x, w = w, x
	}
	for _, y := range v.Args {
		if y.Type.Elem.IsReal() != x.Type.Elem.IsReal() {
			return Elem{}, errMixed
		}
	}
	if x.Type.Elem.IsReal() {
		if a != (LinearAttrs{}) {
			return Elem{}, fmt.Errorf("a shift of real numbers")
		}
		return Elem{}, nil
	}
	l, f := x.Type.Elem.Bits, x.Type.Elem.Frac+w.Type.Elem.Frac
	if !IsConst(w) && w.Type.Elem.Bits != l {
		return Elem{}, fmt.Errorf("factors lie in rings of %d and %d bits", l, w.Type.Elem.Bits)
	}
	if a.Shift < 0 || a.Shift >= l {
		return Elem{}, fmt.Errorf("shift of %d in a ring of %d bits", a.Shift, l)
	}
	if acc := (Elem{l, f}); len(v.Args) > bias && v.Args[bias].Type.Elem != acc {
		return Elem{}, fmt.Errorf("bias has format %v, the accumulator %v", v.Args[bias].Type.Elem, acc)
	}
	return Elem{l - a.Shift, f - a.Shift}, nil
}

// IsConst reports whether a value is a constant.
func IsConst(v *Value) bool { return v.Op == OpConst }

func inferMul(v *Value) (Type, error) {
	e, err := product(v, *v.Attrs.(*LinearAttrs), 2)
	if err != nil {
		return Type{}, err
	}
	shape, err := Broadcast(v.Args[0].Type.Shape, v.Args[1].Type.Shape)
	return Type{Elem: e, Shape: shape}, err
}

func inferBatchNorm(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*LinearAttrs)
	if len(x.Shape) < 2 {
		return Type{}, fmt.Errorf("argument has shape %v, want a channel dimension", x.Shape)
	}
	for i, c := range v.Args[1:] {
		if !slices.Equal(c.Type.Shape, []int{x.Shape[1]}) {
			return Type{}, fmt.Errorf("argument %d has shape %v, want [%d]", i+1, c.Type.Shape, x.Shape[1])
		}
	}
	e, err := product(v, *a, 2)
	return Type{Elem: e, Shape: slices.Clone(x.Shape)}, err
}

// inferMatMul follows numpy.matmul; the bias, if any, broadcasts to the result.
func inferMatMul(v *Value) (Type, error) {
	e, err := product(v, *v.Attrs.(*LinearAttrs), 2)
	if err != nil {
		return Type{}, err
	}
	shape, err := matMulShape(v.Args[0].Type.Shape, v.Args[1].Type.Shape)
	if err != nil {
		return Type{}, err
	}
	if len(v.Args) == 3 {
		if s, err := Broadcast(shape, v.Args[2].Type.Shape); err != nil || !slices.Equal(s, shape) {
			return Type{}, fmt.Errorf("bias of shape %v for a product of shape %v", v.Args[2].Type.Shape, shape)
		}
	}
	return Type{Elem: e, Shape: shape}, nil
}

func matMulShape(a, b []int) ([]int, error) {
	if len(a) == 0 || len(b) == 0 {
		return nil, fmt.Errorf("matrix product of a scalar")
	}
	p, q := a, b
	if len(a) == 1 {
		p = []int{1, a[0]}
	}
	if len(b) == 1 {
		q = []int{b[0], 1}
	}
	if p[len(p)-1] != q[len(q)-2] {
		return nil, fmt.Errorf("inner dimensions differ: %v and %v", a, b)
	}
	out, err := Broadcast(p[:len(p)-2], q[:len(q)-2])
	if err != nil {
		return nil, err
	}
	if len(a) > 1 {
		out = append(out, p[len(p)-2])
	}
	if len(b) > 1 {
		out = append(out, q[len(q)-1])
	}
	return out, nil
}

// fill sets what was left out and checks lengths and signs.
func (a *ConvAttrs) fill(n int) error {
	if a.Group == 0 {
		a.Group = 1
	}
	if a.Group < 1 {
		return fmt.Errorf("%d groups", a.Group)
	}
	if err := fillSpatial(n, &a.Strides, &a.Dilations, &a.PadsBegin, &a.PadsEnd); err != nil {
		return err
	}
	if a.OutputPad == nil {
		a.OutputPad = filled(n, 0)
	}
	for d, p := range a.OutputPad {
		if len(a.OutputPad) != n || p < 0 || p >= max(a.Strides[d], a.Dilations[d]) {
			return fmt.Errorf("output padding %v", a.OutputPad)
		}
	}
	return nil
}

func fillSpatial(n int, strides, dilations, before, after *[]int) error {
	for _, f := range []struct {
		s        *[]int
		what     string
		low, def int
	}{
		{strides, "strides", 1, 1}, {dilations, "dilations", 1, 1},
		{before, "pads", 0, 0}, {after, "pads", 0, 0},
	} {
		if *f.s == nil {
			*f.s = filled(n, f.def)
		}
		if len(*f.s) != n {
			return fmt.Errorf("%s %v for %d spatial dimensions", f.what, *f.s, n)
		}
		for _, x := range *f.s {
			if x < f.low || x > MaxElems {
				return fmt.Errorf("%s %v", f.what, *f.s)
			}
		}
	}
	return nil
}

// convArgs checks ranks, and that a bias has one element a filter.
func convArgs(v *Value) (x, w []int, a *ConvAttrs, err error) {
	x, w, a = v.Args[0].Type.Shape, v.Args[1].Type.Shape, v.Attrs.(*ConvAttrs)
	n := len(x) - 2
	if n < 1 || n > 3 || len(w) != len(x) {
		return nil, nil, nil, fmt.Errorf("input %v and weights %v, want N,C and 1 to 3 spatial dimensions", x, w)
	}
	return x, w, a, a.fill(n)
}

func checkBias(v *Value, filters int) error {
	if len(v.Args) == 3 && !slices.Equal(v.Args[2].Type.Shape, []int{filters}) {
		return fmt.Errorf("bias of shape %v for %d filters", v.Args[2].Type.Shape, filters)
	}
	return nil
}

func inferConv(v *Value) (Type, error) {
	x, w, a, err := convArgs(v)
	if err != nil {
		return Type{}, err
	}
	if x[1] != w[1]*a.Group || w[0]%a.Group != 0 {
		return Type{}, fmt.Errorf("input %v and weights %v in %d groups", x, w, a.Group)
	}
	if a.Tile < 0 || a.Tile > maxTile || a.Tile > 0 && a.LinearAttrs != (LinearAttrs{}) {
		return Type{}, fmt.Errorf("tiles of %d results", a.Tile)
	}
	if slices.Max(a.OutputPad) > 0 {
		return Type{}, fmt.Errorf("output padding on a plain convolution")
	}
	if err := checkBias(v, w[0]); err != nil {
		return Type{}, err
	}
	shape := []int{x[0], w[0]}
	for d, in := range x[2:] {
		out, err := windows(in, w[d+2], a.Strides[d], a.Dilations[d], a.PadsBegin[d], a.PadsEnd[d], false)
		if err != nil {
			return Type{}, fmt.Errorf("spatial dimension %d: %w", d, err)
		}
		shape = append(shape, out)
	}
	e, err := product(v, a.LinearAttrs, 2)
	return Type{Elem: e, Shape: shape}, err
}

// windows counts the positions of a kernel along one dimension.
func windows(in, kernel, stride, dilation, before, after int, ceil bool) (int, error) {
	span := (kernel-1)*dilation + 1
	room := in + before + after - span
	if kernel < 1 || room < 0 {
		return 0, fmt.Errorf("kernel %d (dilation %d) over %d elements with pads %d and %d", kernel, dilation, in, before, after)
	}
	n := room/stride + 1
	if ceil && room%stride != 0 && n*stride < in+before {
		n++
	}
	return n, nil
}

func inferConvTranspose(v *Value) (Type, error) {
	x, w, a, err := convArgs(v)
	if err != nil {
		return Type{}, err
	}
	if x[1] != w[0] || x[1]%a.Group != 0 {
		return Type{}, fmt.Errorf("input %v and weights %v in %d groups", x, w, a.Group)
	}
	if err := checkBias(v, w[1]*a.Group); err != nil {
		return Type{}, err
	}
	shape := []int{x[0], w[1] * a.Group}
	for d, in := range x[2:] {
		n := (in-1)*a.Strides[d] + (w[d+2]-1)*a.Dilations[d] + 1 + a.OutputPad[d] - a.PadsBegin[d] - a.PadsEnd[d]
		shape = append(shape, n)
	}
	e, err := product(v, a.LinearAttrs, 2)
	return Type{Elem: e, Shape: shape}, err
}

func inferPool(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*PoolAttrs)
	n := len(x.Shape) - 2
	if n < 1 || n > 3 || len(a.Kernel) != n {
		return Type{}, fmt.Errorf("kernel %v over shape %v", a.Kernel, x.Shape)
	}
	if err := fillSpatial(n, &a.Strides, &a.Dilations, &a.PadsBegin, &a.PadsEnd); err != nil {
		return Type{}, err
	}
	if err := a.CompareAttrs.check(x.Elem); err != nil {
		return Type{}, err
	}
	shape := slices.Clone(x.Shape[:2])
	for d, in := range x.Shape[2:] {
		if k := a.Kernel[d]; k < 1 || k > MaxElems {
			return Type{}, fmt.Errorf("kernel %v", a.Kernel)
		}
		out, err := windows(in, a.Kernel[d], a.Strides[d], a.Dilations[d], a.PadsBegin[d], a.PadsEnd[d], a.Ceil)
		if err != nil {
			return Type{}, fmt.Errorf("spatial dimension %d: %w", d, err)
		}
		shape = append(shape, out)
	}
	for _, l := range poolLines(x.Shape[2:], a, shape[2:]) {
		if v.Op == OpMaxPool && !l.NeverEmpty() {
			return Type{}, fmt.Errorf("pads %v and %v make windows of the kernel %v that hold nothing", a.PadsBegin, a.PadsEnd, a.Kernel)
		}
	}
	return Type{Elem: x.Elem, Shape: shape}, nil
}

// inferRealPool is for averages, which have no fixed-point form of their own:
// a pass makes them a sum and moves the division into weights.
func inferRealPool(v *Value) (Type, error) {
	if !v.Args[0].Type.Elem.IsReal() {
		return Type{}, errNoFixed
	}
	return inferPool(v)
}

func inferReduce(v *Value) (Type, error) {
	x, a := v.Args[0].Type, v.Attrs.(*ReduceAttrs)
	if err := a.fill(len(x.Shape)); err != nil {
		return Type{}, err
	}
	if err := a.CompareAttrs.check(x.Elem); err != nil {
		return Type{}, err
	}
	shape := []int{}
	for d, n := range x.Shape {
		switch {
		case !slices.Contains(a.Axes, d):
			shape = append(shape, n)
		case a.Keep:
			shape = append(shape, 1)
		}
	}
	return Type{Elem: x.Elem, Shape: shape}, nil
}

// fill resolves negative axes and sorts; a nil list means all.
func (a *ReduceAttrs) fill(rank int) error {
	if a.Axes == nil {
		a.Axes = make([]int, rank)
		for d := range a.Axes {
			a.Axes[d] = d
		}
	}
	axes := make([]int, len(a.Axes))
	for i, x := range a.Axes {
		d, err := axis(x, rank)
		if err != nil {
			return err
		}
		axes[i] = d
	}
	slices.Sort(axes)
	if len(slices.Compact(slices.Clone(axes))) != len(axes) {
		return fmt.Errorf("axes %v name one twice", a.Axes)
	}
	a.Axes = axes
	return nil
}
