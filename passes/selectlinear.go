package passes

import (
	"fmt"

	"secc.example/secc/backend"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// selectLinear says of every convolution by weights whether it runs over RLWE
// or over OT. What Winograd's transforms surround always runs over OT: only
// there it is cheaper, and its result is not rounded.
func selectLinear(g *ir.Graph, cfg *Config) error {
	var open []*ir.Value
	for _, v := range g.Values {
		switch {
		case v.Op != ir.OpConv || v.Type.Elem.IsReal():
		case cfg.Linear == LinearOT || backend.Tiled(v):
			v.Proto = string(plan.ProtoLinearOT)
		case cfg.Linear == LinearAuto:
			open = append(open, v)
		}
	}
	over, err := backend.CheaperOverOT(open, cfg.Profile, cfg.Stop)
	if err != nil {
		return fmt.Errorf("choosing between RLWE and OT: %w", err)
	}
	for i, yes := range over {
		if yes {
			open[i].Proto = string(plan.ProtoLinearOT)
		}
	}
	return nil
}
