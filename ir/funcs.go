package ir

import (
	"math"

	"secc.example/secc/ir/fn"
)

// Func gives the function that attributes name, on real numbers.
func (a *FuncAttrs) Func() (func(float64) float64, bool) {
	f, ok := fn.Lookup(a.Name)
	if !ok {
		return nil, false
	}
	if a.Grid > 0 {
		return func(x float64) float64 { return f.Of(math.Round(x/a.Grid)*a.Grid, a.Alpha, a.Beta) }, true
	}
	return func(x float64) float64 { return f.Of(x, a.Alpha, a.Beta) }, true
}

// Fixed gives the function on fixed-point arguments: as Func, but at the nearest
// argument where it is defined.
func (a *FuncAttrs) Fixed() (func(float64) float64, bool) {
	f, ok := a.Func()
	row, _ := fn.Lookup(a.Name)
	if !ok || row.Domain == nil {
		return f, ok
	}
	return func(x float64) float64 { return f(math.Min(math.Max(x, row.Domain[0]), row.Domain[1])) }, true
}
