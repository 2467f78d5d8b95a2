package onnx

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// Subgraphs are the bodies of If, Loop and Scan. Each is normalised and walked as
// a model of its own. What it reads from outside stands among the inputs of the
// node that carries it, behind the node's own, so that order and use come out right.

// maxCopied bounds the bytes of subgraphs in functions, which every call copies.
const maxCopied = 256 << 20

// subgraph is the body of a control-flow node.
type subgraph struct {
	*model
	body     []*node
	formals  []string // its inputs
	captured []string // names of the graph around it that it reads
	results  []string
	counted  bool // among the bytes of constants that the file holds
}

// scopedGraph is a subgraph with its calls of functions inlined.
type scopedGraph struct {
	*onnxpb.Graph
	nodes    []*scopedNode
	captured []string
}

// subgraphs inlines functions in a node's subgraphs and makes what they read from
// outside inputs of the node.
func (in *inliner) subgraphs(s *scopedNode, imports map[string]int, depth int) error {
	for _, a := range s.GetAttribute() {
		if kindOf(a) != onnxpb.Attribute_GRAPH || a.GetG() == nil {
			continue
		}
		around := in.out
		in.out = nil
		err := in.expand(a.GetG().GetNode(), imports, depth+1)
		g := &scopedGraph{a.GetG(), in.out, free(a.GetG())}
		in.out = around
		if err != nil {
			return err
		}
		if s.graphs == nil {
			s.graphs = map[string]*scopedGraph{}
			s.Node = &onnxpb.Node{
				Name: s.GetName(), OpType: s.GetOpType(), Domain: s.GetDomain(), Attribute: s.GetAttribute(),
				Input: slices.Clone(s.GetInput()), Output: s.GetOutput(),
			}
		}
		s.graphs[a.GetName()] = g
		for _, name := range g.captured {
			if !slices.Contains(s.Input, name) {
				s.Input = append(s.Input, name)
			}
		}
	}
	return nil
}

// free lists the names that a graph reads and does not define, in order.
func free(g *onnxpb.Graph) []string {
	seen := map[string]bool{"": true}
	for _, v := range g.GetInput() {
		seen[v.GetName()] = true
	}
	for _, t := range g.GetInitializer() {
		seen[t.GetName()] = true
	}
	for _, t := range g.GetSparseInitializer() {
		seen[t.GetValues().GetName()] = true
	}
	for _, n := range g.GetNode() {
		for _, name := range n.GetOutput() {
			seen[name] = true
		}
	}
	var names []string
	read := func(list ...string) {
		for _, name := range list {
			if !seen[name] {
				seen[name], names = true, append(names, name)
			}
		}
	}
	for _, n := range g.GetNode() {
		read(n.GetInput()...)
		for _, a := range n.GetAttribute() {
			if a.GetG() != nil {
				read(free(a.GetG())...)
			}
		}
	}
	for _, v := range g.GetOutput() {
		read(v.GetName())
	}
	return names
}

// graph copies a function's subgraph into the caller's name space.
func (b *binding) graph(g *onnxpb.Graph, caller string) (*onnxpb.Graph, error) {
	if *b.copied += proto.Size(g); *b.copied > maxCopied {
		return nil, fmt.Errorf("calls of functions copy more than %d MiB of subgraphs", maxCopied>>20)
	}
	c := proto.Clone(g).(*onnxpb.Graph)
	for _, list := range [][]*onnxpb.ValueInfo{c.GetInput(), c.GetOutput(), c.GetValueInfo()} {
		for _, v := range list {
			v.Name = b.name(v.GetName())
		}
	}
	for _, t := range c.GetInitializer() {
		t.Name = b.name(t.GetName())
	}
	for i, n := range c.GetNode() {
		renamed, err := b.rename(n, caller)
		if err != nil {
			return nil, err
		}
		c.Node[i] = renamed
	}
	return c, nil
}

// subgraph normalises the body of a control-flow node.
func (m *model) subgraph(g *scopedGraph, ext *external) (*subgraph, error) {
	if g == nil {
		return nil, errors.New("it holds no graph")
	}
	sub := &subgraph{captured: g.captured, model: newModel(g.GetName(), m.opsets)}
	sub.inner, sub.stop, sub.sparse = true, m.stop, m.sparse
	if err := sub.initialisers(g.Graph, ext); err != nil {
		return nil, err
	}
	sub.declarations(g.Graph)
	sub.formals = sub.inputNames()
	for _, v := range sub.outputs {
		sub.results = append(sub.results, v.name)
	}
	for _, name := range g.captured {
		sub.inputs = append(sub.inputs, valueInfo{name: name})
	}
	if err := sub.carry(g.nodes, ext); err != nil || sub.nodes == 0 {
		return sub, err
	}
	var err error
	sub.body, err = sub.walk()
	return sub, err
}

// call imports a subgraph on operands for its inputs and gives its outputs; those
// that are not known come back blind.
func (c *ctx) call(sub *subgraph, args ...*operand) []*operand {
	if len(args) != len(sub.formals) {
		c.failf("its subgraph takes %d inputs, it is given %d", len(sub.formals), len(args))
	}
	im := c.im
	im.enter(sub)
	if im.unrolled += len(sub.body); im.unrolled > maxUnrolled {
		c.fail(refuseHint("run fewer iterations, or cut the model into pieces", "more than %d nodes in the iterations of loops", maxUnrolled))
	}
	env := make(map[string]*operand, len(args)+len(sub.captured)+len(sub.consts)+len(sub.body))
	for _, name := range sub.captured {
		env[name] = im.env[name]
	}
	im.constants(sub.model, env)
	for i, name := range sub.formals {
		env[name] = args[i]
	}
	around, m := im.env, im.m
	im.env, im.m = env, sub.model
	defer func() { im.env, im.m = around, m }()
	for _, n := range sub.body {
		if err := im.node(n); err != nil {
			c.fail(err)
		}
	}
	outs := make([]*operand, len(sub.results))
	for i, name := range sub.results {
		if outs[i] = env[name]; outs[i] == nil || outs[i].blind {
			c.fail(errBlind)
		}
	}
	return outs
}

// enter counts a subgraph that is used among what the report is about.
func (im *importer) enter(sub *subgraph) {
	if sub.counted {
		return
	}
	sub.counted = true
	im.stored += sub.memory()
	im.report.Nodes += len(sub.body)
	im.report.Supported += len(sub.body)
}
