package onnx

import (
	"fmt"
	"sort"
	"strings"

	"github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/simple"
	"google.golang.org/protobuf/proto"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// node is one operator as the walk delivered it.
type node struct {
	name, op, domain string
	opset            int
	inputs, outputs  []string // inputs may be "" where optional
	attrs            attrs
	graphs           map[string]*subgraph
	odd              string // an attribute we cannot hold
}

// walk lets onnx-go read the normalised graph and records the operators it
// meets, in order. onnx-go never sees a tensor or a shape. It panics on inputs
// it does not expect: whatever it does, the caller gets an error.
func (m *model) walk() (nodes []*node, err error) {
	data, err := proto.Marshal(&onnxpb.Model{Graph: m.proto})
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	defer func() {
		if p := recover(); p != nil {
			nodes, err = nil, fmt.Errorf("onnx: graph walk failed: %v", p)
		}
	}()
	rec := &recorder{DirectedGraph: simple.NewDirectedGraph(), tensors: m.tensors, graphs: m.graphs}
	if err := onnx.NewModel(rec).UnmarshalBinary(data); err != nil {
		return nil, fmt.Errorf("onnx: graph walk: %w", err)
	}
	if len(rec.nodes) != m.nodes {
		return nil, fmt.Errorf("onnx: graph walk met %d of %d nodes", len(rec.nodes), m.nodes)
	}
	return rec.nodes, nil
}

// recorder is the onnx-go backend: it keeps the operators and throws the rest
// away. The embedded graph only fills the interface; it stays empty.
type recorder struct {
	*simple.DirectedGraph
	tensors []*Tensor
	graphs  []*subgraph
	nodes   []*node
	lastID  int64
	pending []edge // inputs of the operator being described
}

// recorded is a value in onnx-go's graph. It deliberately carries no data, so
// onnx-go has nothing to decode into.
type recorded struct {
	id   int64
	name string
}

func (r *recorded) ID() int64        { return r.id }
func (r *recorded) SetName(s string) { r.name = s }
func (r *recorded) GetName() string  { return r.name }

type edge struct {
	from, to *recorded
	slot     int
}

func (e edge) From() graph.Node         { return e.from }
func (e edge) To() graph.Node           { return e.to }
func (e edge) ReversedEdge() graph.Edge { return edge{e.to, e.from, e.slot} }
func (e edge) Weight() float64          { return float64(e.slot) }

func (r *recorder) NewNode() graph.Node {
	r.lastID++
	return &recorded{id: r.lastID}
}

func (r *recorder) AddNode(graph.Node) {}

func (r *recorder) NewWeightedEdge(from, to graph.Node, w float64) graph.WeightedEdge {
	return edge{from.(*recorded), to.(*recorded), int(w)}
}

func (r *recorder) SetWeightedEdge(e graph.WeightedEdge) { r.pending = append(r.pending, e.(edge)) }

// ApplyOperation ends the description of one operator. Every output was given
// the same edges; those of the first are enough.
func (r *recorder) ApplyOperation(op onnx.Operation, outputs ...graph.Node) error {
	n := &node{op: op.Name, attrs: attrs{}, graphs: map[string]*subgraph{}}
	for _, o := range outputs {
		n.outputs = append(n.outputs, o.(*recorded).name)
	}
	var in []edge
	for _, e := range r.pending {
		if e.from.name == n.outputs[0] {
			in = append(in, e)
		}
	}
	r.pending = r.pending[:0]
	sort.Slice(in, func(i, j int) bool { return in[i].slot < in[j].slot })
	for _, e := range in {
		n.inputs = append(n.inputs, e.to.name)
	}
	r.nodes = append(r.nodes, n)
	return n.take(op.Attributes, r)
}

// take sorts synthetic attributes from the operator's own.
func (n *node) take(given map[string]any, r *recorder) error {
	for k, v := range given {
		i, _ := v.(int64)
		switch {
		case k == attrNode:
			n.name, _ = v.(string)
		case k == attrDomain:
			n.domain, _ = v.(string)
		case k == attrOpset:
			n.opset = int(i)
		case k == attrOdd:
			n.odd, _ = v.(string)
		case strings.HasPrefix(k, attrGraph):
			n.graphs[k[len(attrGraph):]] = r.graphs[i]
		case k == attrArity:
			if int(i) > len(n.inputs) {
				return fmt.Errorf("node %q lost inputs", n.name)
			}
			n.inputs = n.inputs[:i]
		case strings.HasPrefix(k, attrTensor):
			n.attrs[k[len(attrTensor):]] = r.tensors[i]
		default:
			n.attrs[k] = v
		}
	}
	return nil
}
