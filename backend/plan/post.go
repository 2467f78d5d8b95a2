package plan

import "secc.example/secc/ir/fn"

// Scalar gives the function that a "func" names; the client applies it to every
// element.
func (f PostOp) Scalar() (func(float64) float64, bool) {
	g, ok := fn.Lookup(f.Name)
	return func(x float64) float64 { return g.Of(x, f.Alpha, f.Beta) }, ok
}
