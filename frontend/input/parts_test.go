package input

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"secc.example/secc/backend/plan"
)

// TestParts: where an input of the model's file is set it has a file in published
// cases all the same, and the others keep their numbers.
func TestParts(t *testing.T) {
	dir := t.TempDir()
	for i, v := range []float32{1, 2, 3} {
		b := binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("input_%d.f32", i)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []Spec{{Name: "a", Shape: []int{1}, Part: 1}, {Name: "c", Shape: []int{1}, Part: 3}}
	values := func() [2]float32 {
		set, err := Examples(t.Context(), dir, want)
		if err != nil {
			t.Fatal(err)
		}
		return [2]float32{set.Cases[0][0][0], set.Cases[0][1][0]}
	}
	if got := values(); got != [2]float32{1, 3} {
		t.Errorf("all files: got %v", got)
	}
	if err := os.Remove(filepath.Join(dir, "input_2.f32")); err != nil {
		t.Fatal(err)
	}
	if got := values(); got != [2]float32{1, 2} {
		t.Errorf("only the network's own: got %v", got)
	}
}

// Reading examples ends with the context, between one file and the next.
func TestExamplesEndWithTheContext(t *testing.T) {
	dir := t.TempDir()
	const files = 5
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.u8", i)), make([]byte, 4), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []Spec{{Name: "x", Shape: []int{4}}}
	for at := range 2*files + 1 { // a look at each while they are listed, another before each is read
		ctx := &impatient{Context: t.Context(), left: at}
		set, err := Examples(ctx, dir, want)
		if over := at < 2*files; errors.Is(err, context.Canceled) != over || !over && (err != nil || len(set.Cases) != files) {
			t.Errorf("after %d questions: %v", at, err)
		}
	}
}

// impatient is a context that is cancelled when it has been asked so often.
type impatient struct {
	context.Context
	left int
}

func (c *impatient) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// Whole numbers are pixels only if they can be.
func TestPixelsHaveARange(t *testing.T) {
	w := Spec{Name: "x", Shape: []int{1, 1, 1, 2}, Prep: plan.Preprocess{Preset: "unit", Scale: []float64{1. / 255}}}
	for _, c := range []struct {
		values []float32
		ok     bool
	}{{[]float32{0, 255}, true}, {[]float32{-1, 255}, false}, {[]float32{0, 256}, false}} {
		a := &Array{Shape: w.Shape, Values: c.values, kind: "i2"}
		if err := w.scalePixels(a); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.values, err)
		}
	}
}

// A tensor that says that its data lie elsewhere is not read, whatever it holds.
func TestTensorsElsewhere(t *testing.T) {
	for location, ok := range map[byte]bool{0: true, 1: false} {
		b := []byte{fieldDims << 3, 1, fieldType << 3, 1, fieldRaw<<3 | 2, 4, 0, 0, 0, 0, fieldLocation << 3, location}
		if _, err := readProto(b); (err == nil) != ok {
			t.Errorf("location %d: %v", location, err)
		}
	}
}
