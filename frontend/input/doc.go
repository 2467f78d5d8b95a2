// Package input turns files into the tensors that a network takes: PNG, JPEG
// and DICOM images by the plan's preprocessing, NumPy arrays, ONNX TensorProtos
// and raw numbers as they are. The client and the compiler's calibration read
// inputs here alike.
//
// Files may come from anybody. Sizes are checked before memory is taken for
// them, and errors quote nothing of a DICOM file that could name a patient.
// The package knows the plan's preprocessing and nothing of the compiler, so
// that a client can be linked without one.
package input

import (
	"fmt"
	"math"
	"slices"

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input/internal/hint"
)

// Spec describes a tensor the network takes.
type Spec struct {
	Name  string
	Shape []int
	Prep  plan.Preprocess
	Seen  *plan.Seen // what calibration saw; may be nil
	Part  int        // its number among the input_0, input_1, ... of the model's file, counted from 1; 0: its place among the inputs
}

// Specs gives the inputs of a plan.
func Specs(p *plan.Plan) []Spec {
	var s []Spec
	for _, in := range p.Inputs {
		s = append(s, Spec{Name: in.Name, Shape: in.Shape, Prep: in.Preprocess, Seen: in.Seen})
	}
	return s
}

// N is the number of elements.
func (s Spec) N() int {
	n := 1
	for _, d := range s.Shape {
		n *= d
	}
	return n
}

// Examples is how many examples an input of pictures, or of rows, holds: its first
// dimension.
func (s Spec) Examples() int {
	if len(s.Shape) < 2 {
		return 1
	}
	return s.Shape[0]
}

// Example is the spec of one of them.
func (s Spec) Example() Spec {
	if s.Examples() > 1 {
		s.Shape = slices.Clone(s.Shape)
		s.Shape[0] = 1
	}
	return s
}

// Channels gives the number of channels of an image input and how many
// consecutive elements belong to the same channel.
func (s Spec) Channels() (c, inner int) {
	d := s.Shape
	if len(d) < 3 {
		return 1, 1
	}
	if s.Prep.Layout == "nhwc" {
		return d[len(d)-1], 1
	}
	return d[len(d)-3], d[len(d)-2] * d[len(d)-1]
}

// Hint is the way out that an error of this package names, or nothing.
func Hint(err error) string { return hint.Of(err) }

// notFiniteAt refuses values that are no numbers. Minus infinity is one: masks hold it,
// and where the network has no use for it the client refuses to encode it.
func notFiniteAt(values []float32) error {
	for i, x := range values {
		if x-x != 0 && !math.IsInf(float64(x), -1) {
			return fmt.Errorf("element %d is not a finite number: fill in what is missing, as when the network was trained", i)
		}
	}
	return nil
}
