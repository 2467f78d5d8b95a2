package passes

import (
	"slices"

	"secc.example/secc/ir"
)

// Products gives the real graph as the front end made it, but with every product
// by a constant as a convolution: what baselines and surveys read shapes from.
// Nothing is folded or moved yet.
func Products(g *ir.Graph) (*ir.Graph, error) {
	real, _ := g.Clone()
	early := []string{"constfold", "simplify", "decompose", "linear"}
	var first []Pass
	for _, p := range Pipeline() {
		if slices.Contains(early, p.Name) {
			first = append(first, p)
		}
	}
	return real, Run(real, first, NewConfig(Options{}))
}
