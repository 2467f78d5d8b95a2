package backend

import (
	"fmt"
	"sync"

	"secc.example/secc/backend/choose"
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
	best, err := l.options.Lines.fit(f, fitted{*a, v.Args[0].Type.Elem, v.Type.Elem, v.Type.N(), l.options.Profile})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", a.Name, err)
	}
	best.Name, best.Alpha, best.Beta = a.Name, a.Alpha, a.Beta
	return l.emit(v, plan.Step{Proto: plan.ProtoFunc, Attrs: &best}, x), nil
}

// fitted is what lines depend on.
type fitted struct {
	attrs   ir.FuncAttrs
	in, out ir.Elem
	n       int
	profile choose.Profile
}

// Lines keeps the lines of functions that were fitted, for operators alike and for plans of the same
// network: trials of its formats, other links.
type Lines struct {
	mu   sync.Mutex
	made map[fitted]plan.Func
}

// NewLines begins without any.
func NewLines() *Lines { return &Lines{made: map[fitted]plan.Func{}} }

func (l *Lines) fit(f func(float64) float64, key fitted) (plan.Func, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	best, ok := l.made[key]
	if ok {
		return best, nil
	}
	best, err := key.profile.FitFunc(f, format(key.in), format(key.out), key.n)
	if err == nil {
		l.made[key] = best
	}
	return best, err
}

// format is a slot's part of an element.
func format(e ir.Elem) plan.SlotType { return plan.SlotType{Bits: e.Bits, Frac: e.Frac} }
