package input

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Files from outside, with the tensor that is right where there is one.
func TestFilesFromOutside(t *testing.T) {
	root := "../../../shared/cases/inputs"
	if _, err := os.Stat(root); err != nil {
		t.Logf("left out: %v", err)
		return
	}
	for _, c := range []struct {
		name, prep string
		shape      []int
		within     float64
		warning    string
	}{
		{"i_alpha", "raw", []int{1, 3, 48, 64}, 0.51, ""},
		{"i_exif_3", "raw", []int{1, 3, 60, 60}, 1, ""},
		{"i_exif_6", "raw", []int{1, 3, 60, 60}, 1, ""},
		{"i_npy_int32", "unit", nil, 1e-6, ""},
		{"i_dcm_enhanced_shared", "raw", []int{1, 1, 32, 40}, 0.51, ""},
		{"i_dcm_nogrouplength", "raw", []int{1, 1, 32, 40}, 0.51, ""},
		{"i_dcm_ect_real", "raw", []int{1, 1, 512, 512}, 0, "2 frames"},
		{"i_dcm_floatpixels", "raw", []int{1, 1, 128, 128}, 0, ""},
		{"i_png12in16", "raw", []int{1, 1, 48, 64}, 0, "range=4095"},
	} {
		files, _ := filepath.Glob(filepath.Join(root, c.name, "in.*"))
		if len(files) != 1 {
			t.Errorf("%s: %d files", c.name, len(files))
			continue
		}
		want := tensorFile(t, filepath.Join(root, c.name, "expected.f32"))
		p, err := ParsePreprocess(c.prep)
		if err != nil {
			t.Fatal(err)
		}
		if c.shape == nil {
			c.shape = []int{1, 3, len(want) / 3, 1}
			if a, err := Read(files[0], Spec{"x", []int{1}, p, nil, 0}); err == nil {
				t.Errorf("%s: read into a shape it does not have: %v", c.name, a.Shape)
			}
			a, err := readNPY(must(os.ReadFile(files[0])))
			if err != nil {
				t.Fatal(err)
			}
			c.shape = a.Shape
		}
		got, err := Load(files, []Spec{{"x", c.shape, p, nil, 0}})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if text := strings.Join(got[0].Warnings, "; "); c.warning == "" && text != "" || !strings.Contains(text, c.warning) {
			t.Errorf("%s: warnings %q, want %q", c.name, text, c.warning)
		}
		most := 0.0
		for i := range want {
			most = max(most, math.Abs(float64(got[0].Values[i]-want[i])))
		}
		if most > c.within {
			t.Errorf("%s: values differ by up to %g", c.name, most)
		}
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// tensorFile reads raw float32; nothing of a file that is not there.
func tensorFile(t *testing.T, path string) []float32 {
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}
