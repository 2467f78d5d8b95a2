package input

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"slices"

	"secc.example/secc/backend/plan"
)

// leastShown is the shortest side of what is taken for a picture.
const leastShown = 8

// Picture draws the values of an input as the network is given them, from black for the
// least to white for the greatest: a PNG, or nil if the input is no picture.
func (w Spec) Picture(values []float32) []byte {
	return Draw(values, w.Shape, w.Prep)
}

// Draw draws a tensor [..., C, H, W] of one or three channels, laid out and coloured as prep
// says, as a PNG from black for the least value to white for the greatest; of
// several pictures the first. Nil if the shape is none of a picture.
func Draw(values []float32, shape []int, prep plan.Preprocess) []byte {
	img := drawn(values, shape, prep)
	if img == nil {
		return nil
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil { // a side too long for a PNG
		return nil
	}
	return b.Bytes()
}

func drawn(values []float32, shape []int, prep plan.Preprocess) image.Image {
	if len(shape) < 3 {
		return nil
	}
	d := shape[len(shape)-3:]
	c, high, wide := d[0], d[1], d[2]
	pixel, channel := 1, high*wide
	if prep.Layout == "nhwc" {
		high, wide, c = d[0], d[1], d[2]
		pixel, channel = c, 1
	}
	if c != 1 && c != 3 || min(high, wide) < leastShown || len(values) < c*high*wide {
		return nil
	}
	values = values[:c*high*wide]
	least, most := slices.Min(values), slices.Max(values)
	level := func(i int) uint8 {
		if most == least {
			return 0
		}
		return uint8(255*(values[i]-least)/(most-least) + 0.5)
	}
	if c == 1 {
		img := image.NewGray(image.Rect(0, 0, wide, high))
		for i := range img.Pix {
			img.Pix[i] = level(i * pixel)
		}
		return img
	}
	first, third := 0, 2*channel
	if prep.Colour == "bgr" {
		first, third = third, first
	}
	img := image.NewNRGBA(image.Rect(0, 0, wide, high))
	for i := range high * wide {
		at := i * pixel
		img.SetNRGBA(i%wide, i/wide, color.NRGBA{level(at + first), level(at + channel), level(at + third), 255})
	}
	return img
}
