package input

import (
	"bytes"
	"image"
	"image/jpeg"
	"strings"
	"testing"

	"github.com/suyashkumar/dicom/pkg/frame"
	"github.com/suyashkumar/dicom/pkg/tag"
)

// What is packed in a way that is not read is refused by its name, with the
// command that unpacks it and without a word about the patient.
func TestPackedSyntaxesAreRefused(t *testing.T) {
	for id, want := range map[string][2]string{
		"1.2.840.10008.1.2.4.70":  {"JPEG lossless", "dcmdjpeg in.dcm out.dcm"},
		"1.2.840.10008.1.2.4.80":  {"JPEG-LS", "dcmdjpls in.dcm out.dcm"},
		"1.2.840.10008.1.2.4.90":  {"JPEG 2000", "gdcmconv --raw in.dcm out.dcm"},
		"1.2.840.10008.1.2.5":     {"RLE", "dcmdrle in.dcm out.dcm"},
		"1.2.840.10008.1.2.4.100": {"1.2.840.10008.1.2.4.100", "gdcmconv --raw in.dcm out.dcm"},
	} {
		data := dicomFile(t, [][]uint16{{1, 2, 3, 4}}, map[tag.Tag]any{tag.TransferSyntaxUID: []string{id}})
		_, err := decodeDICOM(data, 0)
		if err == nil {
			t.Errorf("%s: read", id)
			continue
		}
		if text := err.Error(); !strings.Contains(text, want[0]) || !strings.Contains(text, id) || strings.Contains(text, "DOE") {
			t.Errorf("%s: %v", id, err)
		}
		if way := Hint(err); !strings.Contains(way, want[1]) {
			t.Errorf("%s: the way out is %q, want %q", id, way, want[1])
		}
	}
}

// A data set without its header is no row of raw numbers, whatever its length.
func TestBareDICOMIsRefused(t *testing.T) {
	for path, data := range map[string]string{"scan.dcm": "\x08\x00\x05\x00", "SCAN.DCM": "", "scan": "DICM"} {
		if err := bareDICOM(path, []byte(data)); err == nil || Hint(err) == "" {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := bareDICOM("scan.f32", make([]byte, 4)); err != nil {
		t.Errorf("raw numbers: %v", err)
	}
}

// A frame that was cut into fragments is one frame; frames that are missing are
// not made up.
func TestJoinedFragments(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 2, 2))
	for i := range grey.Pix {
		grey.Pix[i] = 200
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, grey, nil); err != nil {
		t.Fatal(err)
	}
	var parts []*frame.Frame
	for _, data := range [][]byte{b.Bytes()[:20], b.Bytes()[20:]} {
		parts = append(parts, &frame.Frame{Encapsulated: true, EncapsulatedData: frame.EncapsulatedFrame{Data: data}})
	}
	whole, err := joined(parts, 1)
	if err != nil || len(whole) != 1 {
		t.Fatalf("%d frames, %v", len(whole), err)
	}
	h := &dicomHeader{rows: 2, cols: 2, bitsStored: 8, highBit: 7}
	stored, err := h.stored(whole[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range stored {
		if v < 198 || v > 202 {
			t.Errorf("pixel %d is %d, want about 200", i, v)
		}
	}
	if _, err := joined(parts, 3); err == nil {
		t.Error("3 frames of 2 fragments: no error")
	}
}
