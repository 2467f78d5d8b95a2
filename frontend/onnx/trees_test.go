package onnx

import (
	"testing"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// TestOddTrees: lists that do not describe trees are refused, and a tree that is
// one leaf counts.
func TestOddTrees(t *testing.T) {
	weights := &onnxpb.Attribute{Name: "target_weights", Type: onnxpb.Attribute_FLOATS, Floats: []float32{1, 2, 4}}
	values := &onnxpb.Attribute{Name: "nodes_values", Type: onnxpb.Attribute_FLOATS, Floats: []float32{0.5, 0, 0, 0}}
	modes := &onnxpb.Attribute{Name: "nodes_modes", Type: onnxpb.Attribute_STRINGS, Strings: [][]byte{[]byte("BRANCH_GT"), []byte("LEAF"), []byte("LEAF"), []byte("LEAF")}}
	yes, no, look := integers("nodes_truenodeids", 1, 0, 0, 0), integers("nodes_falsenodeids", 2, 0, 0, 0), integers("nodes_featureids", 1, 0, 0, 0)
	ids, at := integers("nodes_nodeids", 0, 1, 2, 0), integers("target_nodeids", 1, 2, 0)
	m := classical("TreeEnsembleRegressor", weights, values, modes, yes, no, look, ids, at,
		integers("nodes_treeids", 0, 0, 0, 1), integers("target_treeids", 0, 0, 1), integers("target_ids", 0, 0, 0))
	x := []float32{0, 1, 0, 0, 0, 0.5, 0, 0}
	expect(t, m, Options{}, x, []float32{5, 6})

	for _, c := range []struct {
		list  []int64
		at    int
		value int64
		word  string
	}{
		{yes.Ints, 0, 0, ""}, // a cycle: no root leads there, and the leaves of it have no weight
		{yes.Ints, 0, 2, "another way"},
		{no.Ints, 0, 7, "another way"},
		{look.Ints, 0, 4, "feature 4 of 4"},
		{ids.Ints, 1, 2, "stands twice"},
		{at.Ints, 0, 0, "no leaf"},
	} {
		was := c.list[c.at]
		c.list[c.at] = c.value
		if g, err := importModel(t, m, Options{}); c.word != "" || err != nil {
			expectError(t, m, Options{}, `"y" (ai.onnx.ml.TreeEnsembleRegressor)`, c.word)
		} else if len(g.Outputs) != 1 {
			t.Error("no output")
		}
		c.list[c.at] = was
	}
}
