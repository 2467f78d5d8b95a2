package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/cmd/secc/internal/evaluate"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
	"secc.example/secc/runtime"
)

// measureSpeed tells how fast this machine is, beside the one that predictions
// are made for: it runs a network of convolutions and one of relus, both parties in
// this process, and compares the processor time with the prediction.
func measureSpeed(ctx context.Context) (choose.Speed, error) {
	one := choose.Speed{Linear: 1, Nonlinear: 1}
	if process.CPUSeconds() == 0 {
		return one, nil // this system does not tell processor time
	}
	var took [3]float64
	var probes [3]*probe
	for i, build := range []func(*ir.Graph) error{
		func(g *ir.Graph) error { return chain(g, []int{1, 16, 8, 8}, 1, 16, true) }, // what a session takes however small it is
		func(g *ir.Graph) error { return chain(g, []int{1, 64, 56, 56}, 4, 1, false) },
		func(g *ir.Graph) error { return chain(g, []int{1, 16, 112, 112}, 2, 16, true) },
	} {
		var err error
		if probes[i], err = newProbe(build); err != nil {
			return one, err
		}
		if took[i], err = probes[i].run(ctx); err != nil {
			return one, err
		}
	}
	// What the larger two take beyond the first is a sum of both kinds of work: two equations.
	beyond := func(i int) (seconds, linear, nonlinear float64) {
		return took[i] - took[0], probes[i].linear - probes[0].linear, probes[i].nonlinear - probes[0].nonlinear
	}
	a, al, an := beyond(1)
	b, bl, bn := beyond(2)
	det := al*bn - bl*an
	s := choose.Speed{Linear: (a*bn - b*an) / det / referenceLinear, Nonlinear: (b*al - a*bl) / det / referenceNonlinear}
	if !(s.Linear > 0.05 && s.Nonlinear > 0.05 && s.Linear < 1000 && s.Nonlinear < 1000) {
		return one, fmt.Errorf("this machine's speed: %g s and %g s do not fit together", a, b)
	}
	return s, nil
}

// What these networks take on the reference machine (2 cores of a Zen 5 EPYC, idle)
// in units of the kernels' prices: small operators take more than large ones.
const (
	referenceLinear    = 1.55
	referenceNonlinear = 0.93
)

// chain is n convolutions in a row, with relus behind them or not.
func chain(g *ir.Graph, shape []int, n, groups int, relus bool) error {
	x, err := g.Input("x", shape)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, 2)) // a fixed network; nothing here is secret
	channels, k := shape[1], 3
	if groups > 1 {
		k = 1
	}
	for i := range n {
		name := fmt.Sprint("conv", i)
		w := make([]float32, channels*channels/groups*k*k)
		size := float32(math.Sqrt(12 / float64(k*k*channels/groups))) // outputs as large as inputs
		for j := range w {
			w[j] = (r.Float32() - 0.5) * size
		}
		c, err := g.Const(name+".w", ir.NewReal([]int{channels, channels / groups, k, k}, w))
		if err != nil {
			return err
		}
		pads := []int{k / 2, k / 2}
		a := &ir.ConvAttrs{Group: groups, Strides: []int{1, 1}, Dilations: []int{1, 1}, PadsBegin: pads, PadsEnd: pads}
		if x, err = g.New(ir.OpConv, name, a, x, c); err != nil {
			return err
		}
		if !relus {
			continue
		}
		if x, err = g.New(ir.OpRelu, fmt.Sprint("relu", i), &ir.CompareAttrs{}, x); err != nil {
			return err
		}
	}
	g.Outputs = []*ir.Value{x}
	return nil
}

// probe is a small network and the processor time it is predicted to take.
type probe struct {
	*evaluate.Subject
	in                []*num.Tensor
	linear, nonlinear float64
}

func newProbe(build func(*ir.Graph) error) (*probe, error) {
	g := &ir.Graph{Name: "probe"}
	if err := build(g); err != nil {
		return nil, err
	}
	shape := g.Values[0].Type.Shape
	x := make([]float32, ir.Numel(shape))
	for i := range x {
		x[i] = rand.Float32() - 0.5
	}
	in := []*num.Tensor{ir.NewReal(shape, x)}
	pr, err := choose.ParseProfile("loopback")
	if err != nil {
		return nil, err
	}
	made, err := passes.Compile(g, passes.Options{Calibration: [][]*num.Tensor{in}, Profile: pr})
	if err != nil {
		return nil, err
	}
	r, err := made.Plan.Cost()
	if err != nil {
		return nil, err
	}
	p := &probe{in: in}
	p.linear, p.nonlinear = pr.Compute(r)
	p.Subject, err = evaluate.Of(made)
	return p, err
}

// probeRuns: the first also warms caches and memory; the fastest counts.
const probeRuns = 3

func (p *probe) run(ctx context.Context) (seconds float64, err error) {
	for i := range probeRuns {
		before := process.CPUSeconds()
		if _, err := p.Secure(ctx, p.in, [2]func(plan.Slot, runtime.Vec){}); err != nil {
			return 0, fmt.Errorf("measuring this machine: %w", err)
		}
		if t := process.CPUSeconds() - before; i == 0 || t < seconds {
			seconds = t
		}
	}
	return seconds, nil
}
