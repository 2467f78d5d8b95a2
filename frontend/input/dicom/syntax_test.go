package dicom

import (
	"strings"
	"testing"

	names "github.com/suyashkumar/dicom/pkg/tag"

	"secc.example/secc/frontend/input/internal/hint"
)

// What is packed in a way that is not read is refused by its name, with the
// command that unpacks it and without a word about the patient.
func TestPackedSyntaxesAreRefused(t *testing.T) {
	for id, want := range map[string][2]string{
		"1.2.840.10008.1.2.4.80":  {"JPEG-LS", "dcmdjpls in.dcm out.dcm"},
		"1.2.840.10008.1.2.4.90":  {"JPEG 2000", "gdcmconv --raw in.dcm out.dcm"},
		"1.2.840.10008.1.2.4.100": {"1.2.840.10008.1.2.4.100", "gdcmconv --raw in.dcm out.dcm"},
	} {
		data := dicomFile(t, [][]uint16{{1, 2, 3, 4}}, map[names.Tag]any{names.TransferSyntaxUID: []string{id}})
		_, err := Decode(data, 0)
		if err == nil {
			t.Errorf("%s: read", id)
			continue
		}
		if text := err.Error(); !strings.Contains(text, want[0]) || !strings.Contains(text, id) || strings.Contains(text, "DOE") {
			t.Errorf("%s: %v", id, err)
		}
		if way := hint.Of(err); !strings.Contains(way, want[1]) {
			t.Errorf("%s: the way out is %q, want %q", id, way, want[1])
		}
	}
}

// A frame that was cut into fragments is one frame; of several, a table of
// offsets says which fragments are whose. Frames that are missing are not made up.
func TestFragments(t *testing.T) {
	parts := [][]byte{nil, {1, 2}, {3, 4}, {5, 6}, {7, 8, 9, 10}}
	if got, err := fragmentsOf(nil, parts, 0); err != nil || string(got) != "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a" {
		t.Errorf("an only frame: %v %v", got, err)
	}
	two := dataset{tagFrames: {data: []byte("2 ")}}
	if _, err := fragmentsOf(two, parts, 0); err == nil {
		t.Error("2 frames of 4 fragments without offsets: no error")
	}
	parts[0] = []byte{0, 0, 0, 0, 30, 0, 0, 0} // three fragments with 8 bytes before each
	for i, want := range []string{"\x01\x02\x03\x04\x05\x06", "\x07\x08\x09\x0a"} {
		if got, err := fragmentsOf(two, parts, i); err != nil || string(got) != want {
			t.Errorf("frame %d: %v %v", i, got, err)
		}
	}
	extended := dataset{tagFrames: two[tagFrames], tagExtendedOffsets: {data: []byte{0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0}}}
	if got, err := fragmentsOf(extended, parts, 0); err != nil || string(got) != "\x01\x02" {
		t.Errorf("extended offsets: %v %v", got, err)
	}
}
