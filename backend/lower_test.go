package backend

import (
	"slices"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// Every structural operator's regions copy what its definition says.
func TestRegionsFollowDefinitions(t *testing.T) {
	shape := []int{2, 3, 4}
	for _, c := range []struct {
		op    ir.Op
		attrs any
	}{
		{ir.OpTranspose, &ir.TransposeAttrs{Perm: []int{2, 0, 1}}},
		{ir.OpSlice, &ir.SliceAttrs{Start: []int{1, 2, 0}, Step: []int{1, -1, 2}, Size: []int{1, 3, 2}}},
		{ir.OpGather, &ir.GatherAttrs{Axis: 1, Index: []int{2, 0, 0, 1, 2}}},
		{ir.OpExpand, &ir.ExpandAttrs{Shape: []int{5, 2, 3, 4}}},
		{ir.OpPad, &ir.PadAttrs{Before: []int{0, 1, 2}, After: []int{1, 0, 1}}},
		{ir.OpPad, &ir.PadAttrs{Before: []int{0, 1, 2}, After: []int{1, 2, 3}, Mode: ir.PadReflect}},
		{ir.OpPad, &ir.PadAttrs{Before: []int{1, 1, 2}, After: []int{1, 0, 1}, Mode: ir.PadEdge}},
		{ir.OpPad, &ir.PadAttrs{Before: []int{0, 1, 2}, After: []int{1, 0, 3}, Mode: ir.PadWrap}},
	} {
		g := &ir.Graph{}
		x, err := g.Input("x", shape)
		if err != nil {
			t.Fatal(err)
		}
		v, err := g.New(c.op, "v", c.attrs, x)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]float32, 24)
		for i := range data {
			data[i] = float32(i + 1)
		}
		want, err := ir.EvalValue(v, ir.NewReal(shape, data))
		if err != nil {
			t.Fatal(err)
		}
		rs, err := regions(v)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, v.Type.N())
		for _, r := range rs {
			apply(r.Compact(), got, data)
		}
		if !slices.Equal(got, ir.Floats(want)) {
			t.Errorf("%s %+v: %v, want %v", c.op, c.attrs, got, ir.Floats(want))
		}
	}
}

// apply copies one region element by element.
func apply(r plan.Region, dst, src []float32) {
	for i := range ir.Numel(r.Dims) {
		dst[r.DstOff+offset(i, r.Dims, r.DstStride)] = src[r.SrcOff+offset(i, r.Dims, r.SrcStride)]
	}
}

// A constant is described by its channels where it lies in one block, else written out.
func TestSpreadFollowsBroadcast(t *testing.T) {
	to := []int{2, 3, 4, 5}
	for _, from := range [][]int{{}, {3, 1, 1}, {1, 3, 4, 1}, {5}, {2, 1, 1, 5}, {2, 3, 4, 5}, {1, 1, 4, 1}} {
		c := make([]int64, ir.Numel(from))
		for i := range c {
			c[i] = int64(i + 1)
		}
		s, data := spreadOf(c, from, to)
		strides := broadcastStrides(from, to)
		for i := range ir.Numel(to) {
			if got, want := data[s.At(i)], c[offset(i, to, strides)]; got != want {
				t.Fatalf("shape %v: element %d is %d, want %d (spread %+v)", from, i, got, want, s)
			}
		}
	}
}

// Rounds are as many as the longest chain of interactive steps; a step that is long
// stands beside what is long, if it may.
func TestScheduleIsDepth(t *testing.T) {
	step := func(p plan.Proto, out plan.Slot, in ...plan.Slot) plan.Step {
		return plan.Step{Proto: p, In: in, Out: []plan.Slot{out}}
	}
	steps := []plan.Step{
		step(plan.ProtoInput, 0),
		step(plan.ProtoLinearRLWE, 1, 0),
		step(plan.ProtoRelu, 2, 1),
		step(plan.ProtoLinearRLWE, 3, 0), // beside the first
		step(plan.ProtoRelu, 4, 3),       // beside the first relu
		step(plan.ProtoMaxPool, 5, 0),    // long: beside the relus, not the products
		step(plan.ProtoLinearRLWE, 6, 5),
		step(plan.ProtoLinearRLWE, 7, 2),
		step(plan.ProtoCopy, 8, 7, 4, 6),
		step(plan.ProtoReveal, 9, 8),
	}
	length := map[plan.Proto]int{plan.ProtoLinearRLWE: 2, plan.ProtoRelu: 6, plan.ProtoMaxPool: 24, plan.ProtoReveal: 1}
	rounds := schedule(steps, func(s *plan.Step) int { return length[s.Proto] })
	var got [][]plan.Slot
	for _, r := range rounds {
		var outs []plan.Slot
		for _, s := range r {
			outs = append(outs, s.Out...)
		}
		got = append(got, outs)
	}
	want := [][]plan.Slot{{0, 1, 3}, {2, 4, 5}, {6, 7}, {8, 9}}
	if !slices.EqualFunc(got, want, slices.Equal[[]plan.Slot]) {
		t.Errorf("rounds %v, want %v", got, want)
	}
}
