package passes

import (
	"fmt"
	"slices"
	"strings"

	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// What a network will cost, about, before any of the work: from shapes alone, in
// formats of usual widths. The plan says it exactly; this is to know in a second
// that a plan would be far too large to make or to run.

const (
	usualBits = 18 // ring of activations
	usualWide = 34 // of accumulators
	// linearBytes is what an element that goes into or comes out of a product by
	// weights takes in ciphertexts.
	linearBytes = 16
)

// NodeCost is what one node takes, about.
type NodeCost struct {
	Node  string
	Op    ir.Op
	Bytes int64
}

// CostError is a network that would send more than the limit.
type CostError struct {
	Bytes, Limit int64
	Nodes        []NodeCost // the most costly first
}

func (e *CostError) Error() string {
	var top []string
	for _, n := range e.Nodes[:min(3, len(e.Nodes))] {
		top = append(top, fmt.Sprintf("node %q (%s) %s", n.Node, n.Op, gib(n.Bytes)))
	}
	return fmt.Sprintf("an inference would send about %s, the limit is %s: %s", gib(e.Bytes), gib(e.Limit), strings.Join(top, ", "))
}

// Remedy says what to do about it.
func (e *CostError) Remedy() string {
	return fmt.Sprintf("a smaller input (--input-shape) or a smaller network takes less; --max-bytes %d goes on all the same", 2*e.Bytes)
}

func gib(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// Affordable estimates what an inference sends and refuses more than the limit.
func Affordable(g *ir.Graph, limit int64) error {
	real, err := Products(g)
	if err != nil {
		return nil // whatever is wrong with it, others say
	}
	e := &CostError{Limit: limit}
	for _, v := range real.Values {
		if n := aboutBytes(v); n > 0 {
			e.Nodes, e.Bytes = append(e.Nodes, NodeCost{v.Name, v.Op, n}), e.Bytes+n
		}
	}
	if e.Bytes <= limit {
		return nil
	}
	slices.SortStableFunc(e.Nodes, func(a, b NodeCost) int { return int(min(max(b.Bytes-a.Bytes, -1), 1)) })
	return e
}

// aboutBytes is what a value of a real graph will take.
func aboutBytes(v *ir.Value) int64 {
	compare := &plan.Compare{Bits: usualBits, Hi: usualBits, Leaf: 4}
	each := func(c plan.Cost) float64 { return float64(c.ToServer()+c.ToClient()) / unit }
	per, n := 0.0, v.Type.N()
	switch v.Op {
	case ir.OpConv:
		return linearBytes * int64(n+v.Args[0].Type.N())
	case ir.OpRelu, ir.OpPRelu:
		per = each(plan.CostRelu(unit, compare))
	case ir.OpClip:
		per = 2 * each(plan.CostRelu(unit, compare))
	case ir.OpMaxPool:
		per, n = each(plan.CostRelu(unit, compare)), v.Type.N()*ir.Numel(v.Attrs.(*ir.PoolAttrs).Kernel)
	case ir.OpArgMax:
		per, n = each(plan.CostRelu(unit, compare)), v.Args[0].Type.N()
	case ir.OpMul:
		per = each(plan.CostMul(unit, usualWide, &plan.Mul{Shift: usualWide - usualBits}))
	case ir.OpMatMul:
		a := v.Args[0].Type.Shape
		per, n = each(plan.CostMul(unit, usualWide, &plan.Mul{Shift: usualWide - usualBits})), n*a[len(a)-1]
	case ir.OpFunc:
		per = usualPieces * each(plan.CostRelu(unit, compare)) / 4
	}
	return int64(per * float64(n))
}

// unit is the number of elements that costs are read for, and usualPieces the
// pieces of a function's spline: each takes about a quarter of a comparison.
const (
	unit        = 1 << 12
	usualPieces = 24
)
