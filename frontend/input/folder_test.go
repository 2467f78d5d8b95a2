package input

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
)

// greyPNG is a picture of one level.
func greyPNG(t *testing.T, level byte) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 2, 2))
	for i := range img.Pix {
		img.SetGray(i%2, i/2, color.Gray{Y: level})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A directory gives what its files hold, whatever case their names have or whether they end
// in anything, with its sub-directories, as people count; what is left out is named.
func TestFoldersAreReadAsClientsRead(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, b []byte) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for level, name := range []string{"A2.PNG", "A10.png", "IM0001", "sub2/x.Png", "sub10/deep/x.png"} {
		put(name, greyPNG(t, byte(level)))
	}
	put("notes.txt", []byte("0123456789abcdef")) // as many bytes as a raw float32 input
	put("e.TIF", []byte("II*\x00"))
	put(".DS_Store", greyPNG(t, 99))
	want := Spec{Name: "x", Shape: []int{1, 1, 2, 2}, Prep: plan.Preprocess{Preset: "raw"}}
	set, err := Examples(t.Context(), dir, []Spec{want})
	if err != nil {
		t.Fatal(err)
	}
	if order := []string{"A2.PNG", "A10.png", "IM0001", "sub2/x.Png", "sub10/deep/x.png"}; !slices.Equal(set.Sources, order) {
		t.Errorf("read %q, want %q", set.Sources, order)
	}
	for i, c := range set.Cases {
		if c[0][0] != float32(i) {
			t.Errorf("%s holds the level %g, want %d", set.Sources[i], c[0][0], i)
		}
	}
	if !slices.Equal(set.Skipped, []string{"e.TIF", "notes.txt"}) {
		t.Errorf("left out: %q", set.Skipped)
	}
	if all := strings.Join(set.Warnings(), "; "); !strings.Contains(all, "e.TIF, notes.txt") {
		t.Errorf("warnings do not name what was left out: %q", all)
	}
}

// The directory from outside: four kinds of names that a viewer opens, two kinds of pictures
// that are not read.
func TestFolderFromOutside(t *testing.T) {
	dir := "../../../shared/cases/inputs/i_calibration_dir/cal"
	if _, err := os.Stat(dir); err != nil {
		t.Logf("left out: %v", err)
		return
	}
	set, err := Examples(t.Context(), dir, []Spec{{Name: "x", Shape: []int{1, 3, 32, 32}, Prep: plan.Preprocess{Preset: "unit", Resize: 32}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"A.PNG", "IM0001", "b.JPG", "c.Jpeg", "d.dicom", "g.png"}; !slices.Equal(set.Sources, want) {
		t.Errorf("read %q, want %q", set.Sources, want)
	}
	if want := []string{"e.tif", "f.bmp"}; !slices.Equal(set.Skipped, want) {
		t.Errorf("left out %q, want %q", set.Skipped, want)
	}
}

// Floats under a plan with a preprocessing are the tensor; where they look like something
// else, the reader says so and changes nothing.
func TestFloatsThatLookLikePixels(t *testing.T) {
	imagenet := plan.Preprocess{Preset: "imagenet", Scale: []float64{1 / (255 * 0.225)}, Shift: []float64{-0.45 / 0.225}} // -2 to 2.44
	unit := plan.Preprocess{Preset: "unit", Scale: []float64{1. / 255}}
	for name, c := range map[string]struct {
		prep   plan.Preprocess
		values [4]float32
		says   string
	}{
		"pixels":                      {imagenet, [4]float32{0, 17, 200, 255}, "preprocessed"},
		"pixels for a plan of 0 to 1": {unit, [4]float32{0, 17, 200, 255}, "preprocessed"},
		"0 to 1":                      {imagenet, [4]float32{0, 0.2, 0.7, 1}, "pixels from 0 to 1"},
		"another shift":               {unit, [4]float32{-1, -0.2, 0.7, 1}, "preprocessed"},
		"divided twice":               {unit, [4]float32{0, 0.0005, 0.002, 0.004}, "contrast"},
		"the tensor":                  {imagenet, [4]float32{-2, -0.1, 1, 2.4}, ""},
		"the tensor of 0 to 1":        {unit, [4]float32{0, 0.2, 0.7, 1}, ""},
		"a tensor, a little beyond":   {unit, [4]float32{-0.04, 0.2, 0.7, 1.04}, ""},
		"no preprocessing":            {plan.Preprocess{}, [4]float32{0, 17, 200, 255}, ""},
	} {
		var data []byte
		for _, x := range c.values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		}
		w := Spec{Name: "x", Shape: []int{1, 1, 2, 2}, Prep: c.prep}
		for file, b := range map[string][]byte{"x.npy": npyFile("<f4", "1, 1, 2, 2", data), "x.f32": data} {
			a, err := Decode(file, b, 0, w)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a.Values, c.values[:]) {
				t.Errorf("%s, %s: values became %v", name, file, a.Values)
			}
			if said := strings.Join(a.Warnings, "; "); (said == "") != (c.says == "") || !strings.Contains(said, c.says) {
				t.Errorf("%s, %s: says %q, want %q", name, file, said, c.says)
			}
		}
	}
}
