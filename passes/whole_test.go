package passes

import (
	"math"
	"slices"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// Floor, ceil, round and trunc are exact over any range, halves included, and
// whatever reads them; no spline is made.
func TestWholeNumbersAreExact(t *testing.T) {
	points := []float32{-900, -7.5, -2.5, -1.5, -1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 3.5, 4.25, 899.5}
	for _, name := range []string{"floor", "ceil", "round", "trunc"} {
		for _, reader := range []string{"none", "sum", "product"} {
			t.Run(name+"/"+reader, func(t *testing.T) {
				b := newBuilder(t)
				x := b.input(1, len(points))
				y := b.op(ir.OpFunc, &ir.FuncAttrs{Name: name}, x)
				switch reader {
				case "sum":
					y = b.op(ir.OpAdd, nil, y, x)
				case "product":
					y = b.op(ir.OpMul, nil, y, x)
				}
				b.g.Outputs = []*ir.Value{y}
				in := []*num.Tensor{ir.NewReal([]int{1, len(points)}, points)}
				made, err := Compile(b.g, Options{Calibration: slices.Repeat([][]*num.Tensor{in}, enoughInputs), Bits: 20, Exact: true})
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range made.Plan.Steps() {
					if s.Proto == plan.ProtoFunc {
						t.Error("a spline was made")
					}
				}
				out, err := ir.Simulate(made.Fixed, in, ir.SimOptions{Rounding: ir.Nearest})
				if err != nil {
					t.Fatal(err)
				}
				f, _ := (&ir.FuncAttrs{Name: name}).Func()
				for i, got := range out.Outputs[0].Floats() {
					p := float64(points[i])
					want := map[string]float64{"none": f(p), "sum": f(p) + p, "product": f(p) * p}[reader]
					ulp := math.Ldexp(1, -made.Fixed.Outputs[0].Args[0].Type.Elem.Frac)
					if reader == "none" && float64(got) != want || math.Abs(float64(got)-want) > ulp {
						t.Errorf("%s(%g), %s: %g, want %g", name, p, reader, got, want)
					}
				}
			})
		}
	}
}
