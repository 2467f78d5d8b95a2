package passes

import (
	"slices"

	"secc.example/secc/ir"
)

// order moves relu behind max_pool and behind concat: max(relu(a), relu(b)) is
// relu(max(a, b)), and one relu on a joined tensor costs the rounds of one.
func order(g *ir.Graph, _ *Config) error {
	for {
		r := readers(g)
		changed := false
		err := each(g, func(v *ir.Value) (*ir.Value, error) {
			if changed || !allSoleRelus(r, v) {
				return nil, nil
			}
			changed = true
			args := make([]*ir.Value, len(v.Args))
			for i, a := range v.Args {
				args[i] = a.Args[0]
			}
			inner, err := g.New(v.Op, v.Name, v.Attrs, args...)
			if err != nil {
				return nil, err
			}
			return g.New(ir.OpRelu, v.Args[0].Name, nil, inner)
		})
		if err != nil || !changed {
			return err
		}
		g.RemoveDead()
	}
}

// allSoleRelus reports a max_pool or concat all of whose arguments are plain
// relus that nobody else reads.
func allSoleRelus(r map[*ir.Value][]*ir.Value, v *ir.Value) bool {
	if v.Op != ir.OpMaxPool && v.Op != ir.OpConcat {
		return false
	}
	return !slices.ContainsFunc(v.Args, func(a *ir.Value) bool {
		return a.Op != ir.OpRelu || len(a.Args) != 1 || sole(r, a) == nil
	})
}
