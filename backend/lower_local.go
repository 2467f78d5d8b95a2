package backend

import (
	"fmt"
	"math"
	"slices"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// affine lowers sums, differences and negation of equally shaped tensors;
// constants become a vector of the server's.
func (l *lowering) affine(v *ir.Value) (plan.Slot, error) {
	sign := int64(1)
	a := &plan.Affine{}
	s := plan.Step{Proto: plan.ProtoAffine, Attrs: a}
	var in []plan.Slot
	var consts []int64
	var from []int
	for i, x := range v.Args {
		if v.Op == ir.OpNeg || v.Op == ir.OpSub && i == 1 {
			sign = -1
		}
		if c, ok := x.Attrs.(*ir.ConstAttrs); ok {
			consts, from = slices.Clone(c.Ints), x.Type.Shape
			for j := range consts {
				consts[j] *= sign
			}
			continue
		}
		slot, err := l.in(x)
		if err != nil {
			return 0, err
		}
		in = append(in, l.broadcast(v, slot, x.Type, v.Type.Shape))
		a.Coef = append(a.Coef, sign)
	}
	if consts != nil {
		a.Server = true
		a.Spread, consts = spreadOf(consts, from, v.Type.Shape)
		s.W = l.keep("/b", []int{len(consts)}, consts)
	}
	return l.emit(v, s, in...), nil
}

// spreadOf describes how a constant lies over a tensor it is broadcast to. One
// whose dimensions are not contiguous is written out.
func spreadOf(c []int64, from, to []int) (plan.Spread, []int64) {
	first, last := -1, -1 // the dimensions of to along which c varies
	for d := range to {
		if e := d - (len(to) - len(from)); e >= 0 && from[e] > 1 {
			if first < 0 {
				first = d
			}
			last = d
		}
	}
	if first < 0 {
		return plan.Spread{Channels: 1, Inner: ir.Numel(to)}, c
	}
	if ir.Numel(to[first:last+1]) == len(c) {
		return plan.Spread{Channels: len(c), Inner: ir.Numel(to[last+1:])}, c
	}
	full := make([]int64, ir.Numel(to))
	strides := broadcastStrides(from, to)
	for i := range full {
		full[i] = c[offset(i, to, strides)]
	}
	return plan.Spread{Channels: len(full), Inner: 1}, full
}

// broadcastStrides are the strides of a row-major tensor when it is read as if
// it had shape to.
func broadcastStrides(from, to []int) []int {
	s := make([]int, len(to))
	stride := 1
	for e := len(from) - 1; e >= 0; e-- {
		if from[e] > 1 {
			s[e+len(to)-len(from)] = stride
		}
		stride *= from[e]
	}
	return s
}

// offset turns a row-major index over shape into an offset by strides.
func offset(i int, shape, strides []int) int {
	at := 0
	for d := len(shape) - 1; d >= 0; d-- {
		at += i % shape[d] * strides[d]
		i /= shape[d]
	}
	return at
}

func rowMajor(shape []int) []int {
	s := make([]int, len(shape))
	stride := 1
	for d := len(shape) - 1; d >= 0; d-- {
		s[d] = stride
		stride *= shape[d]
	}
	return s
}

// broadcast copies a tensor to a larger shape if it has not got it already.
func (l *lowering) broadcast(v *ir.Value, x plan.Slot, t ir.Type, to []int) plan.Slot {
	if t.N() == ir.Numel(to) {
		return x
	}
	r := plan.Region{Dims: to, SrcStride: broadcastStrides(t.Shape, to), DstStride: rowMajor(to)}
	return l.emitAs(v, to, t.Elem, plan.Step{Proto: plan.ProtoCopy, Attrs: &plan.Copy{Regions: []plan.Region{r.Compact()}}}, x)
}

// permute transposes a tensor if the permutation does anything.
func (l *lowering) permute(v *ir.Value, x plan.Slot, shape, perm []int) plan.Slot {
	if slices.IsSorted(perm) {
		return x
	}
	to, from := make([]int, len(perm)), rowMajor(shape)
	strides := make([]int, len(perm))
	for i, p := range perm {
		to[i], strides[i] = shape[p], from[p]
	}
	r := plan.Region{Dims: to, SrcStride: strides, DstStride: rowMajor(to)}
	return l.emitAs(v, to, v.Args[0].Type.Elem, plan.Step{Proto: plan.ProtoCopy, Attrs: &plan.Copy{Regions: []plan.Region{r.Compact()}}}, x)
}

// structural lowers an index map to regions of a copy.
func (l *lowering) structural(v *ir.Value) (plan.Slot, error) {
	c := &plan.Copy{}
	s := plan.Step{Proto: plan.ProtoCopy, Attrs: c}
	var in []plan.Slot
	if v.Op == ir.OpConcat {
		var err error
		if in, err = l.concat(v, c); err != nil {
			return 0, err
		}
	} else {
		x, err := l.in(v.Args[0])
		if err != nil {
			return 0, err
		}
		in = []plan.Slot{x}
		if c.Regions, err = regions(v); err != nil {
			return 0, err
		}
		if a, ok := v.Attrs.(*ir.PadAttrs); ok && a.Mode == ir.PadConstant {
			c.Fill = int64(math.Round(math.Ldexp(a.Value, v.Type.Elem.Frac)))
		}
	}
	c.Regions = compacted(c.Regions)
	return l.emit(v, s, in...), nil
}

// concatRegions lays the arguments of a concatenation side by side.
func concatRegions(v *ir.Value) (all []plan.Region) {
	axis, dst := v.Attrs.(*ir.AxisAttrs).Axis, rowMajor(v.Type.Shape)
	at := 0
	for i, a := range v.Args {
		all = append(all, plan.Region{In: i, DstOff: at * dst[axis], Dims: slices.Clone(a.Type.Shape), SrcStride: rowMajor(a.Type.Shape), DstStride: dst}.Compact())
		at += a.Type.Shape[axis]
	}
	return all
}

func (l *lowering) concat(v *ir.Value, c *plan.Copy) ([]plan.Slot, error) {
	var in []plan.Slot
	for _, a := range v.Args {
		slot, err := l.in(a)
		if err != nil {
			return nil, err
		}
		in = append(in, slot)
	}
	c.Regions = concatRegions(v)
	return in, nil
}

// regions describes the index map of a value with one argument.
func regions(v *ir.Value) ([]plan.Region, error) {
	from, to := v.Args[0].Type.Shape, v.Type.Shape
	src, dst := rowMajor(from), rowMajor(to)
	switch a := v.Attrs.(type) {
	case *ir.TransposeAttrs:
		strides := make([]int, len(a.Perm))
		for i, p := range a.Perm {
			strides[i] = src[p]
		}
		return []plan.Region{{Dims: to, SrcStride: strides, DstStride: dst}}, nil
	case *ir.ExpandAttrs:
		return []plan.Region{{Dims: to, SrcStride: broadcastStrides(from, to), DstStride: dst}}, nil
	case *ir.SliceAttrs:
		r := plan.Region{Dims: to, SrcStride: make([]int, len(to)), DstStride: dst}
		for d := range to {
			r.SrcOff += a.Start[d] * src[d]
			r.SrcStride[d] = a.Step[d] * src[d]
		}
		return []plan.Region{r}, nil
	case *ir.GatherAttrs:
		return gatherRegions(a.Index, a.Axis, from, to), nil
	case *ir.PadAttrs:
		return padRegions(a, from, to)
	}
	return nil, fmt.Errorf("no index map")
}

// gatherRegions takes one region for every run of evenly spaced indices.
func gatherRegions(index []int, axis int, from, to []int) []plan.Region {
	src, dst := rowMajor(from), rowMajor(to)
	var all []plan.Region
	for i := 0; i < len(index); {
		n, step := 1, 0
		if i+1 < len(index) {
			step = index[i+1] - index[i]
			for i+n < len(index) && index[i+n]-index[i+n-1] == step {
				n++
			}
		}
		r := plan.Region{SrcOff: index[i] * src[axis], DstOff: i * dst[axis], Dims: slices.Clone(to), SrcStride: slices.Clone(src), DstStride: dst}
		r.Dims[axis], r.SrcStride[axis] = n, step*src[axis]
		all = append(all, r)
		i += n
	}
	return all
}

// padRegions: a constant border is the background; other modes are gathers
// along each axis, joined: one region for each run in each dimension.
func padRegions(a *ir.PadAttrs, from, to []int) ([]plan.Region, error) {
	src, dst := rowMajor(from), rowMajor(to)
	if a.Mode == ir.PadConstant {
		off := 0
		for d := range to {
			off += a.Before[d] * dst[d]
		}
		return []plan.Region{{DstOff: off, Dims: slices.Clone(from), SrcStride: src, DstStride: dst}}, nil
	}
	all := []plan.Region{{}}
	for d := range to {
		index := make([]int, to[d])
		for i := range index {
			index[i] = padIndex(a.Mode, i-a.Before[d], from[d])
		}
		var next []plan.Region
		for _, r := range all {
			for _, run := range gatherRegions(index, 0, from[d:d+1], to[d:d+1]) {
				next = append(next, plan.Region{
					SrcOff: r.SrcOff + run.SrcOff*src[d], DstOff: r.DstOff + run.DstOff*dst[d],
					Dims: append(slices.Clone(r.Dims), run.Dims[0]), SrcStride: append(slices.Clone(r.SrcStride), run.SrcStride[0]*src[d]),
					DstStride: append(slices.Clone(r.DstStride), dst[d]),
				})
			}
		}
		if all = next; len(all) > 1<<16 {
			return nil, fmt.Errorf("padding takes too many pieces")
		}
	}
	return all, nil
}

// padIndex is the element that stands at position i of a padded dimension.
func padIndex(m ir.PadMode, i, n int) int {
	switch m {
	case ir.PadReflect:
		if i < 0 {
			i = -i
		}
		if i >= n {
			i = 2*(n-1) - i
		}
	case ir.PadEdge:
		i = max(0, min(i, n-1))
	case ir.PadWrap:
		i = ((i % n) + n) % n
	}
	return i
}
