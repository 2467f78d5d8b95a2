package main

import (
	"math"
	"slices"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/secc/internal/evaluate"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// The simulation draws its rounding errors and its wrong signs from the
// distribution of the real protocol: otherwise accuracy measured with it would
// promise nothing. Both forms run a network whose signs leave out low bits, and
// every linear operator and every relu is judged by its own arguments.
func TestSimulationErrsLikeTheProtocol(t *testing.T) {
	n := loadNetwork(t, "resnet20_cifar10", compileFlags{target: "cost", maxDrop: "5%"})
	in := []*num.Tensor{ir.NewReal(n.want.Shape, n.cases[0])}
	simulated := traceOf(t, n.Fixed, simulatedValues(t, n.Fixed, in))
	secure := traceOf(t, n.Fixed, secureValuesOf(t, n, in))

	s, r := summarise(simulated.rounding), summarise(secure.rounding)
	t.Logf("rounding errors in ulp, simulated: %+v", s)
	t.Logf("rounding errors in ulp, secure:    %+v", r)
	for form, x := range map[string]moments{"simulated": s, "secure": r} {
		if limit := 5 * x.sd / math.Sqrt(float64(x.n)); math.Abs(x.mean) > limit {
			t.Errorf("%s: mean error %.5f ulp, at most %.5f may be by chance", form, x.mean, limit)
		}
		if x.largest > 1.5 {
			t.Errorf("%s: error of %.3f ulp", form, x.largest)
		}
	}
	if math.Abs(s.sd-r.sd) > 0.01 {
		t.Errorf("deviation %.4f ulp simulated, %.4f secure", s.sd, r.sd)
	}
	d := apart(simulated.rounding, secure.rounding)
	t.Logf("the distributions are %.4f apart", d)
	if d > 0.01 {
		t.Errorf("the distributions of rounding errors are %.4f apart", d)
	}
	for form, x := range map[string]trace{"simulated": simulated, "secure": secure} {
		x.signs.check(t, form)
	}
}

// trace is what one form of a run did wrong, and when.
type trace struct {
	rounding []float64 // errors of linear operators in ulp
	signs    signs
}

// signs counts small values whose sign came out negative, and how many should:
// x < 2^d does with probability (2^d-1-x)/2^d.
type signs struct {
	near, wrong        int
	expected, variance float64
	elsewhere          int // wrong signs that the protocol does not permit
}

func (s signs) check(t *testing.T, form string) {
	t.Helper()
	t.Logf("%s: %d of %d values near zero taken for negative, %.1f expected (deviation %.1f)", form, s.wrong, s.near, s.expected, math.Sqrt(s.variance))
	if s.elsewhere > 0 {
		t.Errorf("%s: %d wrong signs away from zero", form, s.elsewhere)
	}
	if s.near < 1000 || s.wrong == 0 {
		t.Errorf("%s: only %d values near zero: the test says nothing", form, s.near)
	}
	if z := (float64(s.wrong) - s.expected) / math.Sqrt(s.variance); math.Abs(z) > 5 {
		t.Errorf("%s: %d of %d values near zero taken for negative, %.1f expected: %.1f deviations off", form, s.wrong, s.near, s.expected, z)
	}
}

// simulatedValues are the integers of every value of a simulated run.
func simulatedValues(t *testing.T, g *ir.Graph, in []*num.Tensor) map[*ir.Value][]int64 {
	t.Helper()
	all := map[*ir.Value][]int64{}
	_, err := ir.Simulate(g, in, ir.SimOptions{Rounding: ir.Stochastic, Seed: 3, Observe: func(v *ir.Value, x *ir.FixedTensor) { all[v] = slices.Clone(x.Ints) }})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// secureValuesOf are the same of a secure run: the sums of both shares.
func secureValuesOf(t *testing.T, n *network, in []*num.Tensor) map[*ir.Value][]int64 {
	t.Helper()
	s, err := evaluate.Of(n.Result)
	if err != nil {
		t.Fatal(err)
	}
	slots, _, err := s.SecureSlots(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	steps := map[evaluate.Operator][][]int64{}
	for _, step := range n.Plan.Steps() {
		if x := slots[step.Out[0]]; x != nil && step.Proto != plan.ProtoReveal {
			k := evaluate.Operator{Op: step.Op, Name: step.Name}
			steps[k] = append(steps[k], x)
		}
	}
	all := map[*ir.Value][]int64{}
	for _, v := range n.Fixed.Values {
		k := evaluate.Operator{Op: string(v.Op), Name: v.Name}
		if ir.IsConst(v) {
			all[v] = v.Attrs.(*ir.ConstAttrs).Ints
		} else if len(steps[k]) > 0 {
			all[v], steps[k] = steps[k][0], steps[k][1:]
		}
	}
	return all
}

// traceOf judges every convolution and every relu of a run.
func traceOf(t *testing.T, g *ir.Graph, values map[*ir.Value][]int64) (all trace) {
	t.Helper()
	for _, v := range g.Values {
		if len(v.Args) == 0 || v.Args[0].Type.Holder != ir.Shared || values[v] == nil || values[v.Args[0]] == nil {
			continue
		}
		switch v.Op {
		case ir.OpConv:
			all.rounding = append(all.rounding, roundingErrors(t, v, values)...)
		case ir.OpRelu:
			all.signs.count(v, values[v.Args[0]], values[v])
		}
	}
	return all
}

// roundingErrors are a convolution's results less its accumulators, in ulp of the result.
func roundingErrors(t *testing.T, v *ir.Value, values map[*ir.Value][]int64) []float64 {
	t.Helper()
	g := new(ir.Graph)
	x := v.Args[0].Type
	in, err := g.FixedInput("x", x.Shape, x.Elem)
	if err != nil {
		t.Fatal(err)
	}
	args := []*ir.Value{in}
	for _, c := range v.Args[1:] {
		k, err := g.FixedConst(c.Name, c.Type.Shape, c.Type.Elem, values[c], c.Type.Holder)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, k)
	}
	a := *v.Attrs.(*ir.ConvAttrs)
	shift := a.Shift
	a.Shift = 0
	acc, err := g.New(ir.OpConv, v.Name, &a, args...)
	if err != nil {
		t.Fatal(err)
	}
	g.Outputs = []*ir.Value{acc}
	real := make([]float32, len(values[v.Args[0]]))
	for i, y := range values[v.Args[0]] {
		real[i] = float32(x.Elem.Real(y))
	}
	errs := make([]float64, v.Type.N())
	_, err = ir.Simulate(g, []*num.Tensor{ir.NewReal(x.Shape, real)}, ir.SimOptions{Observe: func(u *ir.Value, sum *ir.FixedTensor) {
		if u == acc {
			for i, y := range sum.Ints {
				errs[i] = float64(values[v][i]) - math.Ldexp(float64(y), -shift)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return errs
}

func (s *signs) count(v *ir.Value, x, y []int64) {
	d := int64(1) << v.Attrs.(*ir.CompareAttrs).Lo
	for i, x := range x {
		wrong := y[i] != max(x, 0)
		switch {
		case x > 0 && x < d: // of x = 0 one cannot tell
			p := float64(d-1-x) / float64(d)
			s.near, s.expected, s.variance = s.near+1, s.expected+p, s.variance+p*(1-p)
			if wrong {
				s.wrong++
			}
		case wrong:
			s.elsewhere++
		}
	}
}

// moments describe a sample.
type moments struct {
	n                 int
	mean, sd, largest float64
}

func summarise(x []float64) (s moments) {
	s.n = len(x)
	for _, e := range x {
		s.mean += e / float64(s.n)
		s.largest = max(s.largest, math.Abs(e))
	}
	for _, e := range x {
		s.sd += (e - s.mean) * (e - s.mean) / float64(s.n)
	}
	s.sd = math.Sqrt(s.sd)
	return s
}

// apart is the Kolmogorov-Smirnov distance of two samples.
func apart(a, b []float64) (d float64) {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		x := min(a[i], b[j])
		for i < len(a) && a[i] == x {
			i++
		}
		for j < len(b) && b[j] == x {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return d
}
