package passes

import (
	"fmt"

	"secc/backend"
	"secc/backend/plan"
	"secc/ir"
)

// Result is a compiled network.
type Result struct {
	Plan     *plan.Plan
	Weights  backend.Weights // with the graph, for the simulator
	Fixed    *ir.Graph       // what the plan computes: the simulator runs it
	Overflow float64         // probability that an inference leaves its formats, estimated from the calibration
	Warnings []string
	X        *XReport // what X-operators stand in for
}

// Compile takes a network from the front end to a plan. The graph is not changed.
func Compile(g *ir.Graph, o Options) (*Result, error) {
	if o.Profile.Bandwidth == 0 {
		o.Profile, _ = backend.ParseProfile("lan")
	}
	names := g.OutputNames
	g, x, err := XOperators(g, o)
	if err != nil {
		return nil, err
	}
	fixed, cfg, err := formatted(g, o)
	if err != nil {
		return nil, err
	}
	if err := revealWinners(fixed, cfg); err != nil {
		return nil, err
	}
	p, w, err := backend.Lower(fixed, backend.Options{Profile: o.Profile, Reveal: o.Reveal, Outputs: names, Labels: o.Labels, Preprocess: o.Preprocess})
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	return &Result{p, backend.AttachGraph(w, fixed), fixed, cfg.overflow, cfg.Warnings, x}, nil
}

// Rewrite gives the real graph as it is when formats are chosen: what every
// value of the fixed graph would be without rounding.
func Rewrite(g *ir.Graph, o Options) (*ir.Graph, error) {
	real, _ := g.Clone()
	var rewriting []Pass
	for _, p := range Pipeline() {
		if p.Makes == ir.Real {
			rewriting = append(rewriting, p)
		}
	}
	return real, Run(real, rewriting, NewConfig(o))
}
