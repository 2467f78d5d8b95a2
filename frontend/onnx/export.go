package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"
	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
	"secc.example/secc/ir/fn"
	"secc.example/secc/ir/num"
)

// The version that Export writes: old enough for every framework that reads ONNX.
const (
	exportOpset     = fn.Written
	exportIRVersion = 8
)

// ExportOptions say how to write a graph.
type ExportOptions struct {
	// Calibration inputs, if there are any, give every BatchNormalization the mean
	// and variance of what it sees, so that it can be trained on. Without them it has
	// mean 0 and variance 1: right, but only for use as it is.
	Calibration [][]*num.Tensor
	Stop        func() error // asked often: an error ends the export with it; may be nil
}

// Export writes a graph of the real phase as an ONNX model that computes the
// same. It is the reverse of Import as far as meaning goes, not byte for byte.
func Export(g *ir.Graph, o ExportOptions) ([]byte, error) {
	if err := ir.Verify(g, ir.Real); err != nil {
		return nil, fmt.Errorf("onnx: export: %w", err)
	}
	seen, err := normInputs(g, o.Calibration, o.Stop)
	if err != nil {
		return nil, fmt.Errorf("onnx: export: %w", err)
	}
	x := &exporter{graph: &onnxpb.Graph{Name: g.Name}, name: map[*ir.Value]string{}, taken: map[string]bool{}, norm: seen}
	x.nameEnds(g)
	for _, v := range g.Values {
		if err := x.value(v); err != nil {
			return nil, fmt.Errorf("onnx: export: node %q (%s): %w", v.Name, v.Op, err)
		}
	}
	for i, v := range g.Outputs {
		name := x.outputName(g, i)
		if x.name[v] != name {
			x.node("Identity", name, []string{x.name[v]}, name)
		}
		x.graph.Output = append(x.graph.Output, valueInfoOf(name, v.Type.Shape))
	}
	m := &onnxpb.Model{
		IrVersion: exportIRVersion, ProducerName: "secc", Graph: x.graph,
		OpsetImport: []*onnxpb.OperatorSet{{Version: exportOpset}},
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// exporter is the state of one export.
type exporter struct {
	graph *onnxpb.Graph
	name  map[*ir.Value]string // of the tensor that holds it
	taken map[string]bool
	norm  map[*ir.Value]*moments
}

func (x *exporter) outputName(g *ir.Graph, i int) string {
	if i < len(g.OutputNames) && g.OutputNames[i] != "" {
		return g.OutputNames[i]
	}
	return fmt.Sprintf("output_%d", i)
}

// nameEnds reserves the names that users see: those of inputs and outputs.
func (x *exporter) nameEnds(g *ir.Graph) {
	for _, v := range g.Inputs {
		x.name[v] = x.fresh(v.Name)
	}
	for i, v := range g.Outputs {
		name := x.outputName(g, i)
		if x.name[v] == "" && !ir.IsConst(v) && !x.taken[name] {
			x.name[v] = name
		}
		x.taken[name] = true
	}
}

// fresh is a name that no tensor has yet.
func (x *exporter) fresh(want string) string {
	name := want
	for i := 1; x.taken[name] || name == ""; i++ {
		name = fmt.Sprintf("%s_%d", want, i)
	}
	x.taken[name] = true
	return name
}

func valueInfoOf(name string, shape []int) *onnxpb.ValueInfo {
	s := &onnxpb.Shape{}
	for _, d := range shape {
		s.Dim = append(s.Dim, &onnxpb.Shape_Dim{Value: &onnxpb.Shape_Dim_DimValue{DimValue: int64(d)}})
	}
	t := &onnxpb.Type_TensorType{ElemType: int32(Float), Shape: s}
	return &onnxpb.ValueInfo{Name: name, Type: &onnxpb.Type{Value: &onnxpb.Type_TensorType_{TensorType: t}}}
}

func (x *exporter) value(v *ir.Value) error {
	switch v.Op {
	case ir.OpInput:
		x.graph.Input = append(x.graph.Input, valueInfoOf(x.name[v], v.Type.Shape))
		return nil
	case ir.OpConst:
		x.name[v] = x.floats(v.Name, v.Type.Shape, ir.Floats(v.Attrs.(*ir.ConstAttrs).Real))
		if v.Type.Holder == ir.Public {
			x.constant(x.name[v])
		}
		return nil
	}
	in := make([]string, len(v.Args))
	for i, a := range v.Args {
		in[i] = x.name[a]
	}
	if x.name[v] == "" {
		x.name[v] = x.fresh(fmt.Sprintf("%s.%d", v.Op, v.ID))
	}
	return x.operator(v, in, x.name[v])
}

// floats stores a tensor and gives its name.
func (x *exporter) floats(name string, shape []int, data []float32) string {
	raw := make([]byte, 0, 4*len(data))
	for _, f := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return x.tensor(name, Float, shape, raw)
}

// ints stores a vector of integers and gives its name.
func (x *exporter) ints(name string, data []int) string {
	raw := make([]byte, 0, 8*len(data))
	for _, i := range data {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(i))
	}
	return x.tensor(name, Int64, []int{len(data)}, raw)
}

// scalar gives a number that is an operator's attribute: a Constant node, since it
// is as public as the operator, and initialisers are not.
func (x *exporter) scalar(name string, f float64) string {
	return x.constant(x.floats(name, nil, []float32{float32(f)}))
}

// constant turns the initialiser that was stored last into a Constant node.
func (x *exporter) constant(name string) string {
	last := len(x.graph.Initializer) - 1
	t := x.graph.Initializer[last]
	x.graph.Initializer = x.graph.Initializer[:last]
	x.node("Constant", name, nil, name, &onnxpb.Attribute{Name: "value", Type: onnxpb.Attribute_TENSOR, T: t})
	return name
}

func (x *exporter) tensor(name string, t DType, shape []int, raw []byte) string {
	name = x.fresh(name)
	p := &onnxpb.Tensor{Name: name, DataType: int32(t), RawData: raw}
	for _, d := range shape {
		p.Dims = append(p.Dims, int64(d))
	}
	x.graph.Initializer = append(x.graph.Initializer, p)
	return name
}

// node appends an operator.
func (x *exporter) node(op, name string, in []string, out string, attrs ...*onnxpb.Attribute) {
	x.graph.Node = append(x.graph.Node, &onnxpb.Node{OpType: op, Name: name, Input: in, Output: []string{out}, Attribute: attrs})
}

// step appends an operator with a result of its own, and gives its name.
func (x *exporter) step(op string, v *ir.Value, in []string, attrs ...*onnxpb.Attribute) string {
	out := x.fresh(fmt.Sprintf("%s.%d", op, v.ID))
	x.node(op, v.Name+"/"+op, in, out, attrs...)
	return out
}

func intsAttr(name string, list []int) *onnxpb.Attribute {
	a := &onnxpb.Attribute{Name: name, Type: onnxpb.Attribute_INTS}
	for _, i := range list {
		a.Ints = append(a.Ints, int64(i))
	}
	return a
}

func realAttr(name string, f float64) *onnxpb.Attribute {
	return &onnxpb.Attribute{Name: name, Type: onnxpb.Attribute_FLOAT, F: float32(f)}
}

func boolAttr(name string, b bool) *onnxpb.Attribute {
	if b {
		return intAttr(name, 1)
	}
	return intAttr(name, 0)
}
