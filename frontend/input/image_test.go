package input

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend/plan"
)

// Pictures come out as Pillow makes them, to the last level: scaled either way,
// cut out of the middle as torchvision does, without their alpha, upright. In JPEG files
// the cosines of two libraries may be three levels apart, colours between samples no more.
func TestAsPillow(t *testing.T) {
	files, err := filepath.Glob("testdata/*.u8")
	if err != nil || len(files) < 17 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name, how, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".u8"), "-")
		prep := plan.Preprocess{Preset: "raw"}
		var w, h int
		if n, _ := fmt.Sscanf(how, "%dx%d", &w, &h); n < 2 {
			if _, err := fmt.Sscanf(how, "%dof%d", &w, &prep.Resize); err != nil {
				t.Fatal(file, err)
			}
			h = w
		}
		ext, within := ".png", 0.0
		if strings.HasPrefix(name, "jpeg") {
			ext, within = ".jpg", 3
		}
		got, err := Read("testdata/"+name+ext, Spec{"x", []int{1, 3, h, w}, prep, nil, 0})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		want := must(os.ReadFile(file))
		for i, v := range got.Values {
			if math.Abs(float64(v)-float64(want[i])) > within {
				t.Errorf("%s: element %d is %g, want %d", file, i, v, want[i])
				break
			}
		}
	}
}

// A colour that is held for two rows, or for pixels that are too few, as libjpeg goes
// between them.
func TestHalvedColour(t *testing.T) {
	tall := image.NewYCbCr(image.Rect(0, 0, 1, 5), image.YCbCrSubsampleRatio440)
	copy(tall.Cb, []uint8{100, 140, 60})
	for y, want := range []uint8{100, 110, 130, 120, 80} {
		got := make([]uint8, 1)
		if chromaRow(tall, tall.Cb, y, got); got[0] != want {
			t.Errorf("row %d: %d, want %d", y, got[0], want)
		}
	}
	narrow := image.NewYCbCr(image.Rect(0, 0, 3, 1), image.YCbCrSubsampleRatio422)
	copy(narrow.Cb, []uint8{100, 140})
	got := make([]uint8, 3)
	if chromaRow(narrow, narrow.Cb, 0, got); !slices.Equal(got, []uint8{100, 100, 140}) {
		t.Errorf("two samples: %v", got)
	}
}

// The attribute is found in both byte orders, behind other segments, and a
// damaged one is none.
func TestOrientation(t *testing.T) {
	little := "II*\x00\x08\x00\x00\x00\x02\x00\x0f\x01\x02\x00\x01\x00\x00\x00a\x00\x00\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
	big := "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00"
	long := "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x04\x00\x00\x00\x01\x00\x00\x00\x03"
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, image.NewGray(image.Rect(0, 0, 2, 3)), nil); err != nil {
		t.Fatal(err)
	}
	file := func(tiff string) []byte {
		app := func(marker byte, s string) string {
			return string([]byte{0xff, marker, byte((len(s) + 2) >> 8), byte(len(s) + 2)}) + s
		}
		return []byte("\xff\xd8" + app(0xe0, "JFIF\x00\x01") + "\xff" + app(0xe1, "http://ns.adobe.com/xap/1.0/\x00") + app(0xe1, "Exif\x00\x00"+tiff) + plain.String()[2:])
	}
	for tiff, want := range map[string]int{little: 6, big: 8, long: 3, little[:30]: 1, "": 1, "II": 1, "II*\x00\xff\xff\xff\xff": 1, strings.Replace(big, "\x00\x08\x00\x00", "\x00\x09\x00\x00", 1)[:]: 1} {
		b := file(tiff)
		if got := orientation(b); got != want {
			t.Errorf("%q: %d, want %d", tiff, got, want)
		}
		a, err := Read(write(t, "x.jpg", b), Spec{"x", []int{1, 1, 3, 2}, plan.Preprocess{Preset: "raw"}, nil, 0})
		if err != nil || len(a.Values) != 6 {
			t.Errorf("%q: %v", tiff, err)
		}
	}
	for n := range file(little) {
		orientation(file(little)[:n])
	}
}

// A picture that is upright keeps its size and one that lies swaps it.
func TestSixteenBits(t *testing.T) {
	img := image.NewGray16(image.Rect(0, 0, 2, 1))
	img.SetGray16(0, 0, color.Gray16{Y: 4095})
	img.SetGray16(1, 0, color.Gray16{Y: 1000})
	colour := image.NewNRGBA64(image.Rect(0, 0, 2, 1))
	colour.SetNRGBA64(0, 0, color.NRGBA64{R: 4095, G: 4095, B: 4095, A: 0x8000})
	colour.SetNRGBA64(1, 0, color.NRGBA64{R: 1000, G: 1000, B: 1000, A: 0xffff})
	for _, file := range [][]byte{pngFile(t, img), pngFile(t, colour)} {
		for _, c := range []struct {
			prep    string
			want    float64
			warning string
		}{
			{"raw", 4095. / 257, "range=4095"}, {"raw,range=4095", 255, ""}, {"raw,range=2000", 255, "is cut"}, {"raw,range=65535", 4095. / 257, ""},
		} {
			p, err := ParsePreprocess(c.prep)
			if err != nil {
				t.Fatal(err)
			}
			a, err := Read(write(t, "x.png", file), Spec{"x", []int{1, 1, 1, 2}, p, nil, 0})
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(a.Warnings, "; ")
			if math.Abs(float64(a.Values[0])-c.want) > 0.02 || (text == "") != (c.warning == "") || !strings.Contains(text, c.warning) {
				t.Errorf("%s: %v, warnings %q", c.prep, a.Values, text)
			}
		}
	}
}

// Long thin and oversized pictures end in an error or an answer, in bounded memory.
func TestHostilePictures(t *testing.T) {
	thin := pngFile(t, image.NewGray(image.Rect(0, 0, 1, 1<<17)))
	for _, prep := range []plan.Preprocess{{Preset: "raw"}, {Preset: "raw", Resize: 256}, {Preset: "raw", Via: 1 << 14}, {Preset: "raw", Resize: 1 << 14}, {Preset: "raw", Crop: "square", Via: 20}} {
		a, err := Read(write(t, "x.png", thin), Spec{"x", []int{1, 3, 8, 8}, prep, nil, 0})
		if (err == nil) == (prep.Via == 1<<14) {
			t.Errorf("%+v: %v", prep, err)
		}
		if err == nil && prep.Resize > 0 && len(a.Warnings) == 0 {
			t.Errorf("%+v: 8 rows of 2^17 are used without a word", prep)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]uint32{{1, 1 << 24}, {1 << 20, 1 << 20}, {0x7fffffff, 1}, {0, 5}} {
		bad := bytes.Clone(b.Bytes())
		for i, s := range size {
			for k := range 4 {
				bad[16+4*i+k] = byte(s >> (24 - 8*k))
			}
		}
		if _, err := Decode("x.png", bad, 0, Spec{"x", []int{1, 3, 8, 8}, plan.Preprocess{Preset: "raw"}, nil, 0}); err == nil {
			t.Errorf("%v: no error", size)
		}
	}
}

// imagenet follows the input: 224 -> 256, 299 -> 342; a side that is named stays.
func TestImagenetFollowsTheInput(t *testing.T) {
	for _, c := range []struct {
		prep  string
		shape []int
		want  int
	}{
		{"imagenet", []int{1, 3, 224, 224}, 256}, {"imagenet", []int{1, 3, 299, 299}, 342}, {"imagenet,layout=nhwc", []int{1, 32, 48, 3}, 37},
		{"imagenet,resize=300", []int{1, 3, 224, 224}, 300}, {"imagenet,resize=0", []int{1, 3, 224, 224}, 0}, {"unit", []int{1, 3, 224, 224}, 0},
	} {
		p, err := ParsePreprocess(c.prep)
		if err != nil {
			t.Fatal(err)
		}
		if got := For(p, c.shape).Resize; got != c.want {
			t.Errorf("%s for %v: resize %d, want %d", c.prep, c.shape, got, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/*.png", "dicom/testdata/u8*.dcm"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			f.Add(filepath.Ext(file), must(os.ReadFile(file)))
		}
	}
	f.Add(".npy", npyFile("<f4", "1, 3, 2, 2", make([]byte, 48)))
	f.Add(".pb", []byte("\x08\x0c\x10\x01J\x30"+strings.Repeat("\x00", 48)))
	w := Spec{"x", []int{1, 3, 2, 2}, plan.Preprocess{Preset: "unit", Resize: 16, Via: 20, Crop: "square", Range: 4095}, nil, 0}
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		a, err := Decode(name, b, 0, w)
		if err == nil && len(a.Values) > len(b)*1000+12 {
			t.Error("more elements than bytes")
		}
	})
}

// Of two middles the one with the even number is taken, as Python rounds and so torchvision
// crops, in both directions.
func TestMiddle(t *testing.T) {
	for size, want := range map[int]int{4: 0, 5: 0, 6: 1, 7: 2, 8: 2, 9: 2, 11: 4, 13: 4} {
		if got := middle(size, 100, 4, 100).Min; got != image.Pt(want, 0) {
			t.Errorf("4 of %d columns begin at %v, want %d", size, got, want)
		}
		if got := middle(100, size, 100, 4).Min; got != image.Pt(0, want) {
			t.Errorf("4 of %d rows begin at %v, want %d", size, got, want)
		}
	}
}
