package secc_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"secc.example/secc"
	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input"
)

// What docs/evidence/train made compiles, and of 20 test images the simulation gets right
// what it got right when the files were made; one of them is answered securely.
func TestTrainedNetworks(t *testing.T) {
	right := map[string]int{"resnet20_x4": 17, "resnet8": 11}
	const images = "testdata/models/resnet20_cifar10/"
	var meta struct {
		Labels       []int
		Scale, Shift []float64
	}
	b, err := os.ReadFile(images + "meta.json")
	if err == nil {
		err = json.Unmarshal(b, &meta)
	}
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/trained/*.onnx")
	if err != nil || len(files) != len(right) {
		t.Fatalf("%v: %v, want %d", files, err, len(right))
	}
	for name, want := range right {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model, err := os.ReadFile("testdata/trained/" + name + ".onnx")
			if err != nil {
				t.Fatal(err)
			}
			n, err := secc.Compile(context.Background(), model, secc.Options{
				Calibration: secc.Files(images + "images.u8"), Preprocess: plan.Preprocess{Preset: "custom", Scale: meta.Scale, Shift: meta.Shift},
			})
			if err != nil {
				t.Fatal(err)
			}
			set, err := input.Examples(context.Background(), images+"images.u8", input.Specs(n.Plan))
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for i, x := range set.Cases {
				y, err := secc.Simulate(context.Background(), n, x, 1)
				if err != nil {
					t.Fatal(err)
				}
				if best(y[0]) == meta.Labels[i] {
					got++
				}
			}
			if got != want {
				t.Errorf("%d of %d are right, want %d", got, len(set.Cases), want)
			}
			r, err := secc.Local(context.Background(), n, set.Cases[0])
			if err != nil {
				t.Fatal(err)
			}
			if r.Total.Bytes != n.Report.Total.Bytes {
				t.Errorf("%d bytes were sent, %d predicted", r.Total.Bytes, n.Report.Total.Bytes)
			}
		})
	}
}
