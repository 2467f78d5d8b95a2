package onnx

import (
	"testing"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
)

// A window of even size over channels begins at the channel itself: ONNX rounds the half
// before it down and the half behind it up.
func TestLRNOfEvenSize(t *testing.T) {
	n := op("LRN", "x", "y", intAttr("size", 2), floatAttr("alpha", 2), floatAttr("beta", 1))
	want := []float32{0.5 / (1 + 0.25 + 4), -2. / (1 + 4 + 9), 3. / (1 + 9 + 1), 1. / (1 + 1)}
	expect(t, graphOf(13, value("x", 1, 4, 1), nil, n), Options{}, restX, want)
}

func TestPoolsRefuseNegativePads(t *testing.T) {
	for _, name := range []string{"MaxPool", "AveragePool"} {
		for _, pads := range [][]int64{{-1, 0, 1, 0}, {0, 0, 0, -1}} {
			n := op(name, "x", "y", &onnxpb.Attribute{Name: "kernel_shape", Type: onnxpb.Attribute_INTS, Ints: []int64{1, 1}},
				&onnxpb.Attribute{Name: "pads", Type: onnxpb.Attribute_INTS, Ints: pads})
			expectError(t, graphOf(13, value("x", 1, 1, 4, 4), nil, n), Options{}, "negative pads")
		}
	}
}
