package input

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input/internal/hint"
)

func npyFile(descr, shape string, data []byte) []byte {
	h := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape)
	h += strings.Repeat(" ", 63-(10+len(h))%64) + "\n"
	b := append([]byte(npyMagic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h)))
	return append(append(b, h...), data...)
}

func TestReadNPY(t *testing.T) {
	le := binary.LittleEndian
	f4 := le.AppendUint32(le.AppendUint32(nil, math.Float32bits(1.5)), math.Float32bits(-2))
	for _, c := range []struct {
		descr string
		data  []byte
		want  []float32
	}{
		{"<f4", f4, []float32{1.5, -2}},
		{"<f8", le.AppendUint64(le.AppendUint64(nil, math.Float64bits(0.25)), math.Float64bits(3)), []float32{0.25, 3}},
		{"<f2", []byte{0, 0x3c, 1, 0x80}, []float32{1, -5.9604645e-08}},
		{"|u1", []byte{7, 255}, []float32{7, 255}},
		{"|i1", []byte{7, 255}, []float32{7, -1}},
		{"<i2", []byte{7, 0, 255, 255}, []float32{7, -1}},
		{">f4", []byte{0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0}, []float32{1.5, -2}},
		{">i2", []byte{0, 7, 255, 255}, []float32{7, -1}},
		{"<i8", append(make([]byte, 8), 255, 255, 255, 255, 255, 255, 255, 255), []float32{0, -1}},
	} {
		a, err := readNPY(npyFile(c.descr, "2,", c.data))
		if err != nil || !slices.Equal(a.Values, c.want) || !slices.Equal(a.Shape, []int{2}) || a.kind != strings.TrimLeft(c.descr, "|<>") {
			t.Errorf("%s: %+v, %v", c.descr, a, err)
		}
	}
	for name, b := range map[string][]byte{
		"short data":   npyFile("<f4", "2,", f4[:7]),
		"huge shape":   npyFile("<f4", "99999999999, 99999999999", f4),
		"zero":         npyFile("<f4", "0,", nil),
		"strings":      npyFile("<U4", "2,", f4),
		"objects":      npyFile("|O", "2,", f4),
		"complex":      npyFile("<c8", "1,", f4),
		"header":       []byte(npyMagic + "\x01\x00\xff\xff{}"),
		"only a magic": []byte(npyMagic),
	} {
		if _, err := readNPY(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// In Fortran order the first dimension moves fastest.
func TestNPYFortranOrder(t *testing.T) {
	file := bytes.Replace(npyFile("|u1", "2, 3, 2", []byte{0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11}), []byte("False"), []byte("True "), 1)
	a, err := readNPY(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}; !slices.Equal(a.Values, want) || !slices.Equal(a.Shape, []int{2, 3, 2}) {
		t.Errorf("%v of shape %v, want %v", a.Values, a.Shape, want)
	}
}

// Files of other kinds are named, with what to do, unless they have the size of raw numbers.
func TestForeignFiles(t *testing.T) {
	w := Spec{Name: "x", Shape: []int{4}}
	for start, want := range map[string]string{"II*\x00": "TIFF", "GIF89a": "GIF", "BM": "BMP", "PK\x03\x04": "numpy.save", "\x89HDF\r\n": "HDF5", "RIFF": "PNG"} {
		_, err := Decode("x", []byte(start+"and more of it."), 0, w)
		if err == nil || !strings.Contains(err.Error()+hint.Of(err), want) {
			t.Errorf("%q: %v (%s), want %s", start, err, hint.Of(err), want)
		}
	}
	if a, err := Decode("x", []byte("BM23456789abcdef"), 0, w); err != nil || len(a.Values) != 4 {
		t.Errorf("numbers that start like a BMP file: %v", err)
	}
}

// Channels in another place than the network's are told from other wrong shapes.
func TestChannelsElsewhere(t *testing.T) {
	for _, c := range []struct{ have, want, way string }{
		{"4, 5, 3", "1,3,4,5", "moveaxis(x, -1, -3)"}, {"1, 4, 5, 3", "3,4,5", "moveaxis(x, -1, -3)"},
		{"3, 4, 5", "1,4,5,3", "moveaxis(x, -3, -1)"}, {"5, 4, 3", "1,3,4,5", ""},
	} {
		var shape []int
		for d := range strings.SplitSeq(c.want, ",") {
			shape = append(shape, int(d[0]-'0'))
		}
		_, err := Take([]Held{{"x.npy", npyFile("|u1", c.have, make([]byte, 60))}}, []Spec{{Name: "x", Shape: shape}})
		if err == nil || !strings.Contains(hint.Of(err), c.way) || c.way == "" && hint.Of(err) != "" {
			t.Errorf("(%s) for [%s]: %v (%s)", c.have, c.want, err, hint.Of(err))
		}
	}
}

func FuzzReadNPY(f *testing.F) {
	f.Add(npyFile("<f4", "1, 2", make([]byte, 8)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := readNPY(b); err == nil && len(a.Values) > len(b) {
			t.Error("more elements than bytes")
		}
	})
}

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pngFile(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// An image of the right size comes through to the bit, in every layout.
func TestImageToTensor(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 2, 1))
	img.SetRGBA(0, 0, color.RGBA{10, 20, 30, 255})
	img.SetRGBA(1, 0, color.RGBA{40, 50, 60, 255})
	path := write(t, "x.png", pngFile(t, img))
	for _, c := range []struct {
		prep  string
		shape []int
		want  []float32
	}{
		{"raw", []int{1, 3, 1, 2}, []float32{10, 40, 20, 50, 30, 60}},
		{"raw,colour=bgr", []int{3, 1, 2}, []float32{30, 60, 20, 50, 10, 40}},
		{"raw,layout=nhwc", []int{1, 1, 2, 3}, []float32{10, 20, 30, 40, 50, 60}},
		{"scale=2:1:1,shift=0:0:-30", []int{1, 3, 1, 2}, []float32{20, 80, 20, 50, 0, 30}},
		{"raw", []int{1, 1, 1, 2}, []float32{18.152, 48.152}},
		{"unit", []int{1, 3, 1, 2}, []float32{10 / 255., 40 / 255., 20 / 255., 50 / 255., 30 / 255., 60 / 255.}},
		{"mean=0.5,std=0.5", []int{1, 3, 1, 2}, []float32{10/127.5 - 1, 40/127.5 - 1, 20/127.5 - 1, 50/127.5 - 1, 30/127.5 - 1, 60/127.5 - 1}},
	} {
		p, err := ParsePreprocess(c.prep)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Load([]string{path}, []Spec{{"x", c.shape, p, nil, 0}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.want {
			if math.Abs(float64(got[0].Values[i]-c.want[i])) > 1e-2/255 && math.Abs(float64(got[0].Values[i]-c.want[i])) > 5e-3 {
				t.Errorf("%s %v: %v, want %v", c.prep, c.shape, got[0].Values, c.want)
				break
			}
		}
	}
}

// resize scales the shorter side and takes the middle.
func TestImageResizeAndCrop(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 80, 40)) // left quarter black, middle half white, right quarter black
	for y := range 40 {
		for x := 20; x < 60; x++ {
			img.SetGray(x, y, color.Gray{255})
		}
	}
	w := Spec{"x", []int{1, 1, 16, 16}, plan.Preprocess{Preset: "custom", Resize: 20}, nil, 0}
	a, err := w.fromImage(img, nil)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Min(a.Values) < 254 { // 40x20 after resizing: the middle 16x16 is white
		t.Errorf("the crop is not the middle: %v", a.Values)
	}
	w.Prep.Resize = 0
	if a, err = w.fromImage(img, nil); err != nil || a.Values[0] > 1 || a.Values[8] < 254 {
		t.Errorf("stretched: %v %v", a.Values, err)
	}
}

func TestInputErrors(t *testing.T) {
	want := []Spec{{"x", []int{1, 2}, plan.Preprocess{}, nil, 0}}
	f4 := func(x ...float32) (b []byte) {
		for _, v := range x {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		return b
	}
	for name, args := range map[string][]string{
		"missing file":    {"/nowhere/x.npy"},
		"wrong size":      {write(t, "x.f32", f4(1, 2, 3))},
		"two cases":       {write(t, "x.f32", f4(1, 2, 3, 4))},
		"not a number":    {write(t, "x.f32", f4(1, float32(math.NaN())))},
		"image, no rules": {write(t, "x.png", pngFile(t, image.NewGray(image.Rect(0, 0, 2, 1))))},
		"broken image":    {write(t, "x.png", []byte("\x89PNG\r\n\x1a\nxxxx"))},
		"too many":        {write(t, "a.f32", f4(1, 2)), write(t, "b.f32", f4(1, 2))},
		"none":            {},
	} {
		if _, err := Load(args, want); err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := Load([]string{"x=" + write(t, "x.f32", f4(1, 2))}, want)
	if err != nil || !slices.Equal(got[0].Values, []float32{1, 2}) {
		t.Errorf("by name: %v %v", got, err)
	}
}

func TestPreprocessErrors(t *testing.T) {
	for _, s := range []string{"imagenett", "raw,resize=x", "raw,via=-1", "raw,crop=oval", "raw,mean", "scale=a", "mean=1,scale=2", "std=0", "raw,size=3", "mean=1:2,std=1:2:3"} {
		if _, err := ParsePreprocess(s); err == nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// A data set without its header is no row of raw numbers, whatever its length.
func TestBareDICOMIsRefused(t *testing.T) {
	w := Spec{"x", []int{1}, plan.Preprocess{}, nil, 0}
	for path, data := range map[string]string{"scan.dcm": "\x08\x00\x05\x00", "SCAN.DCM": "abcd", "scan": "DICM"} {
		if _, err := Decode(path, []byte(data), 0, w); err == nil || Hint(err) == "" {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Decode("scan.f32", make([]byte, 4), 0, w); err != nil {
		t.Errorf("raw numbers: %v", err)
	}
}

// As many elements are not enough: an array in another order is no input.
func TestFits(t *testing.T) {
	w := Spec{Shape: []int{1, 3, 4, 5}}
	for _, c := range []struct {
		shape []int
		fits  bool
	}{
		{[]int{60}, true}, {[]int{120}, true}, {[]int{3, 4, 5}, true}, {[]int{1, 3, 4, 5}, true}, {[]int{7, 3, 4, 5}, true},
		{[]int{7, 1, 3, 4, 5}, true}, {[]int{1, 4, 5, 3}, false}, {[]int{3, 5, 4}, false}, {[]int{12, 5}, false}, {[]int{59}, false}, {[]int{3, 4, 5, 2}, false},
	} {
		n := 1
		for _, d := range c.shape {
			n *= d
		}
		if a := (&Array{Shape: c.shape, Values: make([]float32, n)}); a.fits(w) != c.fits {
			t.Errorf("shape %v: %v", c.shape, a.fits(w))
		}
	}
}
