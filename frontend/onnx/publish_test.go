package onnx

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
	"secc.example/secc/passes"
)

const marker = float32(2.7182817)

// marked puts a node whose initialiser holds the marker between two convolutions.
func marked(nodes []*onnxpb.Node, stored ...*onnxpb.Tensor) *onnxpb.Model {
	w := make([]float32, 2*2*3*3)
	for i := range w {
		w[i] = float32(i%7-3) / 8
	}
	pads := &onnxpb.Attribute{Name: "pads", Type: onnxpb.Attribute_INTS, Ints: []int64{1, 1, 1, 1}}
	all := append([]*onnxpb.Node{op("Conv", "x w", "c", pads)}, nodes...)
	all = append(all, op("Conv", "d v", "y", pads))
	stored = append(stored, floats("w", []int64{2, 2, 3, 3}, w...), floats("v", []int64{2, 2, 3, 3}, w...), floats("k", nil, marker))
	return graphOf(13, value("x", 1, 2, 4, 4), stored, all...)
}

// TestInitialisersStaySecret: a number that a model holds is not in the plan,
// whatever operator it is a parameter of.
func TestInitialisersStaySecret(t *testing.T) {
	pads := ints64("p", 0, 0, 1, 1, 0, 0, 1, 1)
	zero, scale := floats("z", nil, 0), floats("s", nil, marker/100)
	point := &onnxpb.Tensor{Name: "o", DataType: int32(Uint8), Int32Data: []int32{77}}
	list := func(name string, v ...float32) *onnxpb.Attribute {
		return &onnxpb.Attribute{Name: name, Type: onnxpb.Attribute_FLOATS, Floats: v}
	}
	for name, m := range map[string]*onnxpb.Model{
		"Scaler":     classical("Scaler", list("offset", marker, 1, 2, 3), list("scale", marker, 1, 2, marker/2)),
		"Binarizer":  classical("Binarizer", floatAttr("threshold", marker/100)),
		"Imputer":    classical("Imputer", list("imputed_value_floats", marker), floatAttr("replaced_value_float", marker/2)),
		"Regressor":  classical("LinearRegressor", list("coefficients", marker, 1, 2, marker/2), list("intercepts", -marker)),
		"Classifier": classical("LinearClassifier", list("coefficients", marker, 1, 2, marker/2), list("intercepts", -marker), integers("classlabels_ints", 0, 1)),
		"SVM":        classical("SVMRegressor", list("coefficients", 1), list("support_vectors", marker, 1, 2, marker/2), intAttr("n_supports", 1), list("rho", -marker)),
		"Tree": classical("TreeEnsembleRegressor", integers("nodes_treeids", 0, 0, 0), integers("nodes_nodeids", 0, 1, 2), integers("nodes_featureids", 3, 0, 0),
			&onnxpb.Attribute{Name: "nodes_modes", Type: onnxpb.Attribute_STRINGS, Strings: [][]byte{[]byte("BRANCH_LEQ"), []byte("LEAF"), []byte("LEAF")}},
			list("nodes_values", marker/100, 0, 0), integers("nodes_truenodeids", 1, 0, 0), integers("nodes_falsenodeids", 2, 0, 0), list("base_values", -marker),
			integers("target_treeids", 0, 0), integers("target_nodeids", 1, 2), integers("target_ids", 0, 0), list("target_weights", marker, marker/2)),
		"Clip max":  marked([]*onnxpb.Node{op("Clip", "c z k", "d")}, zero),
		"Clip min":  marked([]*onnxpb.Node{op("Neg", "k", "n"), op("Clip", "c n", "d")}),
		"Pad":       marked([]*onnxpb.Node{op("Pad", "c p k", "d")}, pads),
		"quantised": marked([]*onnxpb.Node{op("QuantizeLinear", "c s o", "q"), op("DequantizeLinear", "q s o", "d")}, scale, point),
		"Mul":       marked([]*onnxpb.Node{op("Relu", "c", "r"), op("Mul", "r k", "d")}),
		"Add":       marked([]*onnxpb.Node{op("Relu", "c", "r"), op("Add", "r k", "d")}),
		"Div":       marked([]*onnxpb.Node{op("Sigmoid", "c", "r"), op("Div", "r k", "d")}),
		"Swish":     marked([]*onnxpb.Node{op("Mul", "c k", "a"), op("Sigmoid", "a", "b"), op("Mul", "c b", "d")}),
		"PRelu":     marked([]*onnxpb.Node{op("PRelu", "c h", "d")}, floats("h", nil, marker/2)),
		"Max":       marked([]*onnxpb.Node{op("Max", "c k", "d")}),
		"Min":       marked([]*onnxpb.Node{op("Min", "c k", "d")}),
		"Where":     marked([]*onnxpb.Node{op("Greater", "c z", "g"), op("Where", "g c k", "d")}, zero),
		"Greater":   marked([]*onnxpb.Node{op("Greater", "c k", "g"), op("Cast", "g", "d", intAttr("to", int(Float)))}),
		"Pow":       marked([]*onnxpb.Node{op("Relu", "c", "r"), op("Pow", "r k", "d")}),
	} {
		t.Run(name, func(t *testing.T) {
			secret, err := planOf(t, m, Options{})
			if err != nil {
				if name != "Pow" || !strings.Contains(err.Error(), "--publish-constants") {
					t.Fatal(err)
				}
				return
			}
			for _, v := range []float64{float64(marker), -float64(marker), float64(marker / 2), 1 / float64(marker), float64(marker / 100), float64(marker/100) * (0 - 77), float64(marker/100) * (255 - 77)} {
				if secret.holds(v) {
					t.Errorf("%g stands in the plan", v)
				}
			}
		})
	}
	// The test sees what is there.
	told := ""
	public, err := planOf(t, marked([]*onnxpb.Node{op("Clip", "c z k", "d")}, zero), Options{PublishConstants: true, Published: func(s string) { told += s }})
	if err != nil {
		t.Fatal(err)
	}
	if !public.holds(float64(marker)) {
		t.Error("a bound that may be public is not found")
	}
	power, err := planOf(t, marked([]*onnxpb.Node{op("Relu", "c", "r"), op("Pow", "r k", "d")}), Options{PublishConstants: true})
	if err != nil {
		t.Fatal(err)
	}
	if power.graph = new(ir.Graph); !power.holds(float64(marker)) {
		t.Error("an exponent that may be public is not found in the plan's bytes")
	}
	if !strings.Contains(told, "max of Clip, 2.71828") {
		t.Errorf("told %q", told)
	}
}

// classical is a network of one operator of ai.onnx.ml.
func classical(kind string, attrs ...*onnxpb.Attribute) *onnxpb.Model {
	n := op(kind, "x", "y", attrs...)
	n.Domain = "ai.onnx.ml"
	if kind == "LinearClassifier" {
		n.Output = []string{"l", "y"}
	}
	m := graphOf(15, value("x", 2, 4), nil, n)
	m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSet{Domain: "ai.onnx.ml", Version: 3})
	return m
}

func integers(name string, v ...int64) *onnxpb.Attribute {
	return &onnxpb.Attribute{Name: name, Type: onnxpb.Attribute_INTS, Ints: v}
}

// public is what everybody sees of a compiled network: the plan, and the graph
// behind it without the server's constants.
type public struct {
	bytes []byte
	graph *ir.Graph
}

func planOf(t *testing.T, m *onnxpb.Model, opts Options) (*public, error) {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Import(data, opts)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var examples [][]*num.Tensor
	for range 4 {
		x := make([]float32, g.Inputs[0].Type.N())
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		examples = append(examples, []*num.Tensor{ir.NewReal(g.Inputs[0].Type.Shape, x)})
	}
	made, err := passes.Compile(g, passes.Options{Calibration: examples})
	if err != nil {
		t.Fatal(err)
	}
	b, err := plan.Encode(made.Plan)
	if err != nil {
		t.Fatal(err)
	}
	return &public{b, made.Fixed}, nil
}

// holds looks for a number in the forms that a file may hold it in, and before
// formats are applied: among the attributes of operators and the public constants.
func (p *public) holds(v float64) bool {
	for _, x := range p.graph.Values {
		if c, ok := x.Attrs.(*ir.ConstAttrs); ok {
			if x.Type.Holder == ir.Public && slices.Contains(c.Ints, x.Type.Elem.Quantize(v)) {
				return true
			}
			continue
		}
		if x.Attrs != nil && hasFloat(reflect.ValueOf(x.Attrs).Elem(), v) {
			return true
		}
	}
	var forms [][]byte
	for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
		forms = append(forms, order.AppendUint64(nil, math.Float64bits(v)), order.AppendUint32(nil, math.Float32bits(float32(v))))
	}
	for _, f := range forms {
		if bytes.Contains(p.bytes, f) {
			return true
		}
	}
	return false
}

// hasFloat looks through the fields of an attribute struct.
func hasFloat(s reflect.Value, v float64) bool {
	for i := range s.NumField() {
		switch f := s.Field(i); f.Kind() {
		case reflect.Float64:
			if math.Abs(f.Float()-v) <= 1e-6*math.Abs(v) {
				return true
			}
		case reflect.Struct:
			if hasFloat(f, v) {
				return true
			}
		}
	}
	return false
}
