package backend

import (
	"fmt"
	"math"
	"slices"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// Head is what the client brings and computes itself: what stands in a plan in front
// of the network. Inputs have no slots yet.
type Head struct {
	Inputs []plan.Input
	Ops    []plan.HeadOp
	From   []int // number of the value that each input of the network is
}

// Eval gives the network's inputs of the client's.
func (h *Head) Eval(inputs [][]float32) ([][]float32, error) {
	p := plan.Plan{Inputs: h.Inputs, Head: h.Ops}
	for _, x := range h.From {
		p.Feeds = append(p.Feeds, plan.Feed{Value: x})
	}
	return p.EvalHead(inputs)
}

// Rows is for every input of the client's how many rows its numbers choose from; 0: it is
// no index.
func (h *Head) Rows() (rows []int) {
	p := plan.Plan{Inputs: h.Inputs, Head: h.Ops}
	for i := range h.Inputs {
		rows = append(rows, p.Indices(i))
	}
	return rows
}

// LowerHead describes a head: a real graph whose outputs are the network's inputs.
func LowerHead(g *ir.Graph) (*Head, error) {
	l := &headLowering{h: new(Head), number: map[*ir.Value]int{}}
	for i, v := range g.Inputs {
		l.number[v] = i
		l.h.Inputs = append(l.h.Inputs, plan.Input{Name: v.Name, Shape: slices.Clone(v.Type.Shape), Slot: plan.HeadOnly})
	}
	for _, v := range g.Values {
		if v.Op == ir.OpInput {
			continue
		}
		if err := l.value(v); err != nil {
			return nil, fmt.Errorf("backend: node %q (%s): the client cannot compute it: %w", v.Name, v.Op, err)
		}
	}
	for _, o := range g.Outputs {
		l.h.From = append(l.h.From, l.number[o])
	}
	return l.h, nil
}

type headLowering struct {
	h      *Head
	number map[*ir.Value]int
}

// add appends an op and gives its number.
func (l *headLowering) add(v *ir.Value, op plan.HeadOp, in ...int) {
	op.Node, op.In, op.Shape = v.Name, in, append([]int{}, v.Type.Shape...)
	l.h.Ops = append(l.h.Ops, op)
	l.number[v] = len(l.h.Inputs) + len(l.h.Ops) - 1
}

func (l *headLowering) value(v *ir.Value) error {
	in := make([]int, len(v.Args))
	for i, a := range v.Args {
		in[i] = l.number[a]
	}
	op := plan.HeadOp{Op: string(v.Op)}
	switch a := v.Attrs.(type) {
	case *ir.ConstAttrs:
		op.Data = slices.Clone(ir.Floats(a.Real))
	case *ir.FuncAttrs:
		op.Name, op.Alpha, op.Beta = a.Name, a.Alpha, a.Beta
	case *ir.ClipAttrs:
		op.Alpha, op.Beta = max(a.Min, -math.MaxFloat32), min(a.Max, math.MaxFloat32)
	case *ir.PReluAttrs:
		op = plan.HeadOp{Op: "func", Name: "leaky_relu", Alpha: float64(ir.Floats(v.Args[1].Attrs.(*ir.ConstAttrs).Real)[0])}
		in = in[:1]
	case *ir.ReduceAttrs:
		op.Axes = slices.Clone(a.Axes)
	case *ir.OneHotAttrs:
		op.Strict, op.FromEnd = a.Strict, a.FromEnd
	case *ir.ReshapeAttrs:
	case *ir.AxisAttrs:
		if v.Op == ir.OpConcat {
			op = plan.HeadOp{Op: "copy", Regions: concatRegions(v)}
			break
		}
		op.Axes = []int{a.Axis}
	case *ir.TransposeAttrs, *ir.SliceAttrs, *ir.GatherAttrs, *ir.ExpandAttrs, *ir.PadAttrs:
		return l.places(v, in)
	default:
		var ok bool
		if op, ok = plainHeadOp(v.Op); !ok {
			return fmt.Errorf("no such operator of a client")
		}
	}
	l.add(v, op, in...)
	return nil
}

// plainHeadOp is the client's form of an operator whose attributes do not matter.
func plainHeadOp(op ir.Op) (plan.HeadOp, bool) {
	switch op {
	case ir.OpLookup:
		return plan.HeadOp{Op: string(op)}, true
	case ir.OpNeg:
		return plan.HeadOp{Op: "func", Name: "affine", Alpha: -1}, true
	case ir.OpAbs, ir.OpRelu:
		return plan.HeadOp{Op: "func", Name: string(op)}, true
	case ir.OpAdd, ir.OpSub, ir.OpMul, ir.OpDiv, ir.OpMax, ir.OpMin:
		return plan.HeadOp{Op: string(op)}, true
	}
	return plan.HeadOp{}, false
}

// places lowers an index map.
func (l *headLowering) places(v *ir.Value, in []int) error {
	r, err := regions(v)
	if err != nil {
		return err
	}
	op := plan.HeadOp{Op: "copy", Regions: compacted(r)}
	if a, ok := v.Attrs.(*ir.PadAttrs); ok && a.Mode == ir.PadConstant {
		op.Alpha = min(max(a.Value, -math.MaxFloat32), math.MaxFloat32)
	}
	l.add(v, op, in...)
	return nil
}

func compacted(all []plan.Region) []plan.Region {
	for i := range all {
		all[i] = all[i].Compact()
	}
	return all
}
