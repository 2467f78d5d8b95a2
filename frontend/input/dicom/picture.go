package dicom

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math"

	"secc.example/secc/frontend/input/internal/hint"
)

// maxPixels bounds the frames that are read (a large radiograph has about 20
// million pixels).
const maxPixels = 1 << 26

// asPNG is the way out for images that are not grey-level or need a table.
const asPNG = "let a viewer draw it: dcmj2pnm +on in.dcm out.png"

// ErrNoImage is the error of files without pixels: reports, directories.
var ErrNoImage = errors.New("dicom: no pixel data: the file is cut off or holds no image")

// picture is what rendering a frame needs to know.
type picture struct {
	rows, cols       int
	allocated        int // bits
	stored, high     int // bits
	signed, inverted bool
	float            bool // the pixels are floating point
	slope, intercept float64
	center, width    float64 // width 0: no window in the file
	function         string  // LINEAR, LINEAR_EXACT or SIGMOID
	padding          *[2]float64
}

// Decode turns one frame (from 0) of a grey-level DICOM file into an image as a
// viewer would show it: stored value -> rescale slope and intercept -> window
// (the file's first, or the whole range) -> inverted for MONOCHROME1 and the
// presentation shape INVERSE. Enhanced images have slope and window in
// functional groups, a frame's own before those that all share.
func Decode(data []byte, frame int) (*image.Gray16, error) {
	syntax, set, err := parse(data)
	if err != nil {
		return nil, err
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if syntax == bigEndian {
		order = binary.BigEndian
	}
	if frames := max(set.countOr(tagFrames, 1), 1); frame < 0 || frame >= frames {
		return nil, fmt.Errorf("dicom: frame %d asked for, the file has %d", frame+1, frames)
	}
	h, err := describe(set, order, frame)
	if err != nil {
		return nil, err
	}
	stored, err := h.pixels(set, syntax, order, frame)
	if err != nil {
		return nil, err
	}
	return h.render(stored)
}

// describe reads the attributes that say what a frame looks like.
func describe(set dataset, order binary.ByteOrder, frame int) (*picture, error) {
	word := func(t tag, or int) int { return set.wordOr(t, order, or) }
	if n := word(tagSamplesPerPixel, 1); n != 1 {
		return nil, hint.With(fmt.Errorf("dicom: %d samples a pixel: only grey-level images are read", n), asPNG)
	}
	h := &picture{rows: word(tagRows, 0), cols: word(tagColumns, 0), allocated: word(tagBitsAllocated, 0), signed: word(tagSigned, 0) == 1}
	h.stored = word(tagBitsStored, h.allocated)
	h.high = word(tagHighBit, h.stored-1)
	_, f32 := set[tagFloatPixels]
	_, f64 := set[tagDoublePixels]
	if h.float = f32 || f64; h.float {
		h.stored, h.high = h.allocated, h.allocated-1
	}
	if err := h.sane(); err != nil {
		return nil, err
	}
	if err := h.polarity(set); err != nil {
		return nil, err
	}
	h.pad(set, order)
	return h, h.grey(set, frame)
}

func (h *picture) sane() error {
	if h.rows < 1 || h.cols < 1 || h.rows > maxPixels/h.cols {
		return fmt.Errorf("dicom: %d rows x %d columns is not a sensible image", h.rows, h.cols)
	}
	switch h.allocated {
	case 8, 16, 32:
	case 64:
		if !h.float {
			return fmt.Errorf("dicom: %d bits a sample are not read", h.allocated)
		}
	default:
		return hint.With(fmt.Errorf("dicom: %d bits a sample are not read", h.allocated), asPNG)
	}
	if h.stored < 1 || h.high < h.stored-1 || h.high >= h.allocated {
		return fmt.Errorf("dicom: %d bits stored with high bit %d", h.stored, h.high)
	}
	return nil
}

// polarity says whether the least value is white. MONOCHROME1 comes with the
// presentation shape INVERSE by definition: both mean one inversion.
func (h *picture) polarity(set dataset) error {
	switch p := set.stringOr(tagPhotometric, "MONOCHROME2"); p {
	case "MONOCHROME1":
		h.inverted = true
	case "MONOCHROME2":
		h.inverted = set.stringOr(tagPresentationShape, "IDENTITY") == "INVERSE"
	case "RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420":
		return hint.With(fmt.Errorf("dicom: photometric interpretation %q: only MONOCHROME1 and MONOCHROME2 are read", p), asPNG)
	default:
		return hint.With(errors.New("dicom: the photometric interpretation is neither MONOCHROME1 nor MONOCHROME2"), asPNG)
	}
	return nil
}

// pad reads the range of stored values that are no picture.
func (h *picture) pad(set dataset, order binary.ByteOrder) {
	if len(set[tagPadding].data) < 2 {
		return
	}
	value := func(t tag, or float64) float64 {
		if len(set[t].data) < 2 {
			return or
		}
		if w := set.wordOr(t, order, 0); !h.signed {
			return float64(w)
		} else {
			return float64(int16(w))
		}
	}
	lo := value(tagPadding, 0)
	hi := value(tagPaddingLimit, lo)
	h.padding = &[2]float64{min(lo, hi), max(lo, hi)}
}

// grey reads slope and window, and refuses an image whose grey levels go
// through a table in the file: as a ramp it would look right and be wrong.
func (h *picture) grey(set dataset, frame int) error {
	slopes, window := set, set
	if g := set.group(tagPixelTransform, frame); g != nil {
		slopes = g
	}
	if g := set.group(tagFrameVOI, frame); g != nil {
		window = g
	}
	h.slope, h.intercept = slopes.floatOr(tagRescaleSlope, 1), slopes.floatOr(tagRescaleIntercept, 0)
	h.center, h.width = window.floatOr(tagWindowCenter, 0), window.floatOr(tagWindowWidth, 0)
	if sum := h.slope + h.intercept + h.center + h.width; h.slope == 0 || math.IsNaN(sum) || math.IsInf(sum, 0) || h.width < 0 {
		return errors.New("dicom: rescale slope or window is not usable")
	}
	switch h.function = window.stringOr(tagVOIFunction, "LINEAR"); h.function {
	case "LINEAR", "LINEAR_EXACT", "SIGMOID":
	default:
		return errors.New("dicom: the VOI LUT function is not known")
	}
	if _, ok := set[tagModalityLUT]; ok {
		return hint.With(errors.New("dicom: a modality LUT is not applied"), asPNG)
	}
	if _, ok := window[tagVOILUT]; ok && h.width == 0 {
		return hint.With(errors.New("dicom: a VOI LUT without a window is not applied"), asPNG)
	}
	return nil
}

// render applies slope, window and inversion (PS3.3 C.11.1 and C.11.2).
func (h *picture) render(stored []float32) (*image.Gray16, error) {
	window, err := h.ramp(stored)
	if err != nil {
		return nil, err
	}
	img := image.NewGray16(image.Rect(0, 0, h.cols, h.rows))
	for i, s := range stored {
		v := window(float64(s)*h.slope + h.intercept)
		if h.inverted {
			v = 1 - v
		}
		u := uint16(math.Round(v * 65535))
		img.Pix[2*i], img.Pix[2*i+1] = uint8(u>>8), uint8(u)
	}
	return img, nil
}

// ramp maps a rescaled value to [0,1]. Without a window in the file an 8-bit
// image keeps its full range and a deeper one is spread over the range it uses.
func (h *picture) ramp(stored []float32) (func(float64) float64, error) {
	c, w := h.center, h.width
	if w == 0 {
		lo, hi := h.fullRange(stored)
		if math.IsNaN(hi-lo) || math.IsInf(hi-lo, 0) {
			return nil, errors.New("dicom: the pixels are not all finite numbers")
		}
		return linear(lo*h.slope+h.intercept, hi*h.slope+h.intercept), nil
	}
	switch {
	case h.function == "SIGMOID":
		return func(v float64) float64 { return 1 / (1 + math.Exp(-4*(v-c)/w)) }, nil
	case h.function == "LINEAR_EXACT" || w <= 1 || h.float: // LINEAR is defined on whole numbers
		return linear(c-w/2, c+w/2), nil
	}
	return linear(c-0.5-(w-1)/2, c-0.5+(w-1)/2), nil
}

func (h *picture) fullRange(stored []float32) (lo, hi float64) {
	if h.stored <= 8 {
		lo, hi = 0, math.Ldexp(1, h.stored)-1
		if h.signed {
			lo, hi = -math.Ldexp(1, h.stored-1), math.Ldexp(1, h.stored-1)-1
		}
		return lo, hi
	}
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, s := range stored {
		v := float64(s)
		if h.padding != nil && v >= h.padding[0] && v <= h.padding[1] {
			continue
		}
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo > hi { // nothing but padding
		return 0, 0
	}
	return lo, hi
}

// linear is the ramp from 0 at lo to 1 at hi (a negative slope swaps them).
func linear(lo, hi float64) func(float64) float64 {
	lo, hi = min(lo, hi), max(lo, hi)
	if lo == hi {
		return func(v float64) float64 {
			if v > lo {
				return 1
			}
			return 0
		}
	}
	return func(v float64) float64 { return min(max((v-lo)/(hi-lo), 0), 1) }
}
