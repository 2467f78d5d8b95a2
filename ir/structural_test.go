package ir

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawStructural draws an index operator over a random shape, and the rule that
// says which source coordinate stands at a coordinate of the result (nil: fill).
func drawStructural(t *rapid.T) (shape []int, op Op, attrs any, rule func(c []int) []int) {
	rank := rapid.IntRange(1, 4).Draw(t, "rank")
	dims := func(lo, hi int, label string) []int {
		return rapid.SliceOfN(rapid.IntRange(lo, hi), rank, rank).Draw(t, label)
	}
	shape = dims(1, 5, "shape")
	op = rapid.SampledFrom([]Op{OpTranspose, OpSlice, OpPad, OpGather, OpExpand}).Draw(t, "op")
	switch op {
	case OpTranspose:
		perm := rapid.Permutation(upTo(rank)).Draw(t, "perm")
		return shape, op, &TransposeAttrs{perm}, func(c []int) []int {
			src := make([]int, rank)
			for i, p := range perm {
				src[p] = c[i]
			}
			return src
		}
	case OpSlice:
		return drawSlice(t, shape)
	case OpPad:
		a := &PadAttrs{Before: dims(0, 4, "before"), After: dims(0, 4, "after"), Value: 99}
		a.Mode = rapid.SampledFrom([]PadMode{PadConstant, PadReflect, PadEdge, PadWrap}).Draw(t, "mode")
		return shape, op, a, func(c []int) []int { return padRule(a, shape, c) }
	case OpGather:
		d := rapid.IntRange(0, rank-1).Draw(t, "axis")
		index := rapid.SliceOfN(rapid.IntRange(0, shape[d]-1), 1, 6).Draw(t, "index")
		return shape, op, &GatherAttrs{d - rank, index}, func(c []int) []int {
			src := slices.Clone(c)
			src[d] = index[c[d]]
			return src
		}
	}
	to := append(rapid.SliceOfN(rapid.IntRange(1, 3), 0, 2).Draw(t, "more"), shape...)
	for d := range shape {
		if shape[d] == 1 {
			to[len(to)-rank+d] = rapid.IntRange(1, 4).Draw(t, "wide")
		}
	}
	return shape, op, &ExpandAttrs{to}, func(c []int) []int {
		src := slices.Clone(c[len(c)-rank:])
		for d := range src {
			src[d] = min(src[d], shape[d]-1)
		}
		return src
	}
}

func upTo(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func drawSlice(t *rapid.T, shape []int) ([]int, Op, any, func(c []int) []int) {
	a := &SliceAttrs{}
	for _, n := range shape {
		start, step := rapid.IntRange(0, n-1).Draw(t, "start"), rapid.SampledFrom([]int{1, 2, -1, -2}).Draw(t, "step")
		room := start
		if step > 0 {
			room = n - 1 - start
		}
		size := rapid.IntRange(1, room/max(step, -step)+1).Draw(t, "size")
		a.Start, a.Step, a.Size = append(a.Start, start), append(a.Step, step), append(a.Size, size)
	}
	return shape, OpSlice, a, func(c []int) []int {
		src := make([]int, len(c))
		for d := range c {
			src[d] = a.Start[d] + c[d]*a.Step[d]
		}
		return src
	}
}

// padRule walks into the padding one step at a time, as each mode is described.
func padRule(a *PadAttrs, shape, c []int) []int {
	src := make([]int, len(c))
	for d, n := range shape {
		i := c[d] - a.Before[d]
		if (i < 0 || i >= n) && a.Mode == PadConstant {
			return nil
		}
		for i < 0 || i >= n {
			switch {
			case a.Mode == PadEdge && i < 0, a.Mode == PadWrap && i >= n && n == 1:
				i = 0
			case a.Mode == PadEdge:
				i = n - 1
			case a.Mode == PadWrap && i < 0:
				i += n
			case a.Mode == PadWrap:
				i -= n
			case i < 0: // reflect: mirror at the first, at the last element
				i = -i
			default:
				i = 2*(n-1) - i
			}
		}
		src[d] = i
	}
	return src
}

// TestStructuralDefinition holds index operators to their coordinate rules.
func TestStructuralDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape, op, attrs, rule := drawStructural(t)
		g := &Graph{}
		x, _ := g.Input("x", shape)
		v, err := g.New(op, "", attrs, x)
		if err != nil {
			if a, ok := attrs.(*PadAttrs); ok && a.Mode == PadReflect {
				t.Skip("reflection further than the tensor")
			}
			t.Fatal(err)
		}
		in := make([]float32, Numel(shape))
		ints := make([]int64, len(in))
		for i := range in {
			in[i], ints[i] = float32(i), int64(i)
		}
		got, err := evalReal(v, [][]float32{in}, fresh[float32], 1)
		if err != nil {
			t.Fatal(err)
		}
		fixed := make([]int64, v.Type.N())
		evalStructural(v, [][]int64{ints}, fixed, 99)
		coords(v.Type.Shape, func(c []int) {
			want := float32(99)
			if src := rule(c); src != nil {
				want = in[at(shape, src)]
			}
			p := at(v.Type.Shape, c)
			if got[p] != want || fixed[p] != int64(want) {
				t.Fatalf("%v\nat %v: %v and %v, want %v", v, c, got[p], fixed[p], want)
			}
		})
	})
}

func TestConcatDefinition(t *testing.T) {
	for axis := range 3 {
		g, ok := &Graph{}, must(t)
		as, bs := []int{2, 3, 4}, []int{2, 3, 4}
		bs[axis] = 5
		a, b := ok(g.Input("a", as)), ok(g.Input("b", bs))
		v := ok(g.New(OpConcat, "", &AxisAttrs{axis - 3}, a, b))
		x, y := make([]float32, Numel(as)), make([]float32, Numel(bs))
		for i := range x {
			x[i] = float32(i)
		}
		for i := range y {
			y[i] = float32(-i - 1)
		}
		got, err := evalReal(v, [][]float32{x, y}, fresh[float32], 1)
		if err != nil {
			t.Fatal(err)
		}
		coords(v.Type.Shape, func(c []int) {
			want, src := x, slices.Clone(c)
			if c[axis] >= as[axis] {
				want = y
				src[axis] -= as[axis]
			}
			s := as
			if c[axis] >= as[axis] {
				s = bs
			}
			if got[at(v.Type.Shape, c)] != want[at(s, src)] {
				t.Fatalf("axis %d at %v: %v", axis, c, got[at(v.Type.Shape, c)])
			}
		})
	}
}
