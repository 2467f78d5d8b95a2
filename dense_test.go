package secc

import (
	"testing"

	"gorgonia.org/tensor"
)

// Gorgonia's tensors are read as they lie, or refused.
func TestDense(t *testing.T) {
	x := tensor.New(tensor.WithShape(2, 2), tensor.WithBacking([]float32{1, 2, 3, 4}))
	set, err := Dense([]*tensor.Dense{x, tensor.New(tensor.FromScalar(float32(5)))})(t.Context(), nil)
	if err != nil || len(set.Cases) != 1 || set.Cases[0][0][2] != 3 || set.Cases[0][1][0] != 5 {
		t.Fatalf("%+v %v", set, err)
	}
	turned := x.Clone().(*tensor.Dense)
	if err := turned.T(); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]*tensor.Dense{
		"none": nil, "float64": tensor.New(tensor.WithShape(1), tensor.Of(tensor.Float64)), "a view": turned,
		"columns first": tensor.New(tensor.WithShape(2, 2), tensor.AsFortran([]float32{1, 2, 3, 4})),
	} {
		if _, err := Dense([]*tensor.Dense{bad})(t.Context(), nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
