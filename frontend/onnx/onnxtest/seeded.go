package onnxtest

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"

	"google.golang.org/protobuf/proto"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// Seeded replaces every ConstantOfShape of a weightless network by an
// initialiser with deterministic pseudo-random values whose spread keeps
// activations in range. gain scales the weights of convolutions and Gemms; the
// tensor named output becomes the only output.
func Seeded(model []byte, gain float64, output string) ([]byte, error) {
	var m onnxpb.Model
	if err := proto.Unmarshal(model, &m); err != nil {
		return nil, err
	}
	g := m.GetGraph()
	ints := intTensors(g)
	var kept []*onnxpb.Node
	for _, n := range g.GetNode() {
		if n.GetOpType() != "ConstantOfShape" {
			kept = append(kept, n)
			continue
		}
		shape, ok := ints[n.GetInput()[0]]
		if !ok {
			return nil, fmt.Errorf("shape of %q is not stored", n.GetOutput()[0])
		}
		op, slot := consumer(g, n.GetOutput()[0])
		g.Initializer = append(g.Initializer, fill(n.GetOutput()[0], shape, op, slot, gain))
	}
	g.Node = kept
	g.Output = []*onnxpb.ValueInfo{{Name: output}}
	return proto.Marshal(&m)
}

func intTensors(g *onnxpb.Graph) map[string][]int64 {
	out := map[string][]int64{}
	add := func(name string, t *onnxpb.Tensor) {
		v := t.GetInt64Data()
		for b := t.GetRawData(); t.GetDataType() == 7 && len(b) >= 8; b = b[8:] {
			v = append(v, int64(binary.LittleEndian.Uint64(b)))
		}
		out[name] = v
	}
	for _, t := range g.GetInitializer() {
		add(t.GetName(), t)
	}
	for _, n := range g.GetNode() {
		if n.GetOpType() == "Constant" && len(n.GetAttribute()) > 0 {
			add(n.GetOutput()[0], n.GetAttribute()[0].GetT())
		}
	}
	return out
}

// consumer follows a tensor through reshapes to the operator that uses it.
func consumer(g *onnxpb.Graph, name string) (op string, slot int) {
	for _, n := range g.GetNode() {
		for i, in := range n.GetInput() {
			if in != name {
				continue
			}
			if i == 0 && (n.GetOpType() == "Unsqueeze" || n.GetOpType() == "Reshape") {
				return consumer(g, n.GetOutput()[0])
			}
			return n.GetOpType(), i
		}
	}
	return "", 0
}

func fill(name string, shape []int64, op string, slot int, gain float64) *onnxpb.Tensor {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	offset, factor := float32(0), float32(0.25)
	switch {
	case (op == "Conv" || op == "Gemm") && slot == 1:
		factor = float32(math.Sqrt(gain / float64(n/shape[0])))
	case op == "BatchNormalization" && slot == 1, op == "Mul":
		offset = 1
	case op == "BatchNormalization" && slot == 4:
		offset, factor = 1, 0.5
	}
	t := &onnxpb.Tensor{Name: name, DataType: 1, Dims: shape, RawData: make([]byte, 4*n)}
	for i, u := range Uniform(name, int(n)) {
		binary.LittleEndian.PutUint32(t.RawData[4*i:], math.Float32bits(offset+factor*u))
	}
	return t
}

// Uniform gives n numbers in [-1, 1) that depend on the name only.
func Uniform(name string, n int) []float32 {
	h := fnv.New64a()
	h.Write([]byte(name))
	state := h.Sum64()
	out := make([]float32, n)
	for i := range out {
		state += 0x9E3779B97F4A7C15
		z := state
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		out[i] = float32(z>>40)*0x1p-23 - 1
	}
	return out
}
