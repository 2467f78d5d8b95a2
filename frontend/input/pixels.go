package input

import (
	"errors"
	"fmt"
	"slices"

	"secc.example/secc/frontend/input/internal/hint"
)

// asPixels applies the plan's factors to an array of pixels, and looks at one of
// numbers that may have been meant as pixels.
func asPixels(w Spec, read func([]byte) (*Array, error), b []byte) (*Array, error) {
	a, err := read(b)
	if err != nil || w.Prep.Preset == "" {
		return a, err
	}
	switch {
	case a.kind[0] == 'f':
		a.Warnings = w.unlikely(a.Values)
		return a, nil
	case a.kind == "b1": // either pixels or the tensor itself
		return nil, hint.With(errors.New("truth values where the plan has a preprocessing of pixels"), "save them as pixels (uint8, 0 to 255), or as the float32 tensor the network takes")
	}
	return a, w.scalePixels(a)
}

// scalePixels turns whole numbers, which can only be pixels, into the tensor.
func (w Spec) scalePixels(a *Array) error {
	if len(a.Values) == 0 || len(a.Values)%w.N() != 0 || !a.fits(w) {
		return a.turned(w, fmt.Errorf("shape %v, the network wants %v", a.Shape, w.Shape))
	}
	lo, hi := slices.Min(a.Values), slices.Max(a.Values)
	factor, top := float32(1), float32(255)
	if w.Prep.Range > 0 && a.kind != "u1" {
		top = float32(w.Prep.Range)
		factor = 255 / top
	}
	if lo < 0 || hi > top {
		return hint.With(fmt.Errorf("whole numbers from %.0f to %.0f, where pixels go from 0 to %.0f", lo, hi, top),
			"give pixels (range= in --preprocess of the plan says where those of 16 bits end), or as float32 the tensor that the network takes")
	}
	c, inner := w.Channels()
	for i := range a.Values {
		a.Values[i] = w.pixel(factor*a.Values[i], i/inner%c)
	}
	return nil
}

// unlikely looks for numbers that are not what the plan's preprocessing makes of
// pixels: most often it was forgotten, or done in another way.
func (w Spec) unlikely(values []float32) []string {
	if len(values) == 0 {
		return nil
	}
	c, _ := w.Channels()
	lo, hi := w.pixel(0, 0), w.pixel(0, 0)
	for k := range c {
		for _, x := range []float32{0, 255} {
			lo, hi = min(lo, w.pixel(x, k)), max(hi, w.pixel(x, k))
		}
	}
	least, most, wide := slices.Min(values), slices.Max(values), hi-lo
	said := fmt.Sprintf("a tensor with values from %.4g to %.4g, where the plan's preprocessing makes %.4g to %.4g of pixels", least, most, lo, hi)
	switch {
	case least < lo-wide/20 || most > hi+wide/20:
		return []string{said + ": give it as the network takes it, preprocessed, or save pixels as uint8"}
	case lo < -wide/20 && least >= 0 && most <= 1:
		return []string{said + ": pixels from 0 to 1 are not what the network takes"}
	case most-least < wide/100:
		return []string{said + ": that is hardly any contrast"}
	}
	return nil
}
