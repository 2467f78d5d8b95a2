package input

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/internal/dicomtest"
)

// A radiograph of 1024 x 1024 comes out as the reference's own preprocessing
// made it, to the last grey level.
func TestRadiographAsTheReference(t *testing.T) {
	dir := "../../../shared/models/densenet121_cxr"
	pixels, err := os.ReadFile(filepath.Join(dir, "images.u8"))
	if err != nil {
		t.Logf("left out: %v", err)
		return
	}
	prep, err := ParsePreprocess("raw,crop=square,via=256")
	if err != nil {
		t.Fatal(err)
	}
	const size = 3 * 224 * 224
	for i, name := range []string{"00005203_000", "00015915_000", "00006338_000", "00011564_008"} {
		got, err := Load([]string{filepath.Join(dir, "png", name+".png")}, []Spec{{"x", []int{1, 3, 224, 224}, prep, nil, 0}})
		if err != nil {
			t.Fatal(err)
		}
		sum, most := 0.0, 0.0
		for k, v := range got[0].Values {
			d := math.Abs(float64(v) - float64(pixels[i*size+k]))
			sum, most = sum+d, max(most, d)
		}
		if mean := sum / size; most > 0 {
			t.Errorf("%s: grey levels differ by %.3f on average and %.1f at most", name, mean, most)
		}
	}
}

// scan.dcm#2 is the second frame, unless a file has that name.
func TestFrameOfInput(t *testing.T) {
	data := dicomtest.File(dicomtest.ExplicitLittle, dicomtest.Grey(2, 2, 16, 12), dicomtest.Text(0x0028_0008, "IS", "2"),
		dicomtest.Element(0x7fe0_0010, "OW", dicomtest.Words(0, 0, 0, 4000, 4000, 0, 0, 0)))
	path := write(t, "scan.dcm", data)
	want := []Spec{{"x", []int{1, 1, 2, 2}, plan.Preprocess{Preset: "raw"}, nil, 0}}
	for suffix, first := range map[string]float32{"": 0, "#1": 0, "#2": 255} {
		got, err := Load([]string{path + suffix}, want)
		if err != nil || got[0].Values[0] != first {
			t.Errorf("%q: %v %v, want %v first", suffix, got, err, first)
		}
	}
	for _, bad := range []string{path + "#3", path + "#0", write(t, "t.f32", make([]byte, 16)) + "#1"} {
		if _, err := Load([]string{bad}, want); err == nil {
			t.Errorf("%s: %v", filepath.Base(bad), err)
		} else if strings.Contains(err.Error(), "DOE") {
			t.Errorf("the error quotes the patient: %v", err)
		}
	}
	if err := os.WriteFile(path+"#2", []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Load([]string{path + "#2"}, want); err == nil {
		t.Errorf("a file of that name was passed over: %v", got)
	}
}
