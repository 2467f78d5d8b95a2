package backend

import (
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// tiles lowers Winograd's transforms.
func (l *lowering) tiles(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	a := v.Attrs.(*ir.TileAttrs)
	plain, tiled := v.Args[0].Type.Shape, v.Type.Shape
	t := &plan.Tiles{Side: a.Side, Step: a.Every, PT: a.PadsBegin[0], PL: a.PadsBegin[1]}
	if v.Op == ir.OpTileOut {
		t.Back, plain, tiled = true, tiled, plain
	}
	t.Batch, t.C, t.H, t.W, t.TH, t.TW = plain[0], plain[1], plain[2], plain[3], tiled[2], tiled[3]
	for _, e := range a.Matrix {
		t.Matrix = append(t.Matrix, int64(e))
	}
	return l.emit(v, plan.Step{Proto: plan.ProtoTiles, Attrs: t}, x), nil
}
