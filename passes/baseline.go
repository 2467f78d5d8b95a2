package passes

import (
	"slices"

	"secc/backend"
	"secc/backend/plan"
	"secc/ir"
)

// Ladder prices a network as CrypTFlow2 would run it, with each remedy of the
// literature in turn, beside the plan that ours reports. The graph is taken as
// the front end made it, but with products as convolutions.
func Ladder(g *ir.Graph, b backend.Baseline, ours *plan.Report) ([]backend.LadderStep, []backend.LayerCost, error) {
	real, _ := g.Clone()
	early := []string{"constfold", "simplify", "decompose", "linear"}
	var first []Pass
	for _, p := range Pipeline() {
		if slices.Contains(early, p.Name) {
			first = append(first, p)
		}
	}
	if err := Run(real, first, NewConfig(Options{})); err != nil {
		return nil, nil, err
	}
	steps, layers := backend.Ladder(real, b, ours)
	return steps, layers, nil
}
