package onnx

import (
	"slices"
	"strings"
	"testing"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// fused is a model of one of com.microsoft's operators with float inputs.
func fused(kind string, inputs []*onnxpb.ValueInfo, names string, a ...*onnxpb.Attribute) *onnxpb.Model {
	n := op(kind, "", "y", a...)
	n.Input = strings.Split(names, " ")
	n.Domain = "com.microsoft"
	m := graphOf(17, inputs[0], nil, n)
	m.Graph.Input = inputs
	m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSet{Domain: "com.microsoft", Version: 1})
	return m
}

// evaluate gives the first output on data.
func evaluate(t *testing.T, m *onnxpb.Model, data ...[]float32) []float32 {
	t.Helper()
	g, err := importModel(t, m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var in []*num.Tensor
	for i, v := range g.Inputs {
		in = append(in, ir.NewReal(v.Type.Shape, data[i]))
	}
	out, err := ir.Eval(g, in, ir.EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ir.Floats(out[0])
}

// Queries, keys and values in one tensor are those in three; onnxruntime takes that form on
// other processors only.
func TestPackedAttention(t *testing.T) {
	const batch, length, heads, size = 2, 3, 2, 4
	var packed, pairs []float32
	parts := make([][]float32, 3)
	at := 0
	for range batch * length * heads {
		for p := range 3 {
			for range size {
				x := float32(at*7%23)/11 - 1
				at++
				packed = append(packed, x)
				if parts[p] = append(parts[p], x); p > 0 {
					pairs = append(pairs, x)
				}
			}
		}
	}
	flat := func(name string) *onnxpb.ValueInfo { return value(name, batch, length, heads*size) }
	h := intAttr("num_heads", heads)
	want := evaluate(t, fused("MultiHeadAttention", []*onnxpb.ValueInfo{flat("q"), flat("k"), flat("v")}, "q k v", h), parts...)
	got := evaluate(t, fused("MultiHeadAttention", []*onnxpb.ValueInfo{value("p", batch, length, heads, 3, size)}, "p", h), packed)
	if !slices.Equal(got, want) {
		t.Errorf("packed: %v, want %v", got, want)
	}
	got = evaluate(t, fused("MultiHeadAttention", []*onnxpb.ValueInfo{flat("q"), value("kv", batch, length, heads, 2, size)}, "q kv", h), parts[0], pairs)
	if !slices.Equal(got, want) {
		t.Errorf("keys and values packed: %v, want %v", got, want)
	}
}

// What does not fit is refused by what it is.
func TestAttentionThatDoesNotFit(t *testing.T) {
	q, k, v := value("q", 1, 3, 8), value("k", 1, 5, 8), value("v", 1, 5, 8)
	h := intAttr("num_heads", 2)
	for want, m := range map[string]*onnxpb.Model{
		"3 heads in data of shape [1 3 8]":                       fused("MultiHeadAttention", []*onnxpb.ValueInfo{q, k, v}, "q k v", intAttr("num_heads", 3)),
		"a mask of shape [1 4] with 3 queries and 5 keys":        fused("MultiHeadAttention", []*onnxpb.ValueInfo{q, k, v, value("m", 1, 4)}, "q k v  m", h),
		"a mask of shape [4] does not fit":                       fused("MultiHeadAttention", []*onnxpb.ValueInfo{q, k, v, value("b", 4)}, "q k v   b", h),
		"shapes [1 2 3 4], [1 2 5 4] and [1 2 4 4] do not fit":   fused("MultiHeadAttention", []*onnxpb.ValueInfo{q, k, value("v", 1, 4, 8)}, "q k v", h),
		"a bias of shape [7] for widths 8, 8 and 8":              fused("MultiHeadAttention", []*onnxpb.ValueInfo{q, k, v, value("b", 7)}, "q k v b", h),
		"attribute do_rotary":                                    fused("Attention", []*onnxpb.ValueInfo{q, value("w", 8, 24)}, "q w", h, intAttr("do_rotary", 1)),
		"do not make queries, keys and values of widths [8 8 4]": fused("Attention", []*onnxpb.ValueInfo{q, value("w", 8, 24)}, "q w", h, &onnxpb.Attribute{Name: "qkv_hidden_sizes", Type: onnxpb.Attribute_INTS, Ints: []int64{8, 8, 4}}),
		"for heads of 4":                                         fused("RotaryEmbedding", []*onnxpb.ValueInfo{q, value("p", 1, 3), value("c", 9, 3), value("s", 9, 3)}, "q p c s", h),
		"input 5 is missing":                                     fused("EmbedLayerNormalization", []*onnxpb.ValueInfo{value("i", 1, 3), value("w", 9, 8), value("p", 9, 8)}, "i  w p   "),
		"keys and values of before have shape [1 1 2 3 4]":       fused("Attention", []*onnxpb.ValueInfo{q, value("w", 8, 24), value("p", 1, 1, 2, 3, 4)}, "q w   p", h),
		"holds no 3 tensors":                                     fused("MultiHeadAttention", []*onnxpb.ValueInfo{value("q", 1, 3, 2, 2, 4)}, "q", h),
		"want rank 4 to 4":                                       fused("MultiHeadAttention", []*onnxpb.ValueInfo{q, k, v, value("p", 1, 2), value("r", 1, 2)}, "q k v    p r", h),
		"3 elements from 0 on along axis 0":                      fused("EmbedLayerNormalization", []*onnxpb.ValueInfo{value("i", 1, 3), value("w", 9, 8), value("p", 2, 8), value("g", 8), value("b", 8)}, "i  w p  g b"),
	} {
		expectError(t, m, Options{}, want)
	}
}
