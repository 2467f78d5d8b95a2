package dicom

import (
	"bytes"
	"strings"
	"testing"

	suyash "github.com/suyashkumar/dicom"
	"github.com/suyashkumar/dicom/pkg/frame"
	names "github.com/suyashkumar/dicom/pkg/tag"
	"github.com/suyashkumar/dicom/pkg/uid"
)

// dicomFile writes a DICOM file with a 2x2 (or as given) image of 16 allocated
// bits and the attributes of `extra` in place of the defaults.
func dicomFile(t *testing.T, frames [][]uint16, extra map[names.Tag]any) []byte {
	t.Helper()
	attrs := map[names.Tag]any{
		names.MediaStorageSOPClassUID:    []string{"1.2.840.10008.5.1.4.1.1.1.1"},
		names.MediaStorageSOPInstanceUID: []string{"1.2.3.4"},
		names.TransferSyntaxUID:          []string{uid.ExplicitVRLittleEndian},
		names.PatientName:                []string{"DOE^JANE"},
		names.Rows:                       []int{2}, names.Columns: []int{2},
		names.BitsAllocated: []int{16}, names.BitsStored: []int{12}, names.HighBit: []int{11},
		names.NumberOfFrames: []string{"1"}, names.SamplesPerPixel: []int{1}, names.PixelRepresentation: []int{0},
		names.PhotometricInterpretation: []string{"MONOCHROME2"},
	}
	for k, v := range extra {
		attrs[k] = v
	}
	info := suyash.PixelDataInfo{}
	for _, px := range frames {
		info.Frames = append(info.Frames, &frame.Frame{NativeData: &frame.NativeFrame[uint16]{
			RawData: px, InternalSamplesPerPixel: 1, InternalRows: 2, InternalCols: 2, InternalBitsPerSample: 16}})
	}
	attrs[names.PixelData] = info
	var set suyash.Dataset
	for k, v := range attrs {
		e, err := suyash.NewElement(k, v)
		if err != nil {
			t.Fatal(err)
		}
		set.Elements = append(set.Elements, e)
	}
	sortElements(set.Elements)
	var b bytes.Buffer
	if err := suyash.Write(&b, set); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sortElements(es []*suyash.Element) {
	for i := range es {
		for j := i; j > 0 && es[j].Tag.Compare(es[j-1].Tag) < 0; j-- {
			es[j], es[j-1] = es[j-1], es[j]
		}
	}
}

func TestDecodeDICOM(t *testing.T) {
	px := []uint16{0, 1000, 2000, 4000}
	cases := []struct {
		name  string
		extra map[names.Tag]any
		px    []uint16
		want  [4]uint16
	}{
		{"range used", nil, px, [4]uint16{0, 16384, 32768, 65535}},
		{"monochrome1", map[names.Tag]any{names.PhotometricInterpretation: []string{"MONOCHROME1"}}, px, [4]uint16{65535, 49151, 32768, 0}},
		{"window exact", map[names.Tag]any{names.WindowCenter: []string{"2000"}, names.WindowWidth: []string{"2000"},
			names.VOILUTFunction: []string{"LINEAR_EXACT"}}, px, [4]uint16{0, 0, 32768, 65535}},
		{"window linear", map[names.Tag]any{names.WindowCenter: []string{"2000.5"}, names.WindowWidth: []string{"2001"}}, px, [4]uint16{0, 0, 32768, 65535}},
		{"window sigmoid", map[names.Tag]any{names.WindowCenter: []string{"2000"}, names.WindowWidth: []string{"2000"},
			names.VOILUTFunction: []string{"SIGMOID"}}, px, [4]uint16{1179, 7812, 32768, 64356}},
		{"slope", map[names.Tag]any{names.RescaleSlope: []string{"2"}, names.RescaleIntercept: []string{"-1000"},
			names.WindowCenter: []string{"3000"}, names.WindowWidth: []string{"4000"}, names.VOILUTFunction: []string{"LINEAR_EXACT"}},
			px, [4]uint16{0, 0, 32768, 65535}},
		{"negative slope", map[names.Tag]any{names.RescaleSlope: []string{"-1"}}, px, [4]uint16{65535, 49151, 32768, 0}},
		{"signed 12 bits, dirty high bits", map[names.Tag]any{names.PixelRepresentation: []int{1}, names.WindowCenter: []string{"0"},
			names.WindowWidth: []string{"4096"}, names.VOILUTFunction: []string{"LINEAR_EXACT"}},
			[]uint16{0xf800, 0x0800, 0x0000, 0x3400}, [4]uint16{0, 0, 32768, 49151}},
		{"8 bits keep their range", map[names.Tag]any{names.BitsStored: []int{8}, names.HighBit: []int{7}},
			[]uint16{0, 51, 102, 204}, [4]uint16{0, 13107, 26214, 52428}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			data := dicomFile(t, [][]uint16{c.px}, c.extra)
			if !Is(data) {
				t.Fatal("not recognised")
			}
			img, err := Decode(data, 0)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.want {
				got := img.Gray16At(i%2, i/2).Y
				if d := int(got) - int(want); d < -1 || d > 1 {
					t.Errorf("pixel %d: %d, want %d", i, got, want)
				}
			}
		})
	}
}

func TestDecodeDICOMFrames(t *testing.T) {
	data := dicomFile(t, [][]uint16{{0, 0, 0, 4000}, {4000, 0, 0, 0}}, map[names.Tag]any{names.NumberOfFrames: []string{"2"}})
	img, err := Decode(data, 1)
	if err != nil {
		t.Fatal(err)
	}
	if img.Gray16At(0, 0).Y != 65535 || img.Gray16At(1, 1).Y != 0 {
		t.Error("frame 1 was asked for")
	}
	if _, err := Decode(data, 2); err == nil || !strings.Contains(err.Error(), "frame 3 asked for, the file has 2") {
		t.Errorf("frame 2 of 2: %v", err)
	}
}

func TestDecodeDICOMBad(t *testing.T) {
	px := [][]uint16{{1, 2, 3, 4}}
	for name, extra := range map[string]map[names.Tag]any{
		"colour":         {names.PhotometricInterpretation: []string{"PALETTE COLOR"}},
		"window is NaN":  {names.WindowCenter: []string{"x"}, names.WindowWidth: []string{"1"}},
		"slope is zero":  {names.RescaleSlope: []string{"0"}},
		"bits stored 40": {names.BitsStored: []int{40}},
	} {
		if _, err := Decode(dicomFile(t, px, extra), 0); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "DOE") {
			t.Errorf("%s: the error quotes the patient: %v", name, err)
		}
	}
	whole := dicomFile(t, px, nil)
	for n := range whole {
		if img, err := Decode(whole[:n], 0); err == nil && img == nil {
			t.Fatalf("cut at %d: no image and no error", n)
		} else if err != nil && strings.Contains(err.Error(), "DOE") {
			t.Fatalf("cut at %d: the error quotes the patient: %v", n, err)
		}
	}
}
