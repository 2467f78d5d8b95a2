package input

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
)

// Pictures of one run: as many as the input holds, in order, each with its own pixels;
// too few are an error that says so.
func TestPicturesFillABatch(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for i, level := range []uint8{10, 20, 30, 40} {
		img := image.NewGray(image.Rect(0, 0, 2, 2))
		for at := range img.Pix {
			img.SetGray(at%2, at/2, color.Gray{Y: level})
		}
		path := filepath.Join(dir, string(rune('a'+i))+".png")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	want := []Spec{{Name: "x", Shape: []int{2, 1, 2, 2}, Prep: plan.Preprocess{Preset: "raw"}}}
	levels := func(values ...float32) (all []float32) {
		for _, v := range values {
			all = append(all, v, v, v, v)
		}
		return all
	}
	got, err := Questions(t.Context(), files, want)
	if err != nil || len(got) != 2 || !slices.Equal(got[0].Values()[0], levels(10, 20)) || !slices.Equal(got[1].Values()[0], levels(30, 40)) {
		t.Errorf("four pictures for runs of two: %v, %v", got, err)
	}
	set, err := Examples(t.Context(), dir, want)
	if err != nil || len(set.Cases) != 2 || !slices.Equal(set.Cases[1][0], levels(30, 40)) {
		t.Errorf("a folder of four: %v, %v", set, err)
	}
	if _, err := Questions(t.Context(), files[:3], want); err == nil {
		t.Error("three pictures pass for runs of two")
	}
	if err := os.Remove(files[3]); err != nil {
		t.Fatal(err)
	}
	if _, err := Examples(t.Context(), dir, want); err == nil || !strings.Contains(err.Error(), "1 pictures are left over") {
		t.Errorf("a folder of three: %v", err)
	}
}
