package input

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strconv"
	"strings"

	"golang.org/x/image/draw"

	"secc.example/secc/backend/plan"
)

// ParsePreprocess reads --preprocess: a preset (imagenet, unit, raw), then or
// instead of it key=value pairs, all separated by commas. Keys: crop, via,
// resize, layout, colour, scale, shift, mean, std; numbers for several channels are separated by
// colons. mean and std are those of pixels from 0 to 1, as torchvision counts.
func ParsePreprocess(s string) (plan.Preprocess, error) {
	var p plan.Preprocess
	if s == "" {
		return p, nil
	}
	p.Preset = "custom"
	var mean, std []float64
	for i, part := range strings.Split(s, ",") {
		key, value, pair := strings.Cut(part, "=")
		var err error
		switch {
		case !pair && i == 0:
			p, mean, std, err = preset(part)
		case !pair:
			err = fmt.Errorf("%q is not of the form key=value", part)
		case key == "mean":
			mean, err = numbers(value)
		case key == "std":
			std, err = numbers(value)
		default:
			err = setPreprocess(&p, key, value)
		}
		if err != nil {
			return p, fmt.Errorf("--preprocess: %w", err)
		}
	}
	if mean != nil || std != nil {
		if p.Scale != nil || p.Shift != nil {
			return p, fmt.Errorf("--preprocess: give either scale and shift or mean and std")
		}
		return p, normalise(&p, mean, std)
	}
	return p, nil
}

func preset(name string) (p plan.Preprocess, mean, std []float64, err error) {
	switch name {
	case "imagenet":
		return plan.Preprocess{Preset: name, Resize: 256}, []float64{0.485, 0.456, 0.406}, []float64{0.229, 0.224, 0.225}, nil
	case "unit":
		return plan.Preprocess{Preset: name}, []float64{0}, []float64{1}, nil
	case "raw":
		return plan.Preprocess{Preset: name}, nil, nil, nil
	}
	return p, nil, nil, fmt.Errorf("unknown preset %q (imagenet, unit, raw)", name)
}

func setPreprocess(p *plan.Preprocess, key, value string) (err error) {
	switch key {
	case "resize":
		p.Resize, err = side(value)
	case "via":
		p.Via, err = side(value)
	case "crop":
		if p.Crop = value; value != "square" {
			return fmt.Errorf("unknown crop %q (square)", value)
		}
	case "layout":
		if p.Layout = value; value != "nchw" && value != "nhwc" {
			return fmt.Errorf("unknown layout %q (nchw, nhwc)", value)
		}
	case "colour", "color":
		if p.Colour = value; value != "rgb" && value != "bgr" && value != "grey" {
			return fmt.Errorf("unknown colour %q (rgb, bgr, grey)", value)
		}
	case "scale":
		p.Scale, err = numbers(value)
	case "shift":
		p.Shift, err = numbers(value)
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return err
}

// side reads the length of an image's side.
func side(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1<<14 {
		return 0, fmt.Errorf("resize to %q", s)
	}
	return n, nil
}

func numbers(s string) ([]float64, error) {
	var out []float64
	for _, f := range strings.Split(s, ":") {
		x, err := strconv.ParseFloat(f, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("%q is not a number", f)
		}
		out = append(out, x)
	}
	return out, nil
}

// normalise turns (pixel/255 - mean)/std into a factor and a shift.
func normalise(p *plan.Preprocess, mean, std []float64) error {
	if mean == nil {
		mean = []float64{0}
	}
	if std == nil {
		std = []float64{1}
	}
	if len(mean) != len(std) && len(mean) != 1 && len(std) != 1 {
		return fmt.Errorf("--preprocess: %d means and %d standard deviations", len(mean), len(std))
	}
	for i := range max(len(mean), len(std)) {
		m, s := mean[min(i, len(mean)-1)], std[min(i, len(std)-1)]
		if s == 0 {
			return fmt.Errorf("--preprocess: a standard deviation of zero")
		}
		p.Scale = append(p.Scale, 1/(255*s))
		p.Shift = append(p.Shift, -m/s)
	}
	return nil
}

// pixel scales a pixel of channel c.
func (w Spec) pixel(x float32, c int) float32 {
	scale, shift := 1.0, 0.0
	if n := len(w.Prep.Scale); n > 0 {
		scale = w.Prep.Scale[min(c, n-1)]
	}
	if n := len(w.Prep.Shift); n > 0 {
		shift = w.Prep.Shift[min(c, n-1)]
	}
	return float32(float64(x)*scale + shift)
}

// fromImage resizes, crops and scales an image to the tensor wanted.
func (w Spec) fromImage(img image.Image) (*Array, error) {
	s := w.Shape
	if w.Prep.Preset == "" {
		return nil, fmt.Errorf("the plan says nothing about images: compile it with --preprocess, or give a tensor")
	}
	if (len(s) != 3 && len(s) != 4) || len(s) == 4 && s[0] != 1 {
		return nil, fmt.Errorf("an input of shape %v does not take one image", s)
	}
	c, _ := w.Channels()
	height, width := s[len(s)-2], s[len(s)-1]
	if w.Prep.Layout == "nhwc" {
		height, width = s[len(s)-3], s[len(s)-2]
	}
	if c != 1 && c != 3 {
		return nil, fmt.Errorf("an input of %d channels does not take an image", c)
	}
	fit := fitted(img, width, height, w.Prep)
	a := &Array{Shape: s, Values: make([]float32, c*height*width)}
	for y := range height {
		for x := range width {
			px := channelsOf(fit.RGBA64At(x, y), c, w.Prep.Colour)
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
// image of the right size stays untouched.
func fitted(img image.Image, width, height int, prep plan.Preprocess) *image.RGBA64 {
	b := img.Bounds()
	if prep.Crop == "square" {
		b = middleSquare(b)
	}
	if prep.Via > 0 && min(b.Dx(), b.Dy()) != prep.Via {
		w, h := shorterTo(b, prep.Via)
		img = scaled(img, b, image.Rect(0, 0, w, h), w, h)
		b = img.Bounds()
	}
	to := image.Rect(0, 0, width, height)
	if prep.Resize > 0 {
		w, h := shorterTo(b, prep.Resize)
		w, h = max(width, w), max(height, h)
		to = image.Rect(0, 0, w, h).Sub(image.Pt((w-width)/2, (h-height)/2))
	}
	return scaled(img, b, to, width, height)
}

func middleSquare(b image.Rectangle) image.Rectangle {
	s := min(b.Dx(), b.Dy())
	return image.Rect(0, 0, s, s).Add(b.Min).Add(image.Pt((b.Dx()-s)/2, (b.Dy()-s)/2))
}

// shorterTo is the size of b with its shorter side made s long.
func shorterTo(b image.Rectangle, s int) (w, h int) {
	short := min(b.Dx(), b.Dy())
	return (b.Dx()*s + short/2) / short, (b.Dy()*s + short/2) / short
}

// scaled fills an image of width x height from rectangle b of img, drawn onto
// rectangle to: bilinear, averaged over all the pixels that become one.
func scaled(img image.Image, b, to image.Rectangle, width, height int) *image.RGBA64 {
	out := image.NewRGBA64(image.Rect(0, 0, width, height))
	if to.Size() == b.Size() {
		draw.Copy(out, to.Min, img, b, draw.Src, nil)
	} else {
		draw.BiLinear.Scale(out, to, img, b, draw.Src, nil)
	}
	return out
}

// channelsOf gives a pixel's channels, 0 to 255 with fractions.
func channelsOf(px color.RGBA64, c int, colour string) [3]float32 {
	r, g, b := float32(px.R)/257, float32(px.G)/257, float32(px.B)/257
	grey := float32((299*uint32(px.R)+587*uint32(px.G)+114*uint32(px.B))/1000) / 257
	switch {
	case c == 1 || colour == "grey":
		return [3]float32{grey, grey, grey}
	case colour == "bgr":
		return [3]float32{b, g, r}
	}
	return [3]float32{r, g, b}
}
