package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// maxCallDepth bounds how deep model-local functions may call each other; the
// format forbids recursion.
const maxCallDepth = 32

// scopedNode is a node with the opset version it is bound to: a function's
// nodes follow the function's imports, not the model's.
type scopedNode struct {
	*onnxpb.Node
	opset  int
	arity  int // of its inputs those that are its own; what its subgraphs read follows
	graphs map[string]*scopedGraph
}

type functionKey struct{ domain, name, overload string }

type inliner struct {
	functions map[functionKey]*onnxpb.Function
	model     map[string]int      // the model's imports, for functions that do not repeat them
	sizes     map[functionKey]int // nodes and calls that a call becomes
	out       []*scopedNode
	calls     int
	copied    int // bytes of subgraphs that calls copied
	emitted   int // nodes, those of subgraphs included
}

// inlineFunctions lists the graph's nodes with every call of a model-local
// function replaced by the function's body.
func inlineFunctions(p *onnxpb.Model, imports map[string]int) ([]*scopedNode, error) {
	in := &inliner{functions: map[functionKey]*onnxpb.Function{}, sizes: map[functionKey]int{}, model: imports}
	for _, f := range p.GetFunctions() {
		in.functions[functionKey{domain(f.GetDomain()), f.GetName(), f.GetOverload()}] = f
	}
	if err := in.expand(p.GetGraph().GetNode(), imports, 0); err != nil {
		return nil, err
	}
	return in.out, nil
}

// size is how many nodes and calls a call of a function becomes, counted
// without writing them out; anything above maxNodes stands for too many.
func (in *inliner) size(key functionKey) int {
	f := in.functions[key]
	if f == nil {
		return 1
	}
	if n, known := in.sizes[key]; known {
		return n
	}
	in.sizes[key] = maxNodes + 1 // what a function that calls itself becomes
	n := 1
	for _, inner := range f.GetNode() {
		if n += in.size(callee(inner)); n > maxNodes {
			return maxNodes + 1
		}
	}
	in.sizes[key] = n
	return n
}

// callee is the function that a node calls, if there is one.
func callee(n *onnxpb.Node) functionKey {
	return functionKey{domain(n.GetDomain()), n.GetOpType(), n.GetOverload()}
}

func (in *inliner) expand(nodes []*onnxpb.Node, imports map[string]int, depth int) error {
	for _, n := range nodes {
		f := in.functions[callee(n)]
		if f == nil {
			version, known := imports[domain(n.GetDomain())]
			if !known {
				version, known = in.model[domain(n.GetDomain())]
			}
			if !known && domain(n.GetDomain()) == "" {
				return &NodeError{nodeName(n), n.GetOpType(), errors.New("the model imports no version of the standard operators")}
			}
			if in.emitted++; in.emitted > maxNodes {
				return fmt.Errorf("onnx: more than %d nodes", maxNodes)
			}
			s := &scopedNode{Node: n, opset: version, arity: len(n.GetInput())}
			if err := in.subgraphs(s, imports, depth); err != nil {
				return err
			}
			in.out = append(in.out, s)
			continue
		}
		if err := in.call(n, f, depth); err != nil {
			return &NodeError{nodeName(n), n.GetOpType(), err}
		}
	}
	return nil
}

func (in *inliner) call(n *onnxpb.Node, f *onnxpb.Function, depth int) error {
	if in.calls++; depth >= maxCallDepth || in.calls > maxNodes || in.size(callee(n)) > maxNodes {
		return errors.New("functions call each other too deeply")
	}
	if len(n.GetInput()) > len(f.GetInput()) || len(n.GetOutput()) > len(f.GetOutput()) {
		return fmt.Errorf("function takes %d inputs and gives %d outputs", len(f.GetInput()), len(f.GetOutput()))
	}
	b := binding{prefix: fmt.Sprintf("%s/%d/", nodeName(n), in.calls), names: map[string]string{"": ""}, attrs: map[string]*onnxpb.Attribute{}, copied: &in.copied}
	for i, formal := range f.GetInput() {
		b.names[formal] = "" // an optional input the caller leaves out
		if i < len(n.GetInput()) {
			b.names[formal] = n.GetInput()[i]
		}
	}
	passed, err := b.bindOutputs(n, f)
	if err != nil {
		return err
	}
	for _, a := range append(f.GetAttributeProto(), n.GetAttribute()...) { // the caller's override the defaults
		b.attrs[a.GetName()] = a
	}
	body := make([]*onnxpb.Node, len(f.GetNode()), len(f.GetNode())+len(passed))
	for i, inner := range f.GetNode() {
		if body[i], err = b.rename(inner, nodeName(n)); err != nil {
			return err
		}
	}
	return in.expand(append(body, passed...), opsets(f.GetOpsetImport()), depth+1)
}

// binding says what a function's names stand for in one call.
type binding struct {
	prefix string
	names  map[string]string
	attrs  map[string]*onnxpb.Attribute
	copied *int
}

// bindOutputs binds formal outputs to the caller's names. A function that hands
// an input straight through gets an Identity for it.
func (b *binding) bindOutputs(n *onnxpb.Node, f *onnxpb.Function) (passed []*onnxpb.Node, err error) {
	taken := map[string]bool{}
	for i, formal := range f.GetOutput() {
		if i >= len(n.GetOutput()) || n.GetOutput()[i] == "" {
			continue
		}
		if taken[formal] {
			return nil, fmt.Errorf("function gives %q twice", formal)
		}
		taken[formal] = true
		if actual, isInput := b.names[formal]; isInput {
			passed = append(passed, &onnxpb.Node{OpType: "Identity", Input: []string{actual}, Output: []string{n.GetOutput()[i]}})
			continue
		}
		b.names[formal] = n.GetOutput()[i]
	}
	return passed, nil
}

func (b *binding) name(s string) string {
	if to, ok := b.names[s]; ok {
		return to
	}
	return b.prefix + s
}

// rename copies a body node into the caller's name space.
func (b *binding) rename(n *onnxpb.Node, caller string) (*onnxpb.Node, error) {
	c := &onnxpb.Node{OpType: n.GetOpType(), Domain: n.GetDomain(), Overload: n.GetOverload()}
	c.Name = caller + "/" + nodeName(n)
	for _, s := range n.GetInput() {
		c.Input = append(c.Input, b.name(s))
	}
	for _, s := range n.GetOutput() {
		c.Output = append(c.Output, b.name(s))
	}
	for _, a := range n.GetAttribute() {
		if ref := a.GetRefAttrName(); ref != "" {
			from := b.attrs[ref]
			if from == nil {
				continue // not given and no default: the attribute is absent
			}
			renamed := proto.Clone(from).(*onnxpb.Attribute)
			renamed.Name = a.GetName()
			a = renamed
		} else if a.GetG() != nil {
			g, err := b.graph(a.GetG(), caller)
			if err != nil {
				return nil, err
			}
			a = &onnxpb.Attribute{Name: a.GetName(), Type: onnxpb.Attribute_GRAPH, G: g}
		}
		c.Attribute = append(c.Attribute, a)
	}
	return c, nil
}
