package backend

import (
	"fmt"
	"math"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// conv lowers a convolution by constants.
func (l *lowering) conv(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	w, ok := v.Args[1].Attrs.(*ir.ConstAttrs)
	if !ok {
		return 0, fmt.Errorf("the kernel is not a constant")
	}
	lin := convGeometry(v)
	bias := make([]int64, lin.COut)
	if len(v.Args) == 3 {
		b, ok := v.Args[2].Attrs.(*ir.ConstAttrs)
		if !ok {
			return 0, fmt.Errorf("the bias is not a constant")
		}
		copy(bias, b.Ints)
	}
	lin.ClientInput = l.owned[x]
	if v.Proto == string(plan.ProtoLinearOT) {
		lin = overOT(v, lin)
	} else {
		lin.NormLog2 = normLog2(v.Attrs.(*ir.ConvAttrs), w.Ints, lin.COut)
		l.linear = append(l.linear, linearStep{node: v.Name, linear: lin, weights: w.Ints})
	}
	s := plan.Step{Proto: plan.Proto(v.Proto), Attrs: lin}
	s.W = l.keep("/w", []int{lin.COut, lin.CIn / lin.G, lin.KH, lin.KW}, w.Ints)
	l.keep("/b", []int{lin.COut}, bias)
	return l.emit(v, s, x), nil
}

// Geometry describes a convolution; of a real one, without formats.
func Geometry(v *ir.Value) *plan.Linear { return convGeometry(v) }

func convGeometry(v *ir.Value) *plan.Linear {
	x, w, y, a := v.Args[0].Type.Shape, v.Args[1].Type.Shape, v.Type.Shape, v.Attrs.(*ir.ConvAttrs)
	return &plan.Linear{
		Batch: x[0], G: max(a.Group, 1), CIn: x[1], COut: y[1],
		H: x[2], W: x[3], OH: y[2], OW: y[3], KH: w[2], KW: w[3],
		SH: a.Strides[0], SW: a.Strides[1], DH: a.Dilations[0], DW: a.Dilations[1],
		PT: a.PadsBegin[0], PL: a.PadsBegin[1],
		InBits: v.Args[0].Type.Elem.Bits, Shift: a.Shift, OutBits: v.Type.Elem.Bits, Exact: a.Exact,
	}
}

// minNorm is the smallest bound on a filter's norm that a plan states: most
// operators state it, so that the plan says as little as possible of the weights.
const minNorm = 8

// normLog2 bounds the l2 norm of every filter by a power of two. Of digits of weights,
// which are much alike, a smaller one is stated.
func normLog2(a *ir.ConvAttrs, w []int64, filters int) int {
	least := minNorm
	if a.OfDigits() {
		least = plan.DigitNorm
	}
	return max(least, int(math.Ceil(math.Log2(max(plan.LargestNorm(w, filters), 1)))))
}

// sumPool lowers windowed sums over one or two dimensions.
func (l *lowering) sumPool(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	p, err := window(v)
	if err != nil {
		return 0, err
	}
	return l.emit(v, plan.Step{Proto: plan.ProtoSumPool, Attrs: p}, x), nil
}

// window is the geometry of a pooling operator; channels and batch are one dimension.
func window(v *ir.Value) (*plan.Pool, error) {
	x, y, a := v.Args[0].Type.Shape, v.Type.Shape, v.Attrs.(*ir.PoolAttrs)
	at := func(s []int, one int) (int, int) {
		if len(s) == 1 {
			return one, s[0]
		}
		return s[0], s[1]
	}
	if len(a.Kernel) > 2 {
		return nil, fmt.Errorf("windows over three dimensions are not supported")
	}
	p := &plan.Pool{C: x[0] * x[1]}
	p.H, p.W = at(x[2:], 1)
	p.OH, p.OW = at(y[2:], 1)
	p.KH, p.KW = at(a.Kernel, 1)
	p.SH, p.SW = at(a.Strides, 1)
	p.DH, p.DW = at(a.Dilations, 1)
	p.PT, p.PL = at(a.PadsBegin, 0)
	return p, nil
}

// sum lowers a reduction: the reduced axes go last, then one window covers them.
func (l *lowering) sum(v *ir.Value, x plan.Slot) (plan.Slot, error) {
	shape, a := v.Args[0].Type.Shape, v.Attrs.(*ir.ReduceAttrs)
	reduced := map[int]bool{}
	for _, d := range a.Axes {
		reduced[d] = true
	}
	var perm, last []int
	kept := 1
	for d, n := range shape {
		if reduced[d] {
			last = append(last, d)
		} else {
			perm = append(perm, d)
			kept *= n
		}
	}
	perm = append(perm, last...)
	width := ir.Numel(shape) / kept
	x = l.permute(v, x, shape, perm)
	p := &plan.Pool{C: kept, H: 1, W: width, OH: 1, OW: 1, KH: 1, KW: width, SH: 1, SW: 1, DH: 1, DW: 1}
	return l.emit(v, plan.Step{Proto: plan.ProtoSumPool, Attrs: p}, x), nil
}

// mul lowers a product of two shared tensors of equal shape.
func (l *lowering) mul(v *ir.Value) (plan.Slot, error) {
	var in [2]plan.Slot
	for i, a := range v.Args {
		s, err := l.in(a)
		if err != nil {
			return 0, err
		}
		in[i] = l.broadcast(v, s, a.Type, v.Type.Shape)
	}
	return l.product(v, &plan.Mul{}, in), nil
}

// product multiplies and rounds: by chance on the spot, exactly in a step of its own.
func (l *lowering) product(v *ir.Value, m *plan.Mul, in [2]plan.Slot) plan.Slot {
	a, wide := *v.Attrs.(*ir.LinearAttrs), v.Args[0].Type.Elem.Bits
	if m.M == 1 && m.N == 1 && m.K > 1 && in[0] == in[1] {
		return l.norms(v, m, a, in[0])
	}
	if !a.Exact || a.Shift == 0 {
		m.Shift = a.Shift
		return l.emit(v, plan.Step{Proto: plan.ProtoMul, Attrs: m}, in[:]...)
	}
	e := ir.Elem{Bits: wide, Frac: v.Type.Elem.Frac + a.Shift}
	x := l.emitAs(v, v.Type.Shape, e, plan.Step{Proto: plan.ProtoMul, Attrs: m}, in[:]...)
	t := &plan.Truncate{From: wide, Shift: a.Shift, To: v.Type.Elem.Bits, Exact: true}
	return l.emit(v, plan.Step{Proto: plan.ProtoTruncate, Attrs: t}, x)
}
