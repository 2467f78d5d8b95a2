package backend

import (
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// compare starts a comparison; chooseTree picks its shape.
func compare(x ir.Elem, a ir.CompareAttrs) plan.Sign {
	return plan.Sign{Bits: x.Bits, Lo: a.Lo, Hi: a.High(x)}
}

func (l *lowering) relu(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	a := &plan.Relu{Sign: compare(v.Args[0].Type.Elem, *v.Attrs.(*ir.CompareAttrs))}
	s := plan.Step{Proto: plan.ProtoRelu, Attrs: a}
	if len(v.Args) == 2 {
		s.W = l.flips(v, a)
	}
	return l.emit(v, s, x), nil
}

func (l *lowering) clip(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	e, a := v.Args[0].Type.Elem, v.Attrs.(*ir.ClipAttrs)
	clip := &plan.Clip{Sign: compare(e, a.CompareAttrs)}
	clip.Min, clip.Max, _, _ = a.Bounds(e) // a bound outside the ring is at its end: nothing reaches it
	return l.emit(v, plan.Step{Proto: plan.ProtoClip, Attrs: clip}, x), nil
}

func (l *lowering) maxPool(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	p, err := window(v)
	if err != nil {
		return 0, err
	}
	m := &plan.MaxPool{Sign: compare(v.Args[0].Type.Elem, v.Attrs.(*ir.PoolAttrs).CompareAttrs), Pool: *p}
	return l.emit(v, plan.Step{Proto: plan.ProtoMaxPool, Attrs: m}, x), nil
}

// flips adds the server's signs of a relu(g*x) that became x*[g*x >= 0].
func (l *lowering) flips(v *ir.Value, relu *plan.Relu) (weights string) {
	c := v.Args[1].Attrs.(*ir.ConstAttrs)
	bits := make([]int64, len(c.Ints))
	for i, b := range c.Ints {
		if b != 0 {
			bits[i] = 1
		}
	}
	relu.Flip = true
	relu.Spread = plan.Spread{Channels: len(bits), Inner: ir.Numel(v.Type.Shape[2:])}
	return l.keep("/flip", []int{len(bits)}, bits)
}

// prelu keeps the slopes with the server.
func (l *lowering) prelu(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	a := &plan.PRelu{Sign: compare(v.Args[0].Type.Elem, v.Attrs.(*ir.PReluAttrs).CompareAttrs), SlopeFrac: v.Args[1].Type.Elem.Frac}
	var slopes []int64
	a.Spread, slopes = spreadOf(v.Args[1].Attrs.(*ir.ConstAttrs).Ints, v.Args[1].Type.Shape, v.Type.Shape)
	w := l.keep("/slope", []int{len(slopes)}, slopes)
	return l.emit(v, plan.Step{Proto: plan.ProtoPRelu, Attrs: a, W: w}, x), nil
}

func (l *lowering) argMax(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	a := v.Attrs.(*ir.ReduceAttrs)
	shape, axis := v.Args[0].Type.Shape, a.Axes[0]
	var perm []int
	for d := range shape {
		if d != axis {
			perm = append(perm, d)
		}
	}
	x = l.permute(v, x, shape, append(perm, axis))
	top := &plan.ArgMax{Sign: compare(v.Args[0].Type.Elem, a.CompareAttrs), K: max(a.K, 1)}
	return l.emit(v, plan.Step{Proto: plan.ProtoArgMax, Attrs: top}, x), nil
}
