package passes

import (
	"fmt"
	"slices"

	"secc.example/secc/ir"
)

// The head of a network is what reads the client's inputs and public numbers only:
// logarithms of counts, a scaling, the rows of a one-hot encoding. The client computes
// it itself, in float32 and for nothing; computed in shares it costs a protocol, and a
// format that holds counts up to 1e5 holds no ratios.

// maxHeadNumbers bounds the elements of a constant in the head: they stand in the plan.
const maxHeadNumbers = 1 << 12

// maxLightOps bounds the operators whose move is tried one by one.
const maxLightOps = 256

// SplitHead takes the head off a real graph. known reports constants that may stand in
// the plan; it is asked about those that otherwise decide nothing. The head's outputs
// are the rest's inputs, in order; those that the head only passes on come first. A nil
// head means that the whole graph is the rest. The graph is not changed.
func SplitHead(g *ir.Graph, known func(c *ir.Value) bool) (head, rest *ir.Graph, err error) {
	if g, err = withoutLookups(g, known); err == nil {
		g, err = plainSums(g) // so that a mask is what the client makes
	}
	if err != nil {
		return nil, nil, err
	}
	h := newSplitter(g, known)
	taken := h.choose()
	if taken == nil {
		return nil, g, nil
	}
	return h.cut(h.frontier(taken))
}

// Dear lists the operators of a head, by node, that would cost a protocol in shares and
// that another head has not. Either may be nil.
func Dear(head, other *ir.Graph) (nodes []string) {
	has := map[string]bool{}
	if other != nil {
		for _, v := range other.Values {
			has[v.Name] = true
		}
	}
	if head == nil {
		return nil
	}
	for _, v := range head.Values {
		if !ir.IsConst(v) && !placesOnly(v) && !light(v) && !has[v.Name] {
			has[v.Name] = true
			nodes = append(nodes, fmt.Sprintf("%q (%s)", v.Name, v.Op))
		}
	}
	return nodes
}

type splitter struct {
	g       *ir.Graph
	known   func(c *ir.Value) bool
	uses    map[*ir.Value][]*ir.Value
	movable map[*ir.Value]bool
}

func newSplitter(g *ir.Graph, known func(c *ir.Value) bool) *splitter {
	h := &splitter{g: g, known: known, uses: readers(g), movable: map[*ir.Value]bool{}}
	for _, v := range g.Values {
		h.movable[v] = v.Op == ir.OpInput || h.movesWith(v)
	}
	return h
}

// movesWith reports an operator that the client can compute if its arguments are the
// client's or public.
func (h *splitter) movesWith(v *ir.Value) bool {
	switch v.Op {
	case ir.OpRelu:
		if len(v.Args) > 1 {
			return false
		}
	case ir.OpPRelu:
		if v.Args[1].Type.N() != 1 {
			return false
		}
	case ir.OpReshape, ir.OpTranspose, ir.OpConcat, ir.OpSlice, ir.OpPad, ir.OpGather, ir.OpExpand,
		ir.OpAdd, ir.OpSub, ir.OpMul, ir.OpDiv, ir.OpMax, ir.OpMin, ir.OpNeg, ir.OpAbs, ir.OpClip, ir.OpFunc,
		ir.OpSum, ir.OpReduceMax, ir.OpSoftmax, ir.OpLogSoftmax, ir.OpOneHot:
	case ir.OpLookup:
		return h.movable[v.Args[0]] && v.Args[1].Type.Holder == ir.Public
	default:
		return false
	}
	own := false
	for _, a := range v.Args {
		if !ir.IsConst(a) {
			own = true
			if !h.movable[a] {
				return false
			}
		}
	}
	return own && !slices.ContainsFunc(v.Args, func(a *ir.Value) bool {
		return ir.IsConst(a) && (a.Type.N() > maxHeadNumbers || !h.known(a))
	})
}

// placesOnly reports operators that only put elements elsewhere: they cost nothing in
// shares either, and are moved only if something that is not of this kind follows.
func placesOnly(v *ir.Value) bool {
	switch v.Op {
	case ir.OpInput, ir.OpReshape, ir.OpTranspose, ir.OpConcat, ir.OpSlice, ir.OpPad, ir.OpGather, ir.OpExpand:
		return true
	}
	return false
}

// light reports operators that shares compute for nothing or that fold into weights.
func light(v *ir.Value) bool {
	switch v.Op {
	case ir.OpAdd, ir.OpSub, ir.OpNeg, ir.OpSum:
		return true
	case ir.OpMul, ir.OpDiv:
		return slices.ContainsFunc(v.Args, ir.IsConst) && !ir.IsConst(v.Args[0]) || v.Op == ir.OpMul && ir.IsConst(v.Args[0])
	case ir.OpFunc:
		return v.Attrs.(*ir.FuncAttrs).Name == "affine"
	}
	return false
}

// choose finds the values that the client makes: all that would cost a protocol, and of
// the rest what does not make more elements enter the network.
func (h *splitter) choose() map[*ir.Value]bool {
	taken := map[*ir.Value]bool{}
	var cheap []*ir.Value
	some := false
	for _, v := range h.g.Values {
		switch {
		case !h.movable[v] || placesOnly(v):
		case light(v):
			cheap = append(cheap, v)
		default:
			h.take(taken, v)
			some = true
		}
	}
	if len(cheap) > maxLightOps {
		cheap = cheap[:maxLightOps]
	}
	for _, v := range cheap {
		if taken[v] {
			continue
		}
		more := map[*ir.Value]bool{}
		for w := range taken {
			more[w] = true
		}
		h.take(more, v)
		if elements(h.frontier(more)) <= elements(h.frontier(taken)) {
			taken, some = more, true
		}
	}
	if !some {
		return nil
	}
	return taken
}

// take adds a value and all that it is made of.
func (h *splitter) take(taken map[*ir.Value]bool, v *ir.Value) {
	if taken[v] || ir.IsConst(v) || v.Op == ir.OpInput {
		return
	}
	taken[v] = true
	for _, a := range v.Args {
		h.take(taken, a)
	}
}

// frontier lists what of the inputs and of the values taken the rest reads: inputs
// first. An input that nobody reads stays one.
func (h *splitter) frontier(taken map[*ir.Value]bool) (all []*ir.Value) {
	leaves := func(v *ir.Value) bool {
		return slices.Contains(h.g.Outputs, v) || slices.ContainsFunc(h.uses[v], func(r *ir.Value) bool { return r != nil && !taken[r] })
	}
	for _, v := range h.g.Inputs {
		if leaves(v) || len(h.uses[v]) == 0 {
			all = append(all, v)
		}
	}
	for _, v := range h.g.Values {
		if taken[v] && leaves(v) {
			all = append(all, v)
		}
	}
	return all
}

func elements(list []*ir.Value) (n int) {
	for _, v := range list {
		n += v.Type.N()
	}
	return n
}

// cut makes the two graphs.
func (h *splitter) cut(border []*ir.Value) (head, rest *ir.Graph, err error) {
	head, to := h.g.Clone()
	head.Outputs, head.OutputNames = nil, nil
	for _, v := range border {
		head.Outputs = append(head.Outputs, to[v])
	}
	head.RemoveDead()
	rest, to = h.g.Clone()
	rest.Inputs = nil
	for _, v := range border {
		old := to[v]
		in := &ir.Value{Op: ir.OpInput, Name: v.Name, Attrs: &ir.InputAttrs{}, Type: v.Type}
		in.Type.Shape, in.Type.Holder = slices.Clone(v.Type.Shape), ir.Client
		in.ID = old.ID
		rest.Values[slices.Index(rest.Values, old)] = in
		rest.ReplaceUses(old, in)
		rest.Inputs = append(rest.Inputs, in)
	}
	rest.RemoveDead()
	return head, rest, rest.Infer()
}
