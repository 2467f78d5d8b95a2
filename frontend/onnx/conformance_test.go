package onnx_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"secc.example/secc/frontend/onnx/onnxtest"
	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// shared is the directory of large test data beside the repository; tests that
// need it say so and do the rest without.
const shared = "../../../shared"

func sharedDir(t *testing.T, parts ...string) string {
	t.Helper()
	dir := filepath.Join(append([]string{shared}, parts...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Logf("left out: no test data at %s", dir)
		return ""
	}
	return dir
}

func evaluate(t *testing.T, g *ir.Graph, data [][]float32) [][]float32 {
	t.Helper()
	var in []*num.Tensor
	for i, v := range g.Inputs {
		in = append(in, ir.NewReal(v.Type.Shape, data[i]))
	}
	out, err := ir.Eval(g, in, ir.EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float32
	for _, o := range out {
		all = append(all, ir.Floats(o))
	}
	return all
}

// TestConformance runs the ONNX project's backend cases through the importer and
// the float reference: a selection always, all 528 where they are. Whatever is
// accepted must be right.
func TestConformance(t *testing.T) {
	t.Run("selection", func(t *testing.T) { conformance(t, "../../testdata/conformance") })
	t.Run("all", func(t *testing.T) {
		if dir := sharedDir(t, "conformance"); dir != "" {
			conformance(t, dir)
		}
	})
}

func conformance(t *testing.T, dir string) {
	cases, err := onnxtest.Index(dir)
	if err != nil {
		t.Fatal(err)
	}
	passed, refused := 0, 0
	for _, c := range cases {
		switch err := runCase(t, c); {
		case c.Deviates() != "":
			if refused++; err == nil {
				t.Errorf("%s passes, though %s", c.Name, c.Deviates())
			}
		case err == nil:
			passed++
		case errors.Is(err, errRefused):
			refused++
			t.Logf("%s: %v", c.Name, err)
		default:
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	t.Logf("%d cases: %d passed, %d refused", len(cases), passed, refused)
	if passed*100 < len(cases)*98 {
		t.Errorf("%d of %d cases passed, want 98 %%", passed, len(cases))
	}
}

var errRefused = errors.New("refused")

func runCase(t *testing.T, c *onnxtest.Case) error {
	if err := c.Load(); err != nil {
		return err
	}
	g, bound, err := c.Import()
	if err != nil {
		return fmt.Errorf("%w: %s", errRefused, onnxtest.Reason(err))
	}
	if err := ir.Verify(g, ir.Real); err != nil {
		return err
	}
	for i, got := range evaluate(t, g, c.Data(g)) {
		if err := onnxtest.Compare(got, c.Outputs[i].Floats(), 1e-3, 1e-5); err != nil {
			return fmt.Errorf("output %d with %v bound: %w", i, bound, err)
		}
	}
	return nil
}
