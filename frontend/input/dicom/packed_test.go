package dicom

import (
	"bytes"
	"compress/flate"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"secc.example/secc/frontend/input/internal/hint"
	"secc.example/secc/internal/dicomtest"
)

// A picture comes out the same however its file is packed: all predictors of
// JPEG lossless, RLE, deflated, big endian, implicit. DCMTK's dcmcjpeg, dcmcrle
// and dcmconv made them of the plain files beside them.
func TestPackedAsPlain(t *testing.T) {
	files, err := filepath.Glob("testdata/*-*.dcm")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		plain, _, _ := strings.Cut(filepath.Base(file), "-")
		want, err := Decode(read(t, "testdata/"+plain+".dcm"), 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(read(t, file), 0)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		within := 0
		if strings.Contains(file, "-pt2") { // the point transform leaves two bits out
			within = 200
		}
		for i := 0; i < len(want.Pix); i += 2 {
			a, b := int(want.Pix[i])<<8|int(want.Pix[i+1]), int(got.Pix[i])<<8|int(got.Pix[i+1])
			if a-b > within || b-a > within {
				t.Errorf("%s: pixel %d is %d, want %d", file, i/2, b, a)
				break
			}
		}
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is cut off anywhere, or damaged, ends in an error or a picture: never in
// a panic, and never with the patient's name.
func TestDamaged(t *testing.T) {
	for _, name := range []string{"u12-sv7", "u8-rle", "u12-defl", "s16-impl"} {
		whole := read(t, "testdata/"+name+".dcm")
		for n := range whole {
			if _, err := Decode(whole[:n], 0); err != nil && strings.Contains(err.Error(), "DOE") {
				t.Fatalf("%s cut at %d: %v", name, n, err)
			}
		}
		for n := 132; n < len(whole); n++ {
			bad := append([]byte{}, whole...)
			bad[n] ^= 0xff
			if _, err := Decode(bad, 0); err != nil && strings.Contains(err.Error(), "DOE") {
				t.Fatalf("%s damaged at %d: %v", name, n, err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.dcm")
	for _, file := range files {
		f.Add(read(f, file), 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, frame int) {
		img, err := Decode(b, frame)
		if (img == nil) == (err == nil) {
			t.Errorf("image %v, error %v", img != nil, err)
		}
		if err != nil && strings.Contains(err.Error(), "DOE") {
			t.Errorf("the error quotes the patient: %v", err)
		}
		if h, err := HeadOf(bytes.NewReader(b)); (h == nil) == (err == nil) {
			t.Errorf("head %v, error %v", h, err)
		}
	})
}

const (
	window = 0x0028_1050
	width  = 0x0028_1051
)

// frames builds a file of one row of four pixels a frame.
func frames(n string, px []uint16, more ...[]byte) []byte {
	parts := append([][]byte{dicomtest.Grey(1, 4, 16, 12), dicomtest.Text(uint32(tagFrames), "IS", n)}, more...)
	return dicomtest.File(dicomtest.ExplicitLittle, append(parts, dicomtest.Element(uint32(tagPixels), "OW", dicomtest.Words(px...)))...)
}

func voi(center, w string) []byte {
	return dicomtest.Sequence(uint32(tagFrameVOI), append(dicomtest.Text(window, "DS", center), append(dicomtest.Text(width, "DS", w), dicomtest.Text(uint32(tagVOIFunction), "CS", "LINEAR_EXACT")...)...))
}

func slope(m, b string) []byte {
	return dicomtest.Sequence(uint32(tagPixelTransform), append(dicomtest.Text(uint32(tagRescaleIntercept), "DS", b), dicomtest.Text(uint32(tagRescaleSlope), "DS", m)...))
}

// Window and slope of enhanced images: a frame's own before those shared, both
// before what stands outside; the table of the presentation turns it over.
func TestRendering(t *testing.T) {
	px := []uint16{0, 1000, 2000, 4000}
	two := append(append([]uint16{}, px...), px...)
	shared := dicomtest.Sequence(uint32(tagSharedGroups), append(slope("2", "-1000"), voi("3000", "8000")...))
	each := dicomtest.Sequence(uint32(tagPerFrameGroups), voi("1000", "2000"), voi("3000", "2000"))
	shape := func(s string) []byte { return dicomtest.Text(uint32(tagPresentationShape), "CS", s) }
	mono1 := dicomtest.Text(uint32(tagPhotometric), "CS", "MONOCHROME1")
	for name, c := range map[string]struct {
		file  []byte
		frame int
		want  [4]int
	}{
		"shared":          {frames("1", px, shared), 0, [4]int{0, 16384, 32768, 65535}},
		"own, frame 1":    {frames("2", two, shared, each), 0, [4]int{0, 32768, 65535, 65535}},
		"own, frame 2":    {frames("2", two, shared, each), 1, [4]int{0, 0, 32768, 65535}},
		"over the old":    {frames("1", px, dicomtest.Text(window, "DS", "1"), dicomtest.Text(width, "DS", "2"), shared), 0, [4]int{0, 16384, 32768, 65535}},
		"inverse":         {frames("1", px, shape("INVERSE")), 0, [4]int{65535, 49151, 32768, 0}},
		"identity":        {frames("1", px, shape("IDENTITY")), 0, [4]int{0, 16384, 32768, 65535}},
		"padded":          {frames("1", append(px, 77, 77, 77)), 0, [4]int{0, 16384, 32768, 65535}},
		"padding value":   {frames("1", []uint16{4095, 1000, 2000, 3000}, dicomtest.Word(uint32(tagPadding), 4095)), 0, [4]int{65535, 0, 32768, 65535}},
		"several windows": {frames("1", px, dicomtest.Text(window, "DS", "2000.5\\50"), dicomtest.Text(width, "DS", "4001\\100")), 0, [4]int{0, 16384, 32768, 65535}},
		"mono 1, inverse": {dicomtest.File(dicomtest.ExplicitLittle, mono1, dicomtest.Grey(1, 4, 16, 12), shape("INVERSE"), dicomtest.Element(uint32(tagPixels), "OW", dicomtest.Words(px...))), 0, [4]int{65535, 49151, 32768, 0}},
	} {
		img, err := Decode(c.file, c.frame)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, want := range c.want {
			if got := int(img.Gray16At(i, 0).Y); got < want-1 || got > want+1 {
				t.Errorf("%s: pixel %d is %d, want %d", name, i, got, want)
			}
		}
	}
}

// A few bytes must not make us go or hold without bounds.
func TestBounds(t *testing.T) {
	deep := []byte{}
	for range 200_000 { // an open sequence in an open item in ...
		deep = append(deep, 0x40, 0x00, 0x55, 0x05, 'S', 'Q', 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff)
	}
	if _, err := Decode(dicomtest.File(dicomtest.ExplicitLittle, deep), 0); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("200,000 nested sequences: %v", err)
	}
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, 9)
	w.Write(make([]byte, 1<<20))
	w.Close()
	if b, err := inflate(packed.Bytes(), 1<<20); err != nil || len(b) != 1<<20 {
		t.Errorf("a MiB: %d bytes, %v", len(b), err)
	}
	if _, err := inflate(packed.Bytes(), 1<<20-1); err == nil || !strings.Contains(err.Error(), "inflates") {
		t.Errorf("a byte more than allowed: %v", err)
	}
	if _, err := Decode(frames("1", []uint16{1, 2, 3}), 0); err == nil {
		t.Error("too few pixels: no error")
	}
	if _, err := Decode(dicomtest.File(dicomtest.ExplicitLittle, dicomtest.Grey(65535, 65535, 16, 12), dicomtest.Element(uint32(tagPixels), "OW", nil)), 0); err == nil {
		t.Error("65535 x 65535: no error")
	}
	_, err := Decode(dicomtest.File(dicomtest.ExplicitLittle, dicomtest.Grey(1, 4, 16, 12)), 0)
	if err != ErrNoImage {
		t.Errorf("no pixels: %v", err)
	}
	if _, err := Decode(dicomtest.File("1.2.840.10008.1.2.4.80"), 0); err == nil || hint.Of(err) == "" {
		t.Errorf("JPEG-LS: %v", err)
	}
}
