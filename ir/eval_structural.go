package ir

import (
	"slices"

	"secc.example/secc/ir/num"
)

// strides of a row-major shape.
func stridesOf(shape []int) []int {
	s := make([]int, len(shape))
	n := 1
	for d := len(shape) - 1; d >= 0; d-- {
		s[d] = n
		n *= shape[d]
	}
	return s
}

// outside marks an index that lies in padding.
const outside = -1

// IndexMap describes an index operator (transpose, slice, pad, gather, expand)
// dimension by dimension: element (i0, i1, ...) of the result is the argument's
// element number m[0][i0] + m[1][i1] + ..., or padding if any of them is -1.
func (v *Value) IndexMap() ([][]int, bool) {
	x := v.Args[0].Type.Shape
	st := stridesOf(x)
	m := make([][]int, len(v.Type.Shape))
	for d, n := range v.Type.Shape {
		m[d] = make([]int, n)
		for i := range n {
			m[d][i] = v.sourceOf(d, i, x, st)
			if m[d][i] == unmapped {
				return nil, false
			}
		}
	}
	return m, true
}

const unmapped = -2

// sourceOf is what coordinate i of dimension d contributes to the source index.
func (v *Value) sourceOf(d, i int, x, st []int) int {
	switch a := v.Attrs.(type) {
	case *TransposeAttrs:
		return i * st[a.Perm[d]]
	case *SliceAttrs:
		return (a.Start[d] + i*a.Step[d]) * st[d]
	case *GatherAttrs:
		if d == a.Axis {
			i = a.Index[i]
		}
		return i * st[d]
	case *ExpandAttrs:
		e := d - (len(a.Shape) - len(x))
		if e < 0 || x[e] == 1 {
			return 0
		}
		return i * st[e]
	case *PadAttrs:
		if i = padSource(a.Mode, i-a.Before[d], x[d]); i == outside {
			return outside
		}
		return i * st[d]
	}
	return unmapped
}

// padSource finds the element that stands at position i around a dimension of n.
func padSource(mode PadMode, i, n int) int {
	if i >= 0 && i < n {
		return i
	}
	switch mode {
	case PadEdge:
		return max(0, min(i, n-1))
	case PadReflect:
		if i < 0 {
			return -i
		}
		return 2*(n-1) - i
	case PadWrap:
		return ((i % n) + n) % n
	}
	return outside
}

// gatherMap computes an index operator.
func gatherMap[T any](out, in []T, m [][]int, fill T) {
	if len(m) == 0 {
		out[0] = in[0]
		return
	}
	d := len(m) - 1
	parts := stretches(m[d])
	if len(parts) > 1+len(m[d])/4 {
		gatherRows(out, in, m[:d], 0, fill, func(out []T, base int) {
			for i, o := range m[d] {
				if o == outside {
					out[i] = fill
				} else {
					out[i] = in[base+o]
				}
			}
		}, len(m[d]))
		return
	}
	gatherRows(out, in, m[:d], 0, fill, func(out []T, base int) {
		for _, p := range parts {
			if p.from != outside {
				copy(out[p.lo:p.hi], in[base+p.from:])
				continue
			}
			for i := p.lo; i < p.hi; i++ {
				out[i] = fill
			}
		}
	}, len(m[d]))
}

// stretch is a part [lo, hi) of a row that lies together in the source, or in
// padding.
type stretch struct{ lo, hi, from int }

func stretches(m []int) (parts []stretch) {
	for i, o := range m {
		if last := len(parts) - 1; last >= 0 {
			p := &parts[last]
			if o == outside && p.from == outside || o != outside && p.from != outside && o == p.from+i-p.lo {
				p.hi = i + 1
				continue
			}
		}
		parts = append(parts, stretch{i, i + 1, o})
	}
	return parts
}

// gatherRows walks the outer dimensions; row writes one innermost row.
func gatherRows[T any](out, in []T, m [][]int, base int, fill T, row func([]T, int), width int) {
	if len(m) == 0 {
		row(out[:width], base)
		return
	}
	n := len(out) / len(m[0])
	for i, o := range m[0] {
		part := out[i*n:][:n]
		if o != outside {
			gatherRows(part, in, m[1:], base+o, fill, row, width)
			continue
		}
		for j := range part {
			part[j] = fill
		}
	}
}

// evalStructural computes every structural operator; fill is a pad's value.
func evalStructural[T any](v *Value, in [][]T, out []T, fill T) {
	switch v.Op {
	case OpReshape:
		copy(out, in[0])
	case OpConcat:
		concat(v, in, out)
	default:
		m, ok := v.IndexMap()
		if !ok {
			panic("BUG: ir: no index map for " + string(v.Op))
		}
		gatherMap(out, in[0], m, fill)
	}
}

func concat[T any](v *Value, in [][]T, out []T) {
	d := v.Attrs.(*AxisAttrs).Axis
	outer, inner := Numel(v.Type.Shape[:d]), Numel(v.Type.Shape[d+1:])
	row, at := v.Type.Shape[d]*inner, 0
	for i, x := range in {
		n := v.Args[i].Type.Shape[d] * inner
		for o := range outer {
			copy(out[o*row+at:][:n], x[o*n:])
		}
		at += n
	}
}

// broadcastTo spreads x over a larger shape.
func broadcastTo[T any](out []T, shape []int, x []T, from []int) {
	v := Value{Op: OpExpand, Type: Type{Shape: shape}, Attrs: &ExpandAttrs{shape}, Args: []*Value{{Type: Type{Shape: from}}}}
	m, _ := v.IndexMap()
	var none T
	gatherMap(out, x, m, none)
}

// elementwise applies f to two broadcast operands.
func elementwise[T num.Number](v *Value, in [][]T, out []T, f func(a, b T) T) {
	a := spread(v.Type.Shape, in[0], v.Args[0].Type.Shape)
	b := spread(v.Type.Shape, in[1], v.Args[1].Type.Shape)
	for i := range out {
		out[i] = f(a[i], b[i])
	}
}

// sum adds sign times the second of two broadcast operands to the first. A
// number for each channel need not be spread out.
func sum[T num.Number](v *Value, in [][]T, out []T, sign T) {
	shape := v.Type.Shape
	if slices.Equal(shape, v.Args[0].Type.Shape) && perChannel(shape, v.Args[1].Type.Shape) {
		inner := Numel(shape[2:])
		for at := 0; at < len(out); at += inner {
			y := sign * in[1][at/inner%shape[1]]
			row := out[at : at+inner]
			for i, x := range in[0][at : at+inner] {
				row[i] = x + y
			}
		}
		return
	}
	a, b := spread(shape, in[0], v.Args[0].Type.Shape), spread(shape, in[1], v.Args[1].Type.Shape)
	a, b = a[:len(out)], b[:len(out)]
	if sign == 1 {
		for i, x := range a {
			out[i] = x + b[i]
		}
		return
	}
	for i, x := range a {
		out[i] = x - b[i]
	}
}

// perChannel reports a shape that broadcasts along all dimensions but the second.
func perChannel(shape, from []int) bool {
	return len(shape) >= 2 && len(from) == len(shape) && from[1] == shape[1] && Numel(from) == from[1]
}

// spread is broadcastTo that keeps what has the shape already.
func spread[T any](shape []int, x []T, from []int) []T {
	if slices.Equal(shape, from) {
		return x
	}
	out := make([]T, Numel(shape))
	broadcastTo(out, shape, x, from)
	return out
}
