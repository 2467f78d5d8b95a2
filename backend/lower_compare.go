package backend

import (
	"fmt"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// compare starts a comparison; chooseTree picks its shape.
func compare(x ir.Elem, a ir.CompareAttrs) plan.Sign {
	return plan.Sign{Bits: x.Bits, Lo: a.Lo, Hi: a.High(x)}
}

// comparing lowers the operators that need signs.
func (l *lowering) comparing(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	e := v.Args[0].Type.Elem
	s := plan.Step{Proto: plan.Proto(v.Proto)}
	switch a := v.Attrs.(type) {
	case *ir.CompareAttrs:
		relu := &plan.Relu{Sign: compare(e, *a)}
		if s.Attrs = relu; v.Op == ir.OpRelu && len(v.Args) == 2 {
			s.W = l.flips(v, relu)
		}
	case *ir.PReluAttrs:
		return l.prelu(v, &plan.PRelu{Sign: compare(e, a.CompareAttrs)}, s, x)
	case *ir.ClipAttrs:
		clip := &plan.Clip{Sign: compare(e, a.CompareAttrs)}
		s.Attrs = clip
		clip.Min, clip.Max, _, _ = a.Bounds(e) // a bound outside the ring is at its end: nothing reaches it
	case *ir.PoolAttrs:
		p, err := window(v)
		if err != nil {
			return 0, err
		}
		s.Attrs = &plan.MaxPool{Sign: compare(e, a.CompareAttrs), Pool: *p}
	case *ir.ReduceAttrs:
		return l.argMax(v, a, s, x)
	default:
		return 0, fmt.Errorf("no protocol")
	}
	return l.emit(v, s, x), nil
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
func (l *lowering) prelu(v *ir.Value, a *plan.PRelu, s plan.Step, x plan.Slot) (plan.Slot, error) {
	c := v.Args[1].Attrs.(*ir.ConstAttrs)
	a.SlopeFrac = v.Args[1].Type.Elem.Frac
	var slopes []int64
	a.Spread, slopes = spreadOf(c.Ints, v.Args[1].Type.Shape, v.Type.Shape)
	s.Attrs = a
	s.W = l.keep("/slope", []int{len(slopes)}, slopes)
	return l.emit(v, s, x), nil
}

func (l *lowering) argMax(v *ir.Value, a *ir.ReduceAttrs, s plan.Step, x plan.Slot) (plan.Slot, error) {
	if v.Op != ir.OpArgMax {
		return 0, fmt.Errorf("no protocol")
	}
	shape, axis := v.Args[0].Type.Shape, a.Axes[0]
	var perm []int
	for d := range shape {
		if d != axis {
			perm = append(perm, d)
		}
	}
	x = l.permute(v, x, shape, append(perm, axis))
	s.Attrs = &plan.ArgMax{Sign: compare(v.Args[0].Type.Elem, a.CompareAttrs), K: max(a.K, 1)}
	return l.emit(v, s, x), nil
}
