package passes

import (
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// constfold computes what depends on constants only.
func constfold(g *ir.Graph, _ *Config) error {
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		if len(v.Args) == 0 {
			return nil, nil
		}
		args := make([]*num.Tensor, len(v.Args))
		holder := ir.Public
		for i, a := range v.Args {
			if !ir.IsConst(a) {
				return nil, nil
			}
			args[i] = a.Attrs.(*ir.ConstAttrs).Real
			if a.Type.Holder != ir.Public {
				holder = ir.Server
			}
		}
		t, err := ir.EvalValue(v, args...)
		if err != nil {
			return nil, err
		}
		if holder == ir.Public {
			return g.PublicConst(v.Name, t)
		}
		return g.Const(v.Name, t)
	})
}
