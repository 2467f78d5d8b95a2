package onnx

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// maxNodes bounds the graph after functions are inlined.
const maxNodes = 1 << 16

// model is an ONNX file after normalisation: nodes in topological order with
// unique, non-empty output names, every tensor in a side table, and nothing
// that onnx-go cannot carry.
type model struct {
	name    string
	opsets  map[string]int // domain -> version
	inputs  []valueInfo    // graph inputs that are not initialisers
	outputs []valueInfo
	info    map[string]valueInfo // declared types of inner values; hints only
	consts  map[string]*Tensor   // initialisers by name
	odd     map[string]string    // initialisers we cannot hold, and what they are; their readers are refused
	tensors []*Tensor            // tensor attributes; nodes refer by index
	proto   *onnxpb.Graph        // what onnx-go is given
	nodes   int
	graphs  []*subgraph     // subgraph attributes; nodes refer by index
	inner   bool            // it is a subgraph
	used    map[string]bool // names that some node or the graph's outputs read
	stop    func() error    // see Options
	sparse  *int            // elements of the file's sparse tensors that stand for nothing stored
}

// valueInfo is a declared tensor: dims are -1 where the model gives none or a symbol.
type valueInfo struct {
	name    string
	dtype   DType
	dims    []int
	symbols []string // symbolic dimension names; same length as dims
	known   bool     // a shape was given at all
	kind    string   // "" for a tensor; else what it is instead
}

// Synthetic attributes: what onnx-go would lose about a node. Their names
// cannot clash, as ONNX attribute names are identifiers.
const (
	attrNode   = "secc.example/secc/node"
	attrDomain = "secc.example/secc/domain"
	attrOpset  = "secc.example/secc/opset"
	attrArity  = "secc.example/secc/arity" // number of inputs: onnx-go invents one for nodes that have none
	attrGraph  = "secc.example/secc/graph/"
	attrOdd    = "secc.example/secc/odd" // an attribute of a kind we cannot hold
	attrTensor = "secc.example/secc/tensor/"

	unusedOutput = "secc.example/secc/unused/" // begins the names of outputs that the file leaves out
)

// decodeModel parses the file and brings it to normal form.
func decodeModel(data []byte, ext *external, stop func() error) (*model, error) {
	if err := scanMessages(data); err != nil {
		return nil, err
	}
	if err := asked(stop); err != nil {
		return nil, err
	}
	var p onnxpb.Model
	if err := proto.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("onnx: not a readable model: %w", err)
	}
	if p.GetGraph() == nil {
		return nil, errors.New("onnx: not a readable model: it has no graph")
	}
	m := newModel(p.GetGraph().GetName(), opsets(p.GetOpsetImport()))
	m.stop = stop
	if len(m.opsets) == 0 {
		m.opsets[""] = 1 // files of IR version 1 and 2 had no opset field
	}
	if err := m.initialisers(p.GetGraph(), ext); err != nil {
		return nil, err
	}
	m.declarations(p.GetGraph())
	nodes, err := inlineFunctions(&p, m.opsets)
	if err != nil {
		return nil, err
	}
	return m, m.carry(nodes, ext)
}

func newModel(name string, opsets map[string]int) *model {
	return &model{
		name: name, opsets: opsets,
		info: map[string]valueInfo{}, sparse: new(int), consts: map[string]*Tensor{}, odd: map[string]string{}, proto: &onnxpb.Graph{},
	}
}

func opsets(list []*onnxpb.OperatorSet) map[string]int {
	out := make(map[string]int, len(list))
	for _, s := range list {
		out[domain(s.GetDomain())] = int(min(max(s.GetVersion(), 0), 1<<20))
	}
	return out
}

// domain maps both spellings of the default domain to "".
func domain(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

func (m *model) initialisers(g *onnxpb.Graph, ext *external) error {
	for i, t := range g.GetInitializer() {
		if err := asked(m.stop); err != nil {
			return err
		}
		if t.GetName() == "" {
			return fmt.Errorf("onnx: initialiser %d has no name", i)
		}
		if _, dup := m.consts[t.GetName()]; dup {
			return fmt.Errorf("onnx: initialiser %q is defined twice", t.GetName())
		}
		if d := DType(t.GetDataType()); d != 0 && d.bits() == 0 {
			m.odd[t.GetName()] = "of type " + d.String()
			continue
		}
		dec, err := decodeTensor(t, ext)
		if err != nil {
			return fmt.Errorf("onnx: initialiser %q: %w", t.GetName(), err)
		}
		m.consts[t.GetName()] = dec
		t.RawData = nil // decoded: let the file's copy go
	}
	for _, s := range g.GetSparseInitializer() {
		if d := DType(s.GetValues().GetDataType()); d != 0 && d.bits() == 0 {
			m.odd[s.GetValues().GetName()] = "of type " + d.String()
			continue
		}
		dec, err := m.decodeSparse(s, ext)
		if err != nil {
			return fmt.Errorf("onnx: sparse initialiser %q: %w", s.GetValues().GetName(), err)
		}
		if _, dup := m.consts[dec.Name]; dup || dec.Name == "" {
			return fmt.Errorf("onnx: sparse initialiser %q has no name or is defined twice", dec.Name)
		}
		m.consts[dec.Name] = dec
	}
	return nil
}

func (m *model) declarations(g *onnxpb.Graph) {
	for _, v := range g.GetValueInfo() {
		if vi := declared(v); vi.known { // duplicates occur in the wild: the last one wins, they are hints
			m.info[vi.name] = vi
		}
	}
	for _, v := range g.GetInput() {
		if _, isConst := m.consts[v.GetName()]; !isConst && m.odd[v.GetName()] == "" {
			m.inputs = append(m.inputs, declared(v))
		}
	}
	for _, v := range g.GetOutput() {
		m.outputs = append(m.outputs, declared(v))
	}
}

func declared(v *onnxpb.ValueInfo) valueInfo {
	vi := valueInfo{name: v.GetName()}
	switch k := v.GetType().GetValue().(type) {
	case *onnxpb.Type_TensorType_:
	case nil:
	default:
		vi.kind = fmt.Sprintf("%T", k)[len("*onnxpb.Type_"):]
		return vi
	}
	t := v.GetType().GetTensorType()
	vi.dtype = DType(t.GetElemType())
	if t.GetShape() == nil {
		return vi
	}
	vi.known = true
	for _, d := range t.GetShape().GetDim() {
		n, symbol := -1, d.GetDimParam()
		if dv, ok := d.GetValue().(*onnxpb.Shape_Dim_DimValue); ok && dv.DimValue >= 0 && dv.DimValue <= maxElements {
			n = int(dv.DimValue)
		}
		vi.dims = append(vi.dims, n)
		vi.symbols = append(vi.symbols, symbol)
	}
	return vi
}

// carry checks names, sorts the nodes and rewrites them for onnx-go.
func (m *model) carry(nodes []*scopedNode, ext *external) error {
	sorted, err := m.sort(nodes)
	if err != nil {
		return err
	}
	m.nodes = len(sorted)
	for i, s := range sorted {
		n, err := m.rewrite(i, s, ext)
		if err != nil {
			return &NodeError{nodeName(s.Node), s.GetOpType(), err}
		}
		m.proto.Node = append(m.proto.Node, n)
	}
	for _, v := range m.inputs {
		m.proto.Input = append(m.proto.Input, &onnxpb.ValueInfo{Name: v.name})
	}
	m.used = map[string]bool{}
	for _, n := range m.proto.Node {
		for _, name := range n.GetInput() {
			m.used[name] = true
		}
	}
	for _, v := range m.outputs {
		if m.used[v.name] && m.inner && slices.ContainsFunc(m.proto.Output, func(o *onnxpb.ValueInfo) bool { return o.Name == v.name }) {
			continue // a loop may carry one value twice
		}
		m.used[v.name] = true
		m.proto.Output = append(m.proto.Output, &onnxpb.ValueInfo{Name: v.name})
	}
	return nil
}

// nodeName is how messages and cost rows call a node.
func nodeName(n *onnxpb.Node) string {
	if n.GetName() != "" {
		return n.GetName()
	}
	for _, o := range n.GetOutput() {
		if o != "" {
			return o
		}
	}
	return n.GetOpType()
}

// rewrite copies a node without anything onnx-go would choke on or lose.
func (m *model) rewrite(i int, s *scopedNode, ext *external) (*onnxpb.Node, error) {
	n := &onnxpb.Node{
		OpType: s.GetOpType(), Name: fmt.Sprintf("secc.example/secc/%d", i),
		Input: s.GetInput(), Output: append([]string(nil), s.GetOutput()...),
	}
	for j, o := range n.Output {
		if o == "" {
			n.Output[j] = fmt.Sprintf("%s%d/%d", unusedOutput, i, j)
		}
	}
	n.Attribute = []*onnxpb.Attribute{
		stringAttr(attrNode, nodeName(s.Node)), stringAttr(attrDomain, domain(s.GetDomain())),
		intAttr(attrOpset, s.opset), intAttr(attrArity, s.arity),
	}
	seen := map[string]bool{}
	for _, a := range s.GetAttribute() {
		if a.GetName() == "" || seen[a.GetName()] {
			return nil, fmt.Errorf("attribute %q has no name or stands twice", a.GetName())
		}
		seen[a.GetName()] = true
		c, err := m.attribute(a, s.graphs[a.GetName()], ext)
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", a.GetName(), err)
		}
		n.Attribute = append(n.Attribute, c)
	}
	return n, nil
}

func stringAttr(name, s string) *onnxpb.Attribute {
	return &onnxpb.Attribute{Name: name, Type: onnxpb.Attribute_STRING, S: []byte(s)}
}

func intAttr(name string, i int) *onnxpb.Attribute {
	return &onnxpb.Attribute{Name: name, Type: onnxpb.Attribute_INT, I: int64(i)}
}

// attribute gives what onnx-go may see of an attribute: numbers and strings as
// they are, a tensor or a subgraph as an index into the side table.
func (m *model) attribute(a *onnxpb.Attribute, g *scopedGraph, ext *external) (*onnxpb.Attribute, error) {
	c := &onnxpb.Attribute{
		Name: a.GetName(), Type: kindOf(a), F: a.GetF(), I: a.GetI(), S: a.GetS(),
		Floats: a.GetFloats(), Ints: a.GetInts(), Strings: a.GetStrings(),
	}
	switch c.Type {
	case onnxpb.Attribute_FLOAT, onnxpb.Attribute_INT, onnxpb.Attribute_STRING,
		onnxpb.Attribute_FLOATS, onnxpb.Attribute_INTS, onnxpb.Attribute_STRINGS:
		return c, nil
	case onnxpb.Attribute_TENSOR:
		if d := DType(a.GetT().GetDataType()); d != 0 && d.bits() == 0 {
			return stringAttr(attrOdd, fmt.Sprintf("%q is a tensor of type %v", a.GetName(), d)), nil
		}
		t, err := decodeTensor(a.GetT(), ext)
		if err != nil {
			return nil, err
		}
		m.tensors = append(m.tensors, t)
		return intAttr(attrTensor+a.GetName(), len(m.tensors)-1), nil
	case onnxpb.Attribute_SPARSE_TENSOR:
		t, err := m.decodeSparse(a.GetSparseTensor(), ext)
		if err != nil {
			return nil, err
		}
		m.tensors = append(m.tensors, t)
		return intAttr(attrTensor+a.GetName(), len(m.tensors)-1), nil
	case onnxpb.Attribute_TYPE_PROTO: // of an optional that holds nothing: it stays unused
		return intAttr(a.GetName(), 0), nil
	case onnxpb.Attribute_GRAPH:
		sub, err := m.subgraph(g, ext)
		if err != nil {
			return nil, err
		}
		m.graphs = append(m.graphs, sub)
		return intAttr(attrGraph+a.GetName(), len(m.graphs)-1), nil
	}
	return stringAttr(attrOdd, fmt.Sprintf("%q is of kind %v", a.GetName(), c.Type)), nil
}

// kindOf tells the kind of an attribute; the oldest files leave it out.
func kindOf(a *onnxpb.Attribute) onnxpb.Attribute_Kind {
	switch {
	case a.GetType() != onnxpb.Attribute_UNDEFINED:
		return a.GetType()
	case a.GetT() != nil:
		return onnxpb.Attribute_TENSOR
	case a.GetG() != nil:
		return onnxpb.Attribute_GRAPH
	case len(a.GetInts()) > 0:
		return onnxpb.Attribute_INTS
	case len(a.GetFloats()) > 0:
		return onnxpb.Attribute_FLOATS
	case len(a.GetStrings()) > 0:
		return onnxpb.Attribute_STRINGS
	case len(a.GetS()) > 0:
		return onnxpb.Attribute_STRING
	case a.GetF() != 0:
		return onnxpb.Attribute_FLOAT
	}
	return onnxpb.Attribute_INT
}
