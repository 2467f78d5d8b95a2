package backend

import (
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// lowers makes the steps of a value of one operator; it gives the slot of the result.
type lowers func(l *lowering, v *ir.Value) (plan.Slot, error)

// operators is the one table of what becomes steps; it is never written to.
var operators = map[ir.Op]lowers{
	ir.OpInput:  (*lowering).input,
	ir.OpReveal: of(bare(plan.ProtoReveal)),

	ir.OpAdd:       (*lowering).affine,
	ir.OpSub:       (*lowering).affine,
	ir.OpNeg:       (*lowering).affine,
	ir.OpReshape:   of(renamed),
	ir.OpRescale:   of(renamed),
	ir.OpConcat:    (*lowering).structural,
	ir.OpSlice:     (*lowering).structural,
	ir.OpPad:       (*lowering).structural,
	ir.OpGather:    (*lowering).structural,
	ir.OpExpand:    (*lowering).structural,
	ir.OpTranspose: (*lowering).structural,
	ir.OpSum:       of((*lowering).sum),
	ir.OpSumPool:   of((*lowering).sumPool),
	ir.OpTileIn:    of((*lowering).tiles),
	ir.OpTileOut:   of((*lowering).tiles),

	ir.OpConv:   of((*lowering).conv),
	ir.OpMul:    (*lowering).mul,
	ir.OpMatMul: (*lowering).matMul,

	ir.OpReduce:   of(bare(plan.ProtoReduce)),
	ir.OpExtend:   of((*lowering).extend),
	ir.OpTruncate: of((*lowering).truncate),
	ir.OpRelu:     of((*lowering).relu),
	ir.OpPRelu:    of((*lowering).prelu),
	ir.OpClip:     of((*lowering).clip),
	ir.OpMaxPool:  of((*lowering).maxPool),
	ir.OpArgMax:   of((*lowering).argMax),
	ir.OpFunc:     of((*lowering).function),
}

// Lowers reports whether a value of an operator becomes steps.
func Lowers(op ir.Op) bool { return operators[op] != nil }

// ofSlot is lowers with the slot of the first argument.
type ofSlot func(l *lowering, v *ir.Value, x plan.Slot) (plan.Slot, error)

// of lowers an operator whose only slot, or first, is that of its first argument.
func of(f ofSlot) lowers {
	return func(l *lowering, v *ir.Value) (plan.Slot, error) {
		x, err := l.in(v.Args[0])
		if err != nil {
			return 0, err
		}
		return f(l, v, x)
	}
}

// bare lowers to a step without attributes.
func bare(proto plan.Proto) ofSlot {
	return func(l *lowering, v *ir.Value, x plan.Slot) (plan.Slot, error) {
		return l.emit(v, plan.Step{Proto: proto}, x), nil
	}
}

// renamed is the same vector under another name.
func renamed(_ *lowering, _ *ir.Value, x plan.Slot) (plan.Slot, error) { return x, nil }

func (l *lowering) extend(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	a := v.Attrs.(*ir.ExtendAttrs)
	e := &plan.Extend{From: v.Args[0].Type.Elem.Bits, To: a.Bits, NonNeg: a.NonNeg}
	return l.emit(v, plan.Step{Proto: plan.ProtoExtend, Attrs: e}, x), nil
}

func (l *lowering) truncate(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	a := v.Attrs.(*ir.TruncateAttrs)
	t := &plan.Truncate{From: v.Args[0].Type.Elem.Bits, Shift: a.Shift, To: a.Bits, Exact: a.Exact}
	return l.emit(v, plan.Step{Proto: plan.ProtoTruncate, Attrs: t}, x), nil
}
