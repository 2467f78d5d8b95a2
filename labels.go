package secc

import (
	"slices"

	"secc.example/secc/ir"
)

// checkLabels refuses labels that cannot be those of any output, before the work
// is done; the plan counts them exactly.
func checkLabels(g *ir.Graph, labels []string) error {
	if len(labels) == 0 {
		return nil
	}
	var shapes [][]int
	for _, v := range g.Outputs {
		shapes = append(shapes, v.Type.Shape)
		for ; len(v.Args) > 0; v = v.Args[0] { // an index is one of so many
			if v.Op == ir.OpArgMax {
				shapes = append(shapes, v.Args[0].Type.Shape)
			}
		}
	}
	for _, s := range shapes {
		if slices.Contains(s, len(labels)) || ir.Numel(s) == len(labels) {
			return nil
		}
	}
	return badOption("labels", "gives %d names, the outputs have shapes %v", len(labels), shapes)
}
