package backend

import (
	"fmt"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// square lowers x*x to a product, which is exact and cheaper than a spline, if
// the formats allow it: the product has twice x's fraction bits.
func (l *lowering) square(v *ir.Value, x plan.Slot) (plan.Slot, bool) {
	in, out := v.Args[0].Type.Elem, v.Type.Elem
	shift := 2*in.Frac - out.Frac
	wide := out.Bits + shift
	if shift < 0 || wide > 62 || wide < in.Bits {
		return 0, false
	}
	if wide > in.Bits {
		e := &plan.Extend{From: in.Bits, To: wide}
		x = l.emitAs(v, v.Type.Shape, ir.Elem{Bits: wide, Frac: in.Frac}, plan.Step{Proto: plan.ProtoExtend, Attrs: e}, x)
	}
	return l.emit(v, plan.Step{Proto: plan.ProtoMul, Attrs: &plan.Mul{Shift: shift}}, x, x), true
}

// function lowers an elementwise function to lines between the two formats.
func (l *lowering) function(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	a := v.Attrs.(*ir.FuncAttrs)
	f, ok := a.Fixed()
	if !ok {
		return 0, fmt.Errorf("no function %q", a.Name)
	}
	if a.Name == "square" || a.Name == "pow" && a.Alpha == 2 {
		if y, ok := l.square(v, x); ok {
			return y, nil
		}
	}
	key := fitted{*a, v.Args[0].Type.Elem, v.Type.Elem, v.Type.N()}
	best, ok := l.fitted[key]
	if !ok {
		var err error
		if best, err = l.options.Profile.FitFunc(f, format(key.in), format(key.out), key.n); err != nil {
			return 0, fmt.Errorf("%s: %w", a.Name, err)
		}
		l.fitted[key] = best
	}
	best.Name, best.Alpha, best.Beta = a.Name, a.Alpha, a.Beta
	return l.emit(v, plan.Step{Proto: plan.ProtoFunc, Attrs: &best}, x), nil
}

// fitted is what lines depend on.
type fitted struct {
	attrs   ir.FuncAttrs
	in, out ir.Elem
	n       int
}

// format is a slot's part of an element.
func format(e ir.Elem) plan.SlotType { return plan.SlotType{Bits: e.Bits, Frac: e.Frac} }
