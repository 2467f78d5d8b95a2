package ask

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	suyash "github.com/suyashkumar/dicom"
	names "github.com/suyashkumar/dicom/pkg/tag"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/frontend/input/dicom"
)

// scan is a DICOM image of a study.
func scan(t *testing.T, set string) string {
	t.Helper()
	d := dicom.Data{
		0x0008_0016: dicom.UID("1.2.840.10008.5.1.4.1.1.7"), 0x0008_0018: dicom.UID("1.2.3.4"), 0x0008_0020: dicom.Text("DA", "20261129"), 0x0008_0030: dicom.Text("TM", "120000"),
		0x0008_0050: dicom.Text("SH", "A17"), 0x0008_0060: dicom.Text("CS", "OT"), 0x0008_0090: dicom.Text("PN", "DR^WHO"),
		0x0010_0010: dicom.Text("PN", "DOE^JANE"), 0x0010_0020: dicom.Text("LO", "4711"), 0x0010_0030: dicom.Text("DA", "19700101"), 0x0010_0040: dicom.Text("CS", "F"),
		0x0020_000d: dicom.UID("1.2.3"), 0x0020_000e: dicom.UID("1.2.3.9"), 0x0020_0010: dicom.Text("SH", "S1"),
		0x0028_0002: dicom.Words(1), 0x0028_0004: dicom.Text("CS", "MONOCHROME2"), 0x0028_0010: dicom.Words(16), 0x0028_0011: dicom.Words(16),
		0x0028_0100: dicom.Words(8), 0x0028_0101: dicom.Words(8), 0x0028_0102: dicom.Words(7), 0x0028_0103: dicom.Words(0), 0x7fe0_0010: dicom.Bytes(make([]byte, 256)),
	}
	if set != "" {
		d[0x0008_0005] = dicom.Text("CS", set)
	}
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "scan.dcm")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// answering is a run of a network from 16 x 16 pixels to 8 x 8, and an answer of it.
func answering(t *testing.T, set string) (*run, inference, *Record) {
	x := plan.SlotType{Shape: []int{1, 1, 16, 16}, Bits: 16}
	y := plan.SlotType{Shape: []int{1, 1, 8, 8}, Bits: 16}
	p := &plan.Plan{
		Version: plan.Version, Model: "chest", Slots: []plan.SlotType{x, y},
		Inputs: []plan.Input{{Name: "x", Shape: x.Shape}}, Outputs: []plan.Output{{Name: "y", Shape: y.Shape, Slot: 1}},
	}
	values := make([]float32, 64)
	for i := range values {
		values[i] = float32(i)
	}
	r := &run{Command: &Command{out: t.TempDir()}, plan: p, log: slog.New(slog.DiscardHandler)}
	q := inference{name: "scan.dcm", paths: []string{scan(t, set)}, values: [][]float32{make([]float32, 256)}}
	return r, q, &Record{
		Model: "chest", Address: "https://company.test/v2/models/chest", PlanDigest: strings.Repeat("ab", 32), Session: "s1", Warnings: []string{"unlike"},
		Answers: []plan.Answer{{Input: 1, Output: "y", Kind: plan.AnswerFindings, Labels: []plan.LabelScore{{Index: 0, Label: "Pneumonía", Score: 0.831}}}},
		Outputs: []plan.OutputValues{{Name: "y", Shape: y.Shape, Values: values}},
	}
}

// tool runs a program of Debian's over a file; without it, the test says so.
func tool(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Logf("%s is not installed: left out", args[0])
		return ""
	}
	text, _ := exec.Command(args[0], args[1:]...).CombinedOutput() // what it says is looked at
	return string(text)
}

// A report and a picture belong to the patient, study and image that were asked about.
func TestDICOMAnswers(t *testing.T) {
	for set, says := range map[string]string{"": "Pneumonía 83.1 %", "ISO_IR 100": "Pneumon?a 83.1 %"} {
		r, q, rec := answering(t, set)
		if err := writeSR(r, q, rec); err != nil {
			t.Fatal(err)
		}
		if err := writeSC(r, q, rec); err != nil {
			t.Fatal(err)
		}
		report, picture := filepath.Join(r.out, "scan.dcm.sr.dcm"), filepath.Join(r.out, "scan.dcm.sc.dcm")
		for _, path := range []string{report, picture} {
			d, err := suyash.ParseFile(path, nil)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for tag, want := range map[names.Tag]string{names.PatientID: "4711", names.PatientName: "DOE^JANE", names.StudyInstanceUID: "1.2.3", names.AccessionNumber: "A17"} {
				e, err := d.FindElementByTag(tag)
				if err != nil || suyash.MustGetStrings(e.Value)[0] != want {
					t.Errorf("%s: %v: %v %v, want %q", path, tag, e, err, want)
				}
			}
			if said := tool(t, "dciodvfy", path); strings.Contains(said, "Error") {
				t.Errorf("dciodvfy: %s", said)
			}
		}
		raw, err := os.ReadFile(report)
		if err != nil || !bytes.Contains(raw, []byte(says)) || !bytes.Contains(raw, []byte("1.2.3.4")) {
			t.Errorf("%v: the report lacks %q or the image", err, says)
		}
		if said := tool(t, "dsrdump", "--quiet", report); said != "" && (!strings.Contains(said, "Finding") || !strings.Contains(said, "83.1 %") || strings.Contains(said, "E: ")) {
			t.Errorf("dsrdump: %s", said)
		}
		b, err := os.ReadFile(picture)
		if err != nil {
			t.Fatal(err)
		}
		img, err := dicom.Decode(b, 0)
		if err != nil || img.Bounds() != image.Rect(0, 0, 8, 8) || img.Gray16At(7, 7).Y < 0xff00 || img.Gray16At(0, 0).Y != 0 {
			t.Errorf("the picture does not come back: %v", err)
		}
	}
}

// Without a DICOM input there is no patient, and no DICOM answer.
func TestNoDICOMAnswerToOthers(t *testing.T) {
	r, q, rec := answering(t, "")
	q.paths = []string{"../../../testdata/models/mnist_cntk_8/seven.png"}
	if err := writeSR(r, q, rec); err != nil {
		t.Fatal(err)
	}
	if all, err := os.ReadDir(r.out); err != nil || len(all) != 0 {
		t.Errorf("%v: %v", err, all)
	}
}

// Classes of places are painted over the input; the background stays.
func TestOverlay(t *testing.T) {
	under := image.NewGray(image.Rect(0, 0, 4, 4))
	under.Pix[0], under.Pix[15] = 100, 200
	img := overlay(plan.OutputValues{Shape: []int{1, 2, 2}, Values: []float32{0, 1, 2, 0}}, under)
	if got := img.At(0, 0); got != (color.NRGBA{100, 100, 100, 255}) {
		t.Errorf("background: %v", got)
	}
	if got := img.At(1, 0); got != (color.NRGBA{115, 79, 0, 255}) {
		t.Errorf("class 1: %v", got)
	}
}

// stackedSeries is a series of slices, some of them frames of one file.
func stackedSeries(t *testing.T, dir string, frames int, instance, number string, levels ...byte) {
	t.Helper()
	var pixels []byte
	for _, l := range levels {
		pixels = append(pixels, bytes.Repeat([]byte{l}, 784)...)
	}
	d := dicom.Data{
		0x0008_0016: dicom.UID("1.2.840.10008.5.1.4.1.1.2"), 0x0008_0018: dicom.UID(instance), 0x0010_0020: dicom.Text("LO", "4711"),
		0x0020_000d: dicom.UID("1.2.3"), 0x0020_000e: dicom.UID("1.2.3.7"), 0x0020_0013: dicom.Text("IS", number), 0x0028_0008: dicom.Text("IS", strconv.Itoa(frames)),
		0x0028_0002: dicom.Words(1), 0x0028_0004: dicom.Text("CS", "MONOCHROME2"), 0x0028_0010: dicom.Words(28), 0x0028_0011: dicom.Words(28),
		0x0028_0100: dicom.Words(8), 0x0028_0101: dicom.Words(8), 0x0028_0102: dicom.Words(7), 0x0028_0103: dicom.Words(0), 0x7fe0_0010: dicom.Bytes(pixels),
	}
	if frames > 1 {
		d[0x0008_0016] = dicom.UID("1.2.840.10008.5.1.4.1.1.7.2")
	}
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "IM"+instance[strings.LastIndex(instance, ".")+1:]), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every slice of a series is asked about, in its order, a frame for itself; its record, its row
// and its report name the very image, and the reports make one series.
func TestASeriesOfSlices(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	stackedSeries(t, in, 1, "1.9.1", "3", 30)
	stackedSeries(t, in, 1, "1.9.2", "1", 10)
	stackedSeries(t, in, 2, "1.9.3", "2", 20, 21)
	stdout, stderr, err := asked(t.Context(), t, serving(t), in, "--out", out, "--write", "sr", "--format", "csv", "--top", "1")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, row := range rows[1:] {
		got = append(got, []string{row[0], row[12], row[13], row[14]})
	}
	want := [][]string{{"IM2", "1.2.3.7", "1.9.2", ""}, {"IM3#1", "1.2.3.7", "1.9.3", "1"}, {"IM3#2", "1.2.3.7", "1.9.3", "2"}, {"IM1", "1.2.3.7", "1.9.1", ""}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if rec := kept(t, filepath.Join(out, "IM3.2.json")); len(rec.Images) != 1 || rec.Images[0].Instance != "1.9.3" || rec.Images[0].Frame != 2 || *rec.Images[0].Number != 2 {
		t.Errorf("%+v", rec.Images)
	}
	series := map[string]bool{}
	for i, name := range []string{"IM2", "IM3.1", "IM3.2", "IM1"} {
		path := filepath.Join(out, name+".sr.dcm")
		d, err := suyash.ParseFile(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		said := func(tag names.Tag) string {
			e, err := d.FindElementByTagNested(tag)
			if err != nil {
				return ""
			}
			return suyash.MustGetStrings(e.Value)[0]
		}
		if said(names.ReferencedSOPInstanceUID) != want[i][2] || said(names.ReferencedFrameNumber) != want[i][3] || said(names.InstanceNumber) != strconv.Itoa(i+1) {
			t.Errorf("%s refers to %s, frame %s, as number %s", name, said(names.ReferencedSOPInstanceUID), said(names.ReferencedFrameNumber), said(names.InstanceNumber))
		}
		series[said(names.SeriesInstanceUID)] = true
		if said := tool(t, "dsrdump", "--quiet", path); said != "" && (strings.Contains(said, "E: ") || !strings.Contains(said, "Finding")) {
			t.Errorf("dsrdump: %s", said)
		}
		if said := tool(t, "dciodvfy", path); strings.Contains(said, "Error") {
			t.Errorf("dciodvfy: %s", said)
		}
	}
	if len(series) != 1 {
		t.Errorf("the reports are of %d series", len(series))
	}
}

// In a run of several examples, each image has a report of its own, in its own study.
func TestReportsOfARunOfSeveral(t *testing.T) {
	r, q, rec := answering(t, "")
	for i := range r.plan.Slots {
		r.plan.Slots[i].Shape[0] = 2
	}
	r.plan.Inputs[0].Shape[0], r.plan.Outputs[0].Shape[0] = 2, 2
	other := scan(t, "ISO_IR 192")
	q.name, q.paths, q.values = "scan.dcm and 1 more", []string{q.paths[0], other}, [][]float32{make([]float32, 512)}
	second := rec.Answers[0]
	second.Input, second.Labels = 2, []plan.LabelScore{{Label: "Nodule", Score: 0.5}}
	rec.Answers = append(rec.Answers, second)
	if err := writeSR(r, q, rec); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"Pneumon", "Nodule"} {
		b, err := os.ReadFile(filepath.Join(r.out, fmt.Sprintf("scan.dcm and 1 more.%d.sr.dcm", i+1)))
		if err != nil || !bytes.Contains(b, []byte(want)) || bytes.Contains(b, []byte([]string{"Nodule", "Pneumon"}[i])) {
			t.Errorf("report %d: %v", i+1, err)
		}
	}
	rec.Images = imagesOf(q)
	if err := writePage(r, q, rec); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(r.out, "scan.dcm and 1 more.html"))
	if err != nil || bytes.Count(page, []byte("<img")) != 2 || bytes.Count(page, []byte("SOP instance UID")) != 2 {
		t.Errorf("%v: %s", err, page)
	}
}

// Inputs of several sources whose answers would have one name are told apart by their paths, and
// so is what a list names; two that cannot be are refused before anybody is asked.
func TestAnswersHaveNamesOfTheirOwn(t *testing.T) {
	url, dir := serving(t), t.TempDir()
	for _, name := range []string{"a/x.png", "b/x.png", "b/y.png"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		copied(t, digits+"seven.png", path)
	}
	t.Chdir(dir)
	for what, c := range map[string]struct {
		args  []string
		stdin string
		want  []string
	}{
		"folders":         {[]string{"a", "b"}, "", []string{"a/x.png", "b/x.png", "y.png"}},
		"a file, twice":   {[]string{"a/x.png", "a/x.png"}, "", []string{"x.png"}},
		"a list":          {[]string{"-"}, "a/x.png\n" + filepath.Join(dir, "b", "x.png") + "\n../../../none.png\n", []string{"a/x.png", strings.TrimPrefix(filepath.ToSlash(filepath.Join(dir, "b/x.png")), "/")}},
		"a folder's list": {[]string{"-"}, "b\n", []string{"b/x.png", "b/y.png"}},
	} {
		out := t.TempDir()
		_, stderr, err := askedFrom(t.Context(), t, c.stdin, append([]string{url, "--out", out}, c.args...)...)
		if strings.Contains(c.stdin, "none") != (err != nil) {
			t.Errorf("%s: %v\n%s", what, err, stderr)
		}
		var got []string
		err = filepath.WalkDir(out, func(path string, d os.DirEntry, err error) error {
			if name, is := strings.CutSuffix(path, ".json"); is {
				below, _ := filepath.Rel(out, name)
				got = append(got, filepath.ToSlash(below))
			}
			return err
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q (%v)", what, got, c.want, err)
		}
	}
	for _, name := range []string{"b/x_y", "b/x:y"} {
		copied(t, "a/x.png", name)
	}
	if _, _, err := asked(t.Context(), t, url, "b", "--out", t.TempDir()); exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), "same answer file") {
		t.Errorf("names that collide: %v", err)
	}
}
