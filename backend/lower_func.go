package backend

import (
	"fmt"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// pieceCounts are the sizes of spline that are tried in turn.
var pieceCounts = [...]int{64, 128, plan.MaxPieces}

// A spline is good enough within goodError ulps; beyond worstError the network
// is refused rather than computed wrongly.
const goodError, worstError = 4, 32

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
		x = l.emitAs(v, v.Type.Shape, ir.Elem{Bits: wide, Frac: in.Frac}, plan.Step{Proto: plan.ProtoExtend, Extend: e}, x)
	}
	return l.emit(v, plan.Step{Proto: plan.ProtoMul, Mul: &plan.Mul{Shift: shift}}, x, x), true
}

// function lowers an elementwise function to a spline between the two formats.
func (l *lowering) function(v *ir.Value, a *ir.FuncAttrs, x plan.Slot) (plan.Slot, error) {
	f, ok := a.Func()
	if !ok {
		return 0, fmt.Errorf("no function %q", a.Name)
	}
	if a.Name == "square" || a.Name == "pow" && a.Alpha == 2 {
		if y, ok := l.square(v, x); ok {
			return y, nil
		}
	}
	in, out := v.Args[0].Type.Elem, v.Type.Elem
	var best *plan.Spline
	for _, pieces := range pieceCounts {
		s, err := plan.FitSpline(f, plan.SlotType{Bits: in.Bits, Frac: in.Frac}, plan.SlotType{Bits: out.Bits, Frac: out.Frac}, pieces)
		if err != nil {
			return 0, err
		}
		if best == nil || s.Error < best.Error {
			best = s
		}
		if best.Error <= goodError {
			break
		}
	}
	if best.Error > worstError {
		return 0, fmt.Errorf("%s from %v to %v: %d pieces leave an error of %.0f ulp", a.Name, in, out, len(best.Slope), best.Error)
	}
	return l.emit(v, plan.Step{Proto: plan.ProtoFunc, Func: &plan.Func{Name: a.Name, Alpha: a.Alpha, Beta: a.Beta, Spline: best}}, x), nil
}
