package dicom

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"secc.example/secc/internal/dicomtest"
)

// A head is read of every transfer syntax that is read, without the pixels, and of a file whose
// other attributes are long.
func TestHeads(t *testing.T) {
	all, err := filepath.Glob("testdata/*.dcm")
	if err != nil || len(all) < 30 {
		t.Fatal(all, err)
	}
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if h, err := HeadOf(bytes.NewReader(b)); err != nil || h.Frames != 1 {
			t.Errorf("%s: %+v %v", path, h, err)
		}
	}
	for _, long := range []int{headFirst - 200, headFirst - 150, headFirst - 140, headFirst, 5 * headFirst} {
		for pad := range 16 { // the first piece ends anywhere within an element
			h, err := HeadOf(bytes.NewReader(dicomtest.File(dicomtest.ExplicitLittle,
				dicomtest.Text(0x0008_0018, "UI", "1.2.3"), dicomtest.Element(0x0009_1001, "OB", make([]byte, long+2*pad)), dicomtest.Text(0x0020_000e, "UI", "1.2.4"),
				dicomtest.Text(0x0020_0013, "IS", "17"), dicomtest.Text(0x0028_0008, "IS", "3"), dicomtest.Word(0x0028_0010, 2))))
			if err != nil || h.Instance != "1.2.3" || h.Series != "1.2.4" || h.Number != 17 || !h.Numbered || h.Frames != 3 {
				t.Errorf("behind %d bytes: %+v %v", long+2*pad, h, err)
			}
		}
	}
	if _, err := HeadOf(bytes.NewReader(dicomtest.File(dicomtest.ExplicitLittle, dicomtest.Text(0x0008_0018, "UI", "1.2.3")))); err == nil {
		t.Error("a file that ends early has a head")
	}
}
