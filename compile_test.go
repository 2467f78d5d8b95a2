package secc

import (
	"context"
	"errors"
	"os"
	"testing"
)

// A context that ends is no fault of the model's.
func TestCompileEndsWithContext(t *testing.T) {
	model, err := os.ReadFile("testdata/models/mnist_cntk_8/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m, err := Import(ctx, model, Options{Batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	ready, err := m.Prepare(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for what, run := range map[string]func() error{
		"import":  func() error { _, err := Import(ctx, model, Options{}); return err },
		"prepare": func() error { _, err := m.Prepare(ctx); return err },
		"plan":    func() error { _, err := ready.Network(ctx, m.Options.Profile); return err },
	} {
		err := run()
		if bad := (*ModelError)(nil); !errors.Is(err, context.Canceled) || errors.As(err, &bad) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Compile(t.Context(), []byte("no model"), Options{}); err == nil || !errors.As(err, new(*ModelError)) {
		t.Errorf("a file that is no model: %v", err)
	}
}
