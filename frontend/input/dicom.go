package input

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"strconv"
	"strings"

	"github.com/suyashkumar/dicom"
	"github.com/suyashkumar/dicom/pkg/frame"
	"github.com/suyashkumar/dicom/pkg/tag"
	"github.com/suyashkumar/dicom/pkg/uid"
)

// maxDICOMPixels bounds what is unpacked of one file (a large radiograph has
// about 20 million pixels).
const maxDICOMPixels = 1 << 28

// isDICOM reports whether the bytes are a DICOM part 10 file.
func isDICOM(data []byte) bool {
	return len(data) >= 132 && string(data[128:132]) == "DICM"
}

// decodeDICOM turns one frame (from 0) of a grey-level DICOM file into an image as
// a viewer would show it: stored value -> rescale slope and intercept ->
// window (the file's first, or the whole range) -> inverted for MONOCHROME1.
// Only pixel and display attributes are read; nothing that names the patient is
// kept or quoted in an error.
func decodeDICOM(data []byte, frameIndex int) (img *image.Gray16, err error) {
	defer func() { // the parser panics on some malformed files
		if p := recover(); p != nil {
			img, err = nil, fmt.Errorf("dicom: malformed file")
		}
	}()
	syntax, err := transferSyntax(data)
	if err != nil {
		return nil, err
	}
	set, err := dicom.Parse(bytes.NewReader(data), int64(len(data)), nil, dicom.AllowUnknownSpecificCharacterSet())
	if err != nil {
		return nil, fmt.Errorf("dicom: not readable: %s", parseFailure(err))
	}
	h, err := readHeader(&set)
	if err != nil {
		return nil, err
	}
	f, err := pickFrame(&set, syntax, frameIndex)
	if err != nil {
		return nil, err
	}
	stored, err := h.stored(f)
	if err != nil {
		return nil, err
	}
	return h.render(stored), nil
}

// parseFailure keeps the kind of a parser's error and drops its text, which may
// quote values from the file.
func parseFailure(err error) string {
	switch {
	case errors.Is(err, dicom.ErrorMagicWord):
		return "no DICM marker"
	case errors.Is(err, dicom.ErrorMetaElementGroupLength):
		return "no file meta information"
	case errors.Is(err, dicom.ErrorMismatchPixelDataLength):
		return "pixel data does not have the length that rows, columns and frames ask for"
	}
	return "truncated or malformed data set"
}

// asPNG is the way out for images that are not grey-level or need a table.
const asPNG = "let a viewer draw it: dcmj2pnm +on in.dcm out.png"

// dicomHeader is what rendering needs to know.
type dicomHeader struct {
	rows, cols       int
	bitsStored       int
	highBit          int
	signed, inverted bool
	slope, intercept float64
	center, width    float64 // width 0: no window in the file
	windowFunction   string  // LINEAR, LINEAR_EXACT or SIGMOID
}

func readHeader(set *dicom.Dataset) (*dicomHeader, error) {
	if spp := intOr(set, tag.SamplesPerPixel, 1); spp != 1 {
		return nil, hint(fmt.Errorf("dicom: %d samples a pixel: only grey-level images are read", spp), asPNG)
	}
	h := &dicomHeader{
		rows: intOr(set, tag.Rows, 0), cols: intOr(set, tag.Columns, 0),
		bitsStored: intOr(set, tag.BitsStored, intOr(set, tag.BitsAllocated, 0)),
		signed:     intOr(set, tag.PixelRepresentation, 0) == 1,
		slope:      floatOr(set, tag.RescaleSlope, 1), intercept: floatOr(set, tag.RescaleIntercept, 0),
		center: floatOr(set, tag.WindowCenter, 0), width: floatOr(set, tag.WindowWidth, 0),
		windowFunction: stringOr(set, tag.VOILUTFunction, "LINEAR"),
	}
	h.highBit = intOr(set, tag.HighBit, h.bitsStored-1)
	switch p := stringOr(set, tag.PhotometricInterpretation, "MONOCHROME2"); p {
	case "MONOCHROME1":
		h.inverted = true
	case "MONOCHROME2":
	default:
		return nil, hint(fmt.Errorf("dicom: photometric interpretation %q: only MONOCHROME1 and MONOCHROME2 are read", p), asPNG)
	}
	switch h.windowFunction {
	case "LINEAR", "LINEAR_EXACT", "SIGMOID":
	default:
		return nil, fmt.Errorf("dicom: VOI LUT function %q is not known", h.windowFunction)
	}
	if h.rows < 1 || h.cols < 1 || h.rows > maxDICOMPixels/h.cols {
		return nil, fmt.Errorf("dicom: %d rows x %d columns is not a sensible image", h.rows, h.cols)
	}
	if h.bitsStored < 1 || h.bitsStored > 32 || h.highBit < h.bitsStored-1 || h.highBit >= intOr(set, tag.BitsAllocated, 32) {
		return nil, fmt.Errorf("dicom: %d bits stored with high bit %d", h.bitsStored, h.highBit)
	}
	if h.slope == 0 || math.IsNaN(h.slope+h.intercept+h.center+h.width) || math.IsInf(h.slope+h.intercept+h.center+h.width, 0) || h.width < 0 {
		return nil, errors.New("dicom: rescale slope or window is not usable")
	}
	return h, tables(set, h)
}

// tables refuses an image whose grey levels go through a table in the file: as
// a ramp it would look right and be wrong.
func tables(set *dicom.Dataset, h *dicomHeader) error {
	if _, err := set.FindElementByTag(tag.ModalityLUTSequence); err == nil {
		return hint(errors.New("dicom: a modality LUT is not applied"), asPNG)
	}
	if _, err := set.FindElementByTag(tag.VOILUTSequence); err == nil && h.width == 0 {
		return hint(errors.New("dicom: a VOI LUT without a window is not applied"), asPNG)
	}
	return nil
}

func pickFrame(set *dicom.Dataset, syntax string, i int) (*frame.Frame, error) {
	e, err := set.FindElementByTag(tag.PixelData)
	if err != nil {
		return nil, errors.New("dicom: no pixel data: the file is cut off or holds no image")
	}
	info, ok := e.Value.GetValue().(dicom.PixelDataInfo)
	if !ok || info.ParseErr != nil || len(info.Frames) == 0 {
		return nil, errors.New("dicom: pixel data is not readable")
	}
	if info.IsEncapsulated != jpegSyntaxes[syntax] {
		return nil, hint(errors.New("dicom: the pixel data is not packed as the transfer syntax says"), "write the file anew: "+gdcmUnpack)
	}
	if syntax == uid.ExplicitVRBigEndian && e.RawValueRepresentation == "OW" && intOr(set, tag.BitsAllocated, 0) == 8 {
		return nil, hint(errors.New("dicom: transfer syntax explicit VR big endian with bytes packed into words is not read"), "write it as little endian: dcmconv +te in.dcm out.dcm")
	}
	frames := info.Frames
	if info.IsEncapsulated {
		if frames, err = joined(frames, intOr(set, tag.NumberOfFrames, 1)); err != nil {
			return nil, err
		}
	}
	if i < 0 || i >= len(frames) {
		return nil, fmt.Errorf("dicom: frame %d asked for, the file has %d", i+1, len(frames))
	}
	return frames[i], nil
}

// joined makes frames of the fragments that the parser gives: an only frame may
// come in several; of more frames each must come in one.
func joined(fragments []*frame.Frame, frames int) ([]*frame.Frame, error) {
	if len(fragments) == frames {
		return fragments, nil
	}
	if frames != 1 {
		return nil, hint(fmt.Errorf("dicom: %d frames in %d fragments: the file is cut off or its frames are split", frames, len(fragments)), "unpack the file first: "+gdcmUnpack)
	}
	var data []byte
	for _, f := range fragments {
		data = append(data, f.EncapsulatedData.Data...)
	}
	return []*frame.Frame{{Encapsulated: true, EncapsulatedData: frame.EncapsulatedFrame{Data: data}}}, nil
}

// stored gives the stored values of a frame, row by row, sign-extended from
// BitsStored where the file says so.
func (h *dicomHeader) stored(f *frame.Frame) ([]int64, error) {
	out := make([]int64, h.rows*h.cols)
	if f.Encapsulated {
		return out, h.storedJPEG(f.EncapsulatedData.Data, out)
	}
	raw := f.NativeData
	if raw == nil || raw.Rows() != h.rows || raw.Cols() != h.cols || raw.SamplesPerPixel() != 1 {
		return nil, errors.New("dicom: pixel data does not match rows and columns")
	}
	var at func(i int) uint64
	switch d := raw.RawDataSlice().(type) {
	case []uint8:
		at = func(i int) uint64 { return uint64(d[i]) }
	case []uint16:
		at = func(i int) uint64 { return uint64(d[i]) }
	case []uint32:
		at = func(i int) uint64 { return uint64(d[i]) }
	default:
		return nil, fmt.Errorf("dicom: %d bits a sample are not read", raw.BitsPerSample())
	}
	low, mask := h.highBit-h.bitsStored+1, uint64(1)<<h.bitsStored-1
	for i := range out {
		v := at(i) >> low & mask
		out[i] = int64(v)
		if h.signed && v>>(h.bitsStored-1) == 1 {
			out[i] -= int64(1) << h.bitsStored
		}
	}
	return out, nil
}

// storedJPEG reads an encapsulated baseline JPEG frame (8 bits, grey).
func (h *dicomHeader) storedJPEG(data []byte, out []int64) error {
	size, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return hint(errors.New("dicom: the JPEG frame is damaged or not one of 8 bits"), "unpack the file first: dcmdjpeg in.dcm out.dcm")
	}
	if size.Width != h.cols || size.Height != h.rows {
		return errors.New("dicom: pixel data does not match rows and columns")
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return errors.New("dicom: compressed pixel data is damaged")
	}
	grey, ok := img.(*image.Gray)
	if !ok {
		return errors.New("dicom: compressed pixel data is not grey-level")
	}
	for y := range h.rows {
		for x := range h.cols {
			out[y*h.cols+x] = int64(grey.Pix[y*grey.Stride+x])
		}
	}
	return nil
}

// render applies slope, window and inversion (DICOM PS3.3 C.11.1 and C.11.2).
func (h *dicomHeader) render(stored []int64) *image.Gray16 {
	window := h.window(stored)
	img := image.NewGray16(image.Rect(0, 0, h.cols, h.rows))
	for i, s := range stored {
		v := window(float64(s)*h.slope + h.intercept)
		if h.inverted {
			v = 1 - v
		}
		u := uint16(math.Round(v * 65535))
		img.Pix[2*i], img.Pix[2*i+1] = uint8(u>>8), uint8(u)
	}
	return img
}

// window maps a rescaled value to [0,1]. Without a window in the file an 8-bit
// image keeps its full range and a deeper one is spread over the range it uses.
func (h *dicomHeader) window(stored []int64) func(float64) float64 {
	c, w := h.center, h.width
	if w == 0 {
		lo, hi := h.fullRange(stored)
		return linear(lo*h.slope+h.intercept, hi*h.slope+h.intercept)
	}
	switch {
	case h.windowFunction == "SIGMOID":
		return func(v float64) float64 { return 1 / (1 + math.Exp(-4*(v-c)/w)) }
	case h.windowFunction == "LINEAR_EXACT" || w <= 1:
		return linear(c-w/2, c+w/2)
	}
	return linear(c-0.5-(w-1)/2, c-0.5+(w-1)/2)
}

func (h *dicomHeader) fullRange(stored []int64) (lo, hi float64) {
	if h.bitsStored <= 8 {
		lo, hi = 0, math.Ldexp(1, h.bitsStored)-1
		if h.signed {
			lo, hi = -math.Ldexp(1, h.bitsStored-1), math.Ldexp(1, h.bitsStored-1)-1
		}
		return lo, hi
	}
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, s := range stored {
		lo, hi = min(lo, float64(s)), max(hi, float64(s))
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

func intOr(set *dicom.Dataset, t tag.Tag, or int) int {
	if v, ok := value[[]int](set, t); ok && len(v) > 0 {
		return v[0]
	}
	if s := stringOr(set, t, ""); s != "" { // IS
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
	}
	return or
}

func floatOr(set *dicom.Dataset, t tag.Tag, or float64) float64 {
	if s := stringOr(set, t, ""); s != "" { // DS, of several the first
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
		return math.NaN()
	}
	return or
}

func stringOr(set *dicom.Dataset, t tag.Tag, or string) string {
	if v, ok := value[[]string](set, t); ok && len(v) > 0 && strings.TrimSpace(v[0]) != "" {
		return strings.TrimSpace(v[0]) // an empty attribute is an absent one
	}
	return or
}

func value[T any](set *dicom.Dataset, t tag.Tag) (v T, ok bool) {
	e, err := set.FindElementByTag(t)
	if err != nil || e.Value == nil {
		return v, false
	}
	v, ok = e.Value.GetValue().(T)
	return v, ok
}
