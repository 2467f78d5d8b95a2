package secc

import (
	"context"
	"fmt"

	"gorgonia.org/tensor"

	"secc.example/secc/frontend/input"
)

// Dense gives example inputs from gorgonia's tensors: for each example one tensor of
// float32 for each input of the network, row-major.
func Dense(examples ...[]*tensor.Dense) Examples {
	return func(ctx context.Context, want []input.Spec) (*input.Set, error) {
		cases := make([]input.Case, len(examples))
		for i, tensors := range examples {
			for j, t := range tensors {
				x, err := elements(t)
				if err != nil {
					return nil, fmt.Errorf("example %d, input %d: %w", i+1, j+1, err)
				}
				cases[i] = append(cases[i], x)
			}
		}
		return Values(cases...)(ctx, want)
	}
}

// elements refuses tensors whose storage is not simply their elements in order.
func elements(t *tensor.Dense) ([]float32, error) {
	if t == nil || t.Dtype() != tensor.Float32 {
		return nil, fmt.Errorf("no tensor of float32")
	}
	if t.RequiresIterator() || t.DataOrder().IsColMajor() {
		return nil, fmt.Errorf("tensor is a view or not row-major")
	}
	if t.IsScalar() {
		return []float32{t.ScalarValue().(float32)}, nil
	}
	return t.Float32s(), nil
}
