// Package onnxtest reads test data in the layouts the ONNX project publishes:
// backend test cases (a model beside test_data_set_* directories of TensorProto
// files) and the seeded fill of its weightless "light" networks.
//
// It is for tests and conformance tools; nothing of the product depends on it.
package onnxtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"google.golang.org/protobuf/proto"

	"secc.example/secc/frontend/onnx"
	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
)

// Case is one model with one set of inputs and expected outputs.
type Case struct {
	Name    string
	Family  string
	Dir     string
	Inputs  map[string]*onnx.Tensor
	Outputs []*onnx.Tensor // in the order of the graph's outputs
}

// Index lists the cases of a conformance directory (index.json), sorted by name.
func Index(dir string) ([]*Case, error) {
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, err
	}
	var rows map[string]struct{ Family string }
	if err := json.Unmarshal(data, &rows); err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	var cases []*Case
	for name, row := range rows {
		cases = append(cases, &Case{Name: name, Family: row.Family, Dir: filepath.Join(dir, name)})
	}
	sort.Slice(cases, func(i, j int) bool { return cases[i].Name < cases[j].Name })
	return cases, nil
}

// Deviates gives the reason why a published case is not met on purpose. In these
// two the standard's reference aligns corners with a width before rounding down;
// onnxruntime and PyTorch, which models are trained and run with, take the width
// that there is.
func (c *Case) Deviates() string {
	switch c.Name {
	case "node/test_resize_downsample_scales_cubic_align_corners", "node/test_resize_downsample_scales_linear_align_corners":
		return "corners are aligned as onnxruntime and PyTorch do"
	}
	return ""
}

// Load reads the first data set of a case.
func (c *Case) Load() error {
	inputs, outputs, err := signature(filepath.Join(c.Dir, "model.onnx"))
	if err != nil {
		return err
	}
	c.Inputs = map[string]*onnx.Tensor{}
	for i, name := range inputs {
		t, err := readTensor(c.Dir, "input", i)
		if err != nil {
			return err
		}
		c.Inputs[name] = t
	}
	for i := range outputs {
		t, err := readTensor(c.Dir, "output", i)
		if err != nil {
			return err
		}
		c.Outputs = append(c.Outputs, t)
	}
	return nil
}

func readTensor(dir, kind string, i int) (*onnx.Tensor, error) {
	data, err := os.ReadFile(filepath.Join(dir, "test_data_set_0", fmt.Sprintf("%s_%d.pb", kind, i)))
	if err != nil {
		return nil, err
	}
	return onnx.ReadTensor(data)
}

// signature gives the names of a model's data inputs and of its outputs.
func signature(path string) (inputs, outputs []string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var m onnxpb.Model
	if err := proto.Unmarshal(data, &m); err != nil {
		return nil, nil, err
	}
	stored := map[string]bool{}
	for _, t := range m.GetGraph().GetInitializer() {
		stored[t.GetName()] = true
	}
	for _, v := range m.GetGraph().GetInput() {
		if !stored[v.GetName()] {
			inputs = append(inputs, v.GetName())
		}
	}
	for _, v := range m.GetGraph().GetOutput() {
		outputs = append(outputs, v.GetName())
	}
	return inputs, outputs, nil
}

// Import imports the case's model. The published cases hand parameters (axes,
// shapes, weights) over as graph inputs; those that must be constants in a
// compiled network are bound to the values of this data set. Bound names them.
func (c *Case) Import() (g *ir.Graph, bound []string, err error) {
	opts := onnx.Options{Constants: map[string]*onnx.Tensor{}, InputShapes: map[string][]int{}}
	for name, t := range c.Inputs {
		opts.InputShapes[name] = t.Shape
	}
	for {
		g, err = onnx.ImportFile(filepath.Join(c.Dir, "model.onnx"), opts)
		var u *onnx.UnsupportedError
		if !errors.As(err, &u) {
			break
		}
		more := false
		for _, e := range u.Entries {
			if t := c.Inputs[e.Bind]; t != nil && opts.Constants[e.Bind] == nil && len(opts.Constants) < len(c.Inputs) {
				opts.Constants[e.Bind] = t
				bound, more = append(bound, e.Bind), true
			}
		}
		if !more {
			break
		}
	}
	sort.Strings(bound)
	return g, bound, err
}

// Data gives the case's values for the graph's inputs, in their order.
func (c *Case) Data(g *ir.Graph) [][]float32 {
	var data [][]float32
	for _, v := range g.Inputs {
		data = append(data, c.Inputs[v.Name].Floats())
	}
	return data
}

// Compare checks an output: |got - want| <= abs + rel*|want| everywhere.
func Compare(got, want []float32, rel, abs float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d elements, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := float64(got[i]), float64(want[i])
		if g == w || math.IsNaN(g) && math.IsNaN(w) {
			continue
		}
		if d := math.Abs(g - w); !(d <= abs+rel*math.Abs(w)) {
			return fmt.Errorf("element %d is %g, want %g", i, g, w)
		}
	}
	return nil
}

// Reason shortens an import error to what is wrong, for tables.
func Reason(err error) string {
	var u *onnx.UnsupportedError
	if errors.As(err, &u) && len(u.Entries) > 0 {
		return u.Entries[0].Op + ": " + u.Entries[0].Reason
	}
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}
