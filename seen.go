package secc

import (
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// figures sums up the calibration inputs of a model for its clients.
func (m *Model) figures() map[string]*plan.Seen {
	all := map[string]*plan.Seen{}
	for i, in := range m.Graph.Inputs {
		s := input.Spec{Name: in.Name, Shape: in.Type.Shape}
		if i < len(m.Options.Preprocess) {
			s.Prep = m.Options.Preprocess[i]
		}
		all[in.Name] = s.Figures(nth(m.Options.Calibration, i))
	}
	return all
}

// nth gives input i of every example.
func nth(cases [][]*num.Tensor, i int) (all [][]float32) {
	for _, c := range cases {
		all = append(all, ir.Floats(c[i]))
	}
	return all
}
