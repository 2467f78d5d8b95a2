package passes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
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
	// productBytes is what an element of either factor of a product of secrets, or of their
	// product, takes over RLWE: 14 in BERT's attention, 58 in that of small matrices, which
	// fill no polynomials.
	productBytes = 24
)

// NodeCost is what one node takes, about.
type NodeCost struct {
	Node  string `json:"node"`
	Op    ir.Op  `json:"op"`
	Bytes int64  `json:"bytes"`
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

// Estimate is what an inference will take, about.
type Estimate struct {
	Bytes  int64      // sent by both parties
	Nodes  []NodeCost // that send, the most costly first
	Memory int64      // that the server holds at most; the client holds no more
	Peak   NodeCost   // where, and what is alive there
}

// About estimates what an inference takes; nil for a graph with which something is
// wrong: others say what.
func About(g *ir.Graph) *Estimate {
	real, err := Products(g)
	if err != nil {
		return nil
	}
	e := new(Estimate)
	for _, v := range real.Values {
		if n := aboutBytes(v); n > 0 {
			e.Nodes, e.Bytes = append(e.Nodes, NodeCost{v.Name, v.Op, n}), e.Bytes+n
		}
	}
	slices.SortStableFunc(e.Nodes, func(a, b NodeCost) int { return cmp.Compare(b.Bytes, a.Bytes) })
	e.hold(real)
	return e
}

// hold finds the operator at which most is held: what is alive around it, and what it
// works on. The plan's own figure (plan.Memory) is exact about both and knows which
// operators run side by side.
func (e *Estimate) hold(g *ir.Graph) {
	left := g.Uses()
	alive, early := int64(0), int64(0)
	for _, v := range g.Values {
		if ir.IsConst(v) {
			continue
		}
		alive += elementBytes * int64(v.Type.N())
		if now := alive + aboutWork(v); now > e.Peak.Bytes {
			e.Peak = NodeCost{v.Name, v.Op, now}
		}
		early = max(early, aboutBytes(v)/2)
		for _, a := range v.Args {
			if left[a]--; left[a] == 0 && !ir.IsConst(a) {
				alive -= elementBytes * int64(a.Type.N())
			}
		}
	}
	e.Memory = sessionBytes + e.Peak.Bytes*8/5 + early
}

const (
	elementBytes = 8        // of a share
	sessionBytes = 96 << 20 // the program, its OTs and queues
)

// aboutWork is what an operator works on beside what it reads and makes: copies, the
// bits of comparisons, ciphertexts and the server's weights.
func aboutWork(v *ir.Value) int64 {
	n := int64(v.Type.N())
	switch v.Op {
	case ir.OpConv:
		weights := int64(v.Args[1].Type.N())
		return linearBytes*(n+int64(v.Args[0].Type.N())) + 2*elementBytes*weights
	case ir.OpMaxPool, ir.OpArgMax:
		n = int64(v.Args[0].Type.N())
	case ir.OpReshape, ir.OpInput, ir.OpAdd, ir.OpSub, ir.OpNeg, ir.OpSumPool, ir.OpSum:
		return 0
	}
	return n * (3*elementBytes + usualBits)
}

// Affordable refuses what sends more than the limit.
func (e *Estimate) Affordable(limit int64) error {
	if e == nil || e.Bytes <= limit {
		return nil
	}
	return &CostError{e.Bytes, limit, e.Nodes}
}

// Fits warns of a network that will hold more than a machine has free; free of 0 is not
// known.
func (e *Estimate) Fits(free int64) (warning string) {
	if e == nil || free <= 0 || e.Memory <= free {
		return ""
	}
	return fmt.Sprintf("an inference would hold about %s at either party, most of it at node %q (%s); this machine has %s free: a smaller input (--input-shape, --batch 1) takes less",
		gib(e.Memory), e.Peak.Node, e.Peak.Op, gib(free))
}

// aboutBytes is what a value of a real graph will take.
func aboutBytes(v *ir.Value) int64 {
	compare := &plan.Relu{Sign: plan.Sign{Bits: usualBits, Hi: usualBits, Tree: wire.Tree{Leaf: 4}}}
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
		a, b := v.Args[0].Type, v.Args[1].Type
		encrypted := productBytes * int64(a.N()+b.N()+n)
		per = each(plan.CostMul(unit, usualWide, &plan.Mul{Shift: usualWide - usualBits})) * float64(a.Shape[len(a.Shape)-1])
		return min(encrypted, int64(per*float64(n)))
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
