package input

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // decoded below
	_ "image/png"  // decoded below
	"math"
	"math/bits"

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/input/internal/hint"
)

// Limits on what images make us hold: a few bytes can ask for any size, and a
// long thin picture for any size after scaling.
const (
	maxImageBytes = 1 << 29 // unpacked
	maxImageSide  = 1 << 20
	maxScaled     = 1 << 25 // pixels after a first scaling
)

// decodeImage reads a PNG or JPEG file as Pillow's convert("RGB") would after
// exif_transpose: upright, and with its colours where they are transparent.
func decodeImage(b []byte, prep plan.Preprocess) (image.Image, []string, error) {
	conf, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	each := 4
	if conf.ColorModel == color.RGBA64Model || conf.ColorModel == color.NRGBA64Model {
		each = 8
	}
	if conf.Width < 1 || conf.Height < 1 || max(conf.Width, conf.Height) > maxImageSide || conf.Width > maxImageBytes/each/conf.Height {
		return nil, nil, fmt.Errorf("image of %d x %d pixels", conf.Width, conf.Height)
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	if m, ok := img.(*image.YCbCr); ok {
		img = interpolated(m)
	}
	opaque(img)
	warnings := stretch(img, prep.Range)
	return upright(img, orientation(b)), warnings, nil
}

// opaque drops the alpha channel and leaves the colours behind it as they are.
func opaque(img image.Image) {
	switch m := img.(type) {
	case *image.NRGBA:
		for i := 3; i < len(m.Pix); i += 4 {
			m.Pix[i] = 0xff
		}
	case *image.NRGBA64:
		for i := 6; i+1 < len(m.Pix); i += 8 {
			m.Pix[i], m.Pix[i+1] = 0xff, 0xff
		}
	case *image.Paletted:
		for i, c := range m.Palette {
			if n, ok := c.(color.NRGBA); ok {
				n.A = 0xff
				m.Palette[i] = n
			}
		}
	}
}

// stretch makes the largest value of a 16-bit image that of the plan's range.
// Radiographs are often exported with 12 bits in 16: without a range they come
// out nearly black, which is worth a warning.
func stretch(img image.Image, levels int) []string {
	pix, alpha := deepPixels(img)
	if pix == nil {
		return nil
	}
	top := 0
	deepSamples(pix, alpha, func(v int) int { top = max(top, v); return v })
	if levels == 0 {
		if used := bits.Len(uint(top)); used > 0 && used < 16 {
			return []string{fmt.Sprintf("a 16-bit image whose values end at %d, %d bits: it comes out darker than it may be meant; range=%d in --preprocess of the plan would spread them", top, used, 1<<used-1)}
		}
		return nil
	}
	deepSamples(pix, alpha, func(v int) int { return min((v*0xffff+levels/2)/levels, 0xffff) })
	if top > levels {
		return []string{fmt.Sprintf("a 16-bit image with values up to %d, the plan's range ends at %d: what is beyond is cut", top, levels)}
	}
	return nil
}

// deepPixels gives the samples of an image of 16 bits, and whether every fourth is alpha.
func deepPixels(img image.Image) (pix []uint8, alpha bool) {
	switch m := img.(type) {
	case *image.Gray16:
		return m.Pix, false
	case *image.RGBA64:
		return m.Pix, true
	case *image.NRGBA64:
		return m.Pix, true
	}
	return nil, false
}

func deepSamples(pix []uint8, alpha bool, f func(int) int) {
	for i := 0; i+1 < len(pix); i += 2 {
		if alpha && i%8 == 6 {
			continue
		}
		v := f(int(pix[i])<<8 | int(pix[i+1]))
		pix[i], pix[i+1] = uint8(v>>8), uint8(v)
	}
}

// size is the height and the width of an image input.
func (w Spec) size() (height, width int) {
	s := w.Shape
	if w.Prep.Layout == "nhwc" {
		return s[len(s)-3], s[len(s)-2]
	}
	return s[len(s)-2], s[len(s)-1]
}

// fromImage resizes, crops and scales an image to the tensor wanted.
func (w Spec) fromImage(img image.Image, warnings []string) (*Array, error) {
	s := w.Shape
	if w.Prep.Preset == "" {
		return nil, hint.With(errors.New("the plan says nothing about images"), "compile it with --preprocess, or give a tensor")
	}
	if (len(s) != 3 && len(s) != 4) || len(s) == 4 && s[0] != 1 {
		if w.Examples() > 1 {
			return nil, hint.With(fmt.Errorf("one picture, where the input of shape %v takes %d", s, s[0]), "give one --input for each, or compile with --batch 1")
		}
		return nil, fmt.Errorf("an input of shape %v does not take a picture", s)
	}
	c, _ := w.Channels()
	if c != 1 && c != 3 {
		return nil, fmt.Errorf("an input of %d channels does not take an image", c)
	}
	height, width := w.size()
	fit, used, err := fitted(pictureOf(img), width, height, w.Prep)
	if err != nil {
		return nil, err
	}
	if used < 0.5 {
		warnings = append(warnings, fmt.Sprintf("only %.0f %% of the picture is used: the rest lies outside the middle that --preprocess cuts out", 100*used))
	}
	a := &Array{Shape: s, Values: make([]float32, c*height*width), Warnings: warnings}
	line := make([]float32, 3*width)
	for y := range height {
		fit.row(y, line)
		for x := range width {
			px := channelsOf(line[3*x:], c, w.Prep.Colour)
			for k := range c {
				at := (k*height+y)*width + x
				if w.Prep.Layout == "nhwc" {
					at = (y*width+x)*c + k
				}
				a.Values[at] = w.pixel(px[k], k)
			}
		}
	}
	return a, nil
}

// fitted cuts the middle square out if that is asked for, then scales the
// image: to width x height, or its shorter side to prep.Resize and then the
// middle of it; before that, if prep.Via says so, its shorter side to that. An
// image of the right size stays untouched. used is the part of the picture that
// is seen in the end.
func fitted(p *picture, width, height int, prep plan.Preprocess) (out *picture, used float64, err error) {
	all := float64(p.width) * float64(p.height)
	if prep.Crop == "square" {
		p = p.cut(middle(p.width, p.height, min(p.width, p.height), min(p.width, p.height)))
	}
	used = float64(p.width) * float64(p.height) / all
	if prep.Via > 0 && min(p.width, p.height) != prep.Via {
		w, h := p.shorterTo(prep.Via)
		if h > maxScaled/w {
			return nil, 0, fmt.Errorf("a picture of %d x %d pixels is too long to be scaled to %d x %d", p.width, p.height, w, h)
		}
		p = p.scaled(w, h, image.Rect(0, 0, w, h))
	}
	w, h := width, height
	if prep.Resize > 0 {
		w, h = p.shorterTo(prep.Resize)
		w, h = max(width, w), max(height, h)
		used *= float64(width) / float64(w) * float64(height) / float64(h)
	}
	return p.scaled(w, h, middle(w, h, width, height)), used, nil
}

// middle is the rectangle of a size in the middle of a larger one; of two middles
// the one that torchvision takes.
func middle(w, h, width, height int) image.Rectangle {
	at := image.Pt(int(math.RoundToEven(float64(w-width)/2)), int(math.RoundToEven(float64(h-height)/2)))
	return image.Rect(0, 0, width, height).Add(at)
}

// shorterTo is the size with the shorter side made s long.
func (p *picture) shorterTo(s int) (w, h int) {
	short := min(p.width, p.height)
	return p.width * s / short, p.height * s / short
}

// channelsOf gives a pixel's channels.
func channelsOf(px []float32, c int, colour string) [3]float32 {
	r, g, b := px[0], px[1], px[2]
	grey := (299*r + 587*g + 114*b) / 1000
	switch {
	case c == 1 || colour == "grey":
		return [3]float32{grey, grey, grey}
	case colour == "bgr":
		return [3]float32{b, g, r}
	}
	return [3]float32{r, g, b}
}
