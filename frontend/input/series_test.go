package input

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input/dicom"
)

// sliced is a DICOM file of 2 x 2 pixels of one level, or of as many frames as there are levels.
func sliced(t *testing.T, path, series, instance string, more dicom.Data, levels ...byte) {
	t.Helper()
	var pixels []byte
	for _, l := range levels {
		pixels = append(pixels, l, l, l, l)
	}
	d := dicom.Data{
		0x0008_0016: dicom.UID("1.2.840.10008.5.1.4.1.1.2"), 0x0008_0018: dicom.UID(instance), 0x0020_000d: dicom.UID("1.2.3"), 0x0020_000e: dicom.UID(series),
		0x0028_0002: dicom.Words(1), 0x0028_0004: dicom.Text("CS", "MONOCHROME2"), 0x0028_0010: dicom.Words(2), 0x0028_0011: dicom.Words(2),
		0x0028_0100: dicom.Words(8), 0x0028_0101: dicom.Words(8), 0x0028_0102: dicom.Words(7), 0x0028_0103: dicom.Words(0), 0x7fe0_0010: dicom.Bytes(pixels),
	}
	if len(levels) > 1 {
		d[0x0028_0008] = dicom.Text("IS", fmt.Sprint(len(levels)))
	}
	for t, v := range more {
		d[t] = v
	}
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// at is a place in a series: instance number and position, "" for none.
func at(number, position, orientation string) dicom.Data {
	d := dicom.Data{}
	for tag, v := range map[uint32]dicom.Value{0x0020_0013: dicom.Text("IS", number), 0x0020_0032: dicom.Text("DS", position), 0x0020_0037: dicom.Text("DS", orientation)} {
		d[tag] = v
	}
	return d
}

// ordered lists a folder as a client asks about it.
func ordered(t *testing.T, dir string) (names []string, levels []float32, notes string) {
	t.Helper()
	want := []Spec{{Name: "x", Shape: []int{1, 1, 2, 2}, Prep: plan.Preprocess{Preset: "raw"}}}
	files, _, err := Files(t.Context(), dir, want)
	if err != nil {
		t.Fatal(err)
	}
	files, said, err := Slices(files, func(int, int) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name)
		cases, _, err := f.Read(want)
		if err != nil || len(cases) != 1 {
			t.Fatalf("%s: %v", f.Name, err)
		}
		levels = append(levels, cases[0][0][0])
	}
	return names, levels, strings.Join(said, "; ")
}

// A series is in the order of the patient, however its files are called; series are kept apart,
// and frames are taken one by one.
func TestSlicesAreInTheirOrder(t *testing.T) {
	const axial, sagittal, oblique = `1\0\0\0\1\0`, `0\1\0\0\0\-1`, `0.8\0.6\0\0\0\-1`
	for name, c := range map[string]struct {
		slices []dicom.Data // of files that are called 0, 1, 2, ...
		want   []float32    // their numbers
	}{
		"along the body":            {[]dicom.Data{at("", `0\0\30`, axial), at("", `0\0\-10`, axial), at("", `0\0\2.5`, axial)}, []float32{1, 2, 0}},
		"along another axis":        {[]dicom.Data{at("", `5\1\1`, sagittal), at("", `-5\9\9`, sagittal), at("", `0\0\0`, sagittal)}, []float32{0, 2, 1}},
		"oblique":                   {[]dicom.Data{at("", `-3\4\99`, oblique), at("", `0\0\50`, oblique), at("", `6\-8\0`, oblique)}, []float32{2, 1, 0}},
		"counted from the end":      {[]dicom.Data{at("3", `0\0\-10`, axial), at("1", `0\0\30`, axial), at("2", `0\0\2`, axial)}, []float32{1, 2, 0}},
		"numbers against positions": {[]dicom.Data{at("1", `0\0\0`, axial), at("9", `0\0\10`, axial), at("2", `0\0\20`, axial)}, []float32{0, 1, 2}},
		"numbers alone":             {[]dicom.Data{at("10", "", ""), at("9", "", ""), at("-1", "", "")}, []float32{2, 1, 0}},
		"a place without position":  {[]dicom.Data{at("2", `0\0\0`, axial), at("3", "", ""), at("1", `0\0\9`, axial)}, []float32{2, 0, 1}},
		"times of one place":        {[]dicom.Data{at("2", `0\0\0`, axial), at("1", `0\0\0`, axial), at("3", `0\0\5`, axial)}, []float32{1, 0, 2}},
		"planes that cross":         {[]dicom.Data{at("2", `0\0\1`, axial), at("1", `0\0\2`, sagittal)}, []float32{1, 0}},
		"broken positions":          {[]dicom.Data{at("2", `0\x\1`, axial), at("1", `0\0`, axial), at("0", `NaN\0\0`, axial)}, []float32{2, 1, 0}},
		"nothing":                   {[]dicom.Data{at("", "", ""), at("x", "", ""), at("", "", "")}, []float32{0, 1, 2}},
	} {
		dir := t.TempDir()
		for i, d := range c.slices {
			sliced(t, filepath.Join(dir, fmt.Sprint(i)), "1.2.3.1", fmt.Sprintf("1.2.3.1.%d", i+1), d, byte(i))
		}
		if _, got, notes := ordered(t, dir); !slices.Equal(got, c.want) || notes != "" {
			t.Errorf("%s: %v, want %v (%s)", name, got, c.want, notes)
		}
	}
}

// Series that lie among each other, files without a suffix, frames, pictures of other kinds, and
// files that are there twice.
func TestMixedSeries(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	sliced(t, in("IM1"), "1.2.3.1", "1.1", at("2", "", ""), 12)
	sliced(t, in("IM2"), "1.2.3.2", "2.1", at("2", "", ""), 22)
	sliced(t, in("IM3"), "1.2.3.1", "1.2", at("1", "", ""), 11)
	sliced(t, in("IM4.DCM"), "1.2.3.2", "2.2", at("1", "", ""), 21)
	sliced(t, in("IM5"), "1.2.3.3", "3.1", nil, 31, 32, 33)
	sliced(t, in("copy/IM1"), "1.2.3.1", "1.1", at("2", "", ""), 12)
	sliced(t, in("copy/IM3"), "1.2.3.1", "1.2", at("3", "", ""), 13)
	if err := os.WriteFile(in("IM0.png"), greyPNG(t, 5), 0o600); err != nil {
		t.Fatal(err)
	}
	names, levels, notes := ordered(t, dir)
	if want := []string{"IM0.png", "IM3", "IM1", "copy/IM3", "IM4.DCM", "IM2", "IM5#1", "IM5#2", "IM5#3"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if want := []float32{5, 11, 12, 13, 21, 22, 31, 32, 33}; !slices.Equal(levels, want) {
		t.Errorf("%v of %q, want %v", levels, names, want)
	}
	for _, says := range []string{"copy/IM1 is the same image as IM1, and left out", "copy/IM3 calls itself the same image as IM3, and is another"} {
		if !strings.Contains(notes, says) {
			t.Errorf("%q is not in %q", says, notes)
		}
	}
	if _, _, err := Slices([]File{{Paths: []string{in("IM1")}}}, func(int, int) error { return os.ErrDeadlineExceeded }); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it does not end: %v", err)
	}
	if i := ImageOf(in("IM5") + "#2"); i == nil || i.Frame != 2 || i.Series != "1.2.3.3" || i.Frames != 3 {
		t.Errorf("%+v", i)
	}
	want := Spec{Name: "x", Shape: []int{1, 1, 2, 2}, Prep: plan.Preprocess{Preset: "raw"}}
	for name, warned := range map[string]bool{"IM5": true, "IM5#1": false, "IM1": false} {
		if a, err := Read(in(name), want); err != nil || (strings.Contains(strings.Join(a.Warnings, ";"), "3 frames")) != warned {
			t.Errorf("%s: %v %v", name, a.Warnings, err)
		}
	}
	if i := ImageOf(in("IM0.png")); i != nil {
		t.Errorf("a PNG is %+v", i)
	}
}
