package main

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"slices"
	"strconv"

	"github.com/suyashkumar/dicom"
	"github.com/suyashkumar/dicom/pkg/frame"
	"github.com/suyashkumar/dicom/pkg/tag"
	"github.com/suyashkumar/dicom/pkg/uid"
)

// patient is what the files say of the person; none of it may be printed.
var patient = map[tag.Tag][]string{
	tag.PatientName:            {"ZYXWV^QUILLON"},
	tag.PatientID:              {"PID-7719-ZYX"},
	tag.PatientBirthDate:       {"19431107"},
	tag.InstitutionName:        {"ZYXWV QHOUSE"},
	tag.ReferringPhysicianName: {"UVTSR^QPHYS"},
	tag.AccessionNumber:        {"ACC-7719-ZYX"},
}

// variant is a way of storing an image of 8 bits as DICOM.
type variant struct {
	name     string
	inverted bool // MONOCHROME1: large values are dark
	bits     int
	window   bool // stored values are spread out, and a window brings them back
	slope    bool // the same by a rescale slope and intercept
	second   bool // the second of two frames
}

var variants = []variant{
	{name: "MONOCHROME2, 8 bits", bits: 8},
	{name: "MONOCHROME1, 8 bits", bits: 8, inverted: true},
	{name: "MONOCHROME2, 12 bits, window", bits: 12, window: true},
	{name: "MONOCHROME1, 12 bits, window, slope", bits: 12, inverted: true, window: true, slope: true},
	{name: "MONOCHROME2, 12 bits, second frame", bits: 12, window: true, second: true},
}

// stored is the value that a pixel is stored as: 8 bits as they are, 12 bits as
// 150 + 14 for every grey level.
func (v variant) stored(grey uint8) uint16 {
	if v.inverted {
		grey = 255 - grey
	}
	if v.bits == 8 {
		return uint16(grey)
	}
	return 150 + 14*uint16(grey)
}

// encode writes the image as a DICOM file.
func (v variant) encode(img image.Image) ([]byte, error) {
	b := img.Bounds()
	pixels := make([]uint16, 0, b.Dx()*b.Dy())
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			pixels = append(pixels, v.stored(color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y))
		}
	}
	frames := [][]uint16{pixels}
	if v.second {
		frames = [][]uint16{make([]uint16, len(pixels)), pixels}
	}
	return v.file(frames, b.Dy(), b.Dx())
}

func (v variant) file(frames [][]uint16, rows, cols int) ([]byte, error) {
	attrs := map[tag.Tag]any{
		tag.MediaStorageSOPClassUID:    []string{"1.2.840.10008.5.1.4.1.1.1.1"},
		tag.MediaStorageSOPInstanceUID: []string{"1.2.3.4"},
		tag.TransferSyntaxUID:          []string{uid.ExplicitVRLittleEndian},
		tag.Rows:                       []int{rows}, tag.Columns: []int{cols},
		tag.BitsAllocated: []int{16}, tag.BitsStored: []int{v.bits}, tag.HighBit: []int{v.bits - 1},
		tag.NumberOfFrames: []string{strconv.Itoa(len(frames))}, tag.SamplesPerPixel: []int{1}, tag.PixelRepresentation: []int{0},
		tag.PhotometricInterpretation: []string{"MONOCHROME2"},
	}
	if v.inverted {
		attrs[tag.PhotometricInterpretation] = []string{"MONOCHROME1"}
	}
	v.display(attrs)
	for k, x := range patient {
		attrs[k] = x
	}
	info := dicom.PixelDataInfo{}
	for _, px := range frames {
		info.Frames = append(info.Frames, &frame.Frame{NativeData: &frame.NativeFrame[uint16]{
			RawData: px, InternalSamplesPerPixel: 1, InternalRows: rows, InternalCols: cols, InternalBitsPerSample: 16}})
	}
	attrs[tag.PixelData] = info
	return write(attrs)
}

// display adds the attributes that bring stored values back to grey levels.
func (v variant) display(attrs map[tag.Tag]any) {
	lo, width := 150.0, 14*255.0
	if v.slope {
		attrs[tag.RescaleSlope], attrs[tag.RescaleIntercept] = []string{"0.5"}, []string{"-100"}
		lo, width = lo/2-100, width/2
	}
	if v.window {
		text := func(x float64) []string { return []string{strconv.FormatFloat(x, 'f', -1, 64)} }
		attrs[tag.WindowCenter], attrs[tag.WindowWidth] = text(lo+width/2), text(width)
		attrs[tag.VOILUTFunction] = []string{"LINEAR_EXACT"}
	}
}

func write(attrs map[tag.Tag]any) ([]byte, error) {
	var set dicom.Dataset
	for k, v := range attrs {
		e, err := dicom.NewElement(k, v)
		if err != nil {
			return nil, err
		}
		set.Elements = append(set.Elements, e)
	}
	slices.SortFunc(set.Elements, func(a, b *dicom.Element) int {
		return cmp.Or(cmp.Compare(a.Tag.Group, b.Tag.Group), cmp.Compare(a.Tag.Element, b.Tag.Element))
	})
	var b bytes.Buffer
	err := dicom.Write(&b, set)
	return b.Bytes(), err
}
