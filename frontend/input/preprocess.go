package input

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"secc.example/secc/backend/plan"
)

// ParsePreprocess reads --preprocess: a preset (imagenet, unit, raw), then or
// instead of it key=value pairs, all separated by commas. Keys: crop, via,
// resize, range, layout, colour, scale, shift, mean, std; numbers for several channels are separated by
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
		return plan.Preprocess{Preset: name}, []float64{0.485, 0.456, 0.406}, []float64{0.229, 0.224, 0.225}, nil
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
		if p.Resize, err = side(value); p.Resize == 0 {
			p.Resize = stretched
		}
	case "range":
		p.Range, err = levels(value)
	case "via":
		p.Via, err = side(value)
	case "crop":
		p.Crop, err = word("crop", value, "square")
	case "layout":
		p.Layout, err = word("layout", value, "nchw", "nhwc")
	case "colour", "color":
		p.Colour, err = word("colour", value, "rgb", "bgr", "grey")
	case "scale":
		p.Scale, err = numbers(value)
	case "shift":
		p.Shift, err = numbers(value)
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return err
}

// word reads a value that is one of several.
func word(key, value string, known ...string) (string, error) {
	if !slices.Contains(known, value) {
		return "", fmt.Errorf("unknown %s %q (%s)", key, value, strings.Join(known, ", "))
	}
	return value, nil
}

// stretched stands for resize=0 until For is called: no side is kept.
const stretched = -1

// For makes a request for preprocessing, as it was parsed, definite for an input
// of a shape. The preset imagenet means the shorter side at 256/224 of the
// input's, as its networks were evaluated; one that names a side keeps it.
func For(p plan.Preprocess, shape []int) plan.Preprocess {
	switch {
	case p.Resize == stretched:
		p.Resize = 0
	case p.Preset == "imagenet" && p.Resize == 0 && len(shape) >= 3:
		h, w := Spec{Shape: shape, Prep: p}.size()
		p.Resize = (min(h, w)*256 + 112) / 224
	}
	return p
}

// levels reads the largest value of pixels of 16 bits.
func levels(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1<<16-1 {
		return 0, fmt.Errorf("range of %q: the largest value that pixels of 16 bits have, such as 4095", s)
	}
	return n, nil
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
