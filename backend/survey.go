package backend

import "secc.example/secc/ir"

// Survey is what a network consists of, as far as a secure inference cares.
type Survey struct {
	MACs        int64 `json:"macs"`
	ReLUs       int64 `json:"relus"`       // elements of relu, clip, prelu and the like
	Comparisons int64 `json:"comparisons"` // of these and of max-pools
	Parameters  int64 `json:"parameters"`  // elements of all constants
}

// SurveyOf counts a real graph. Convolutions count the multiplications by
// padding too, as everybody does.
func SurveyOf(g *ir.Graph) Survey {
	var s Survey
	uses := g.Uses()
	for _, v := range g.Values {
		if v.Op == ir.OpConst {
			s.Parameters += int64(v.Type.N())
		}
		l := layerOf(v, uses)
		if l == nil {
			continue
		}
		s.MACs += l.MACs
		if l.kind != kindCompare && l.kind != kindArgMax {
			continue
		}
		s.Comparisons += l.Elems
		switch v.Op {
		case ir.OpRelu, ir.OpPRelu, ir.OpClip:
			s.ReLUs += int64(v.Type.N())
		}
	}
	return s
}
