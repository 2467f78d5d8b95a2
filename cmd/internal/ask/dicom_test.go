package ask

import (
	"bytes"
	"image"
	"image/color"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	suyash "github.com/suyashkumar/dicom"
	names "github.com/suyashkumar/dicom/pkg/tag"

	"secc.example/secc/backend/plan"
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
