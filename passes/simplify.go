package passes

import (
	"slices"

	"secc.example/secc/ir"
)

// simplify removes structural operators that do nothing and joins chains of
// reshapes and of transposes. torch exports a pad of zero width before every
// average pool, and whole chains around option-A shortcuts.
func simplify(g *ir.Graph, _ *Config) error {
	return each(g, func(v *ir.Value) (*ir.Value, error) {
		if idle(v) {
			return v.Args[0], nil
		}
		switch v.Op {
		case ir.OpReshape:
			if a := v.Args[0]; a.Op == ir.OpReshape {
				v.Args[0] = a.Args[0]
				if idle(v) {
					return v.Args[0], nil
				}
			}
		case ir.OpTranspose:
			if a := v.Args[0]; a.Op == ir.OpTranspose {
				return joinTransposes(g, v, a)
			}
		}
		return nil, nil
	})
}

// idle reports whether a value equals its first argument.
func idle(v *ir.Value) bool {
	if len(v.Args) == 0 || !slices.Equal(v.Type.Shape, v.Args[0].Type.Shape) {
		return false
	}
	switch a := v.Attrs.(type) {
	case *ir.ReshapeAttrs, *ir.ExpandAttrs, *ir.PadAttrs:
		return true
	case *ir.TransposeAttrs:
		return slices.IsSorted(a.Perm)
	case *ir.AxisAttrs:
		return v.Op == ir.OpConcat
	case *ir.SliceAttrs:
		return !slices.ContainsFunc(a.Start, func(s int) bool { return s != 0 })
	case *ir.GatherAttrs:
		for i, x := range a.Index {
			if x != i {
				return false
			}
		}
		return true
	case *ir.PoolAttrs:
		return v.Op != ir.OpAvgPool && allOnes(a.Kernel) && allOnes(a.Strides) && !anyPositive(a.PadsBegin) && !anyPositive(a.PadsEnd)
	}
	return false
}

func allOnes(s []int) bool { return !slices.ContainsFunc(s, func(x int) bool { return x != 1 }) }

func anyPositive(s []int) bool { return slices.ContainsFunc(s, func(x int) bool { return x > 0 }) }

func joinTransposes(g *ir.Graph, v, a *ir.Value) (*ir.Value, error) {
	p, q := v.Attrs.(*ir.TransposeAttrs).Perm, a.Attrs.(*ir.TransposeAttrs).Perm
	perm := make([]int, len(p))
	for i := range p {
		perm[i] = q[p[i]]
	}
	if slices.IsSorted(perm) {
		return a.Args[0], nil
	}
	return transpose(g, v.Name, a.Args[0], perm...)
}

func deadcode(g *ir.Graph, _ *Config) error {
	g.RemoveDead()
	return nil
}
