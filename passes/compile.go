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
	Weights  backend.Weights
	Fixed    *ir.Graph // what the plan computes: the simulator runs it
	Warnings []string
}

// Compile takes a network from the front end to a plan. The graph is not changed.
func Compile(g *ir.Graph, o Options) (*Result, error) {
	if o.Profile.Bandwidth == 0 {
		o.Profile, _ = backend.ParseProfile("lan")
	}
	cfg := NewConfig(o)
	fixed, _ := g.Clone()
	if err := Run(fixed, Pipeline(), cfg); err != nil {
		return nil, err
	}
	p, w, err := backend.Lower(fixed, backend.Options{Profile: o.Profile, Labels: o.Labels, Preprocess: o.Preprocess})
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	return &Result{p, w, fixed, cfg.Warnings}, nil
}
