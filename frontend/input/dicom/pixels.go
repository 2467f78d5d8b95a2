package dicom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math"

	"secc.example/secc/frontend/input/internal/hint"
	"secc.example/secc/frontend/input/internal/ljpeg"
)

var errLength = errors.New("dicom: pixel data does not have the length that rows, columns and frames ask for")

// pixels gives the stored values of a frame, row by row.
func (h *picture) pixels(set dataset, syntax string, order binary.ByteOrder, frame int) ([]float32, error) {
	e, ok := set[tagPixels]
	for _, t := range []tag{tagFloatPixels, tagDoublePixels} {
		if f, is := set[t]; is && !ok {
			e, ok = f, true
		}
	}
	if !ok {
		return nil, ErrNoImage
	}
	unpack := unpackers[syntax]
	if e.packed != (unpack != nil) {
		return nil, hint.With(errors.New("dicom: the pixel data is not packed as the transfer syntax says"), "write the file anew: "+gdcmUnpack)
	}
	if e.packed {
		data, err := fragmentsOf(set, e.fragments, frame)
		if err != nil {
			return nil, err
		}
		out := make([]float32, h.rows*h.cols)
		return out, unpack(h, data, out)
	}
	if syntax == bigEndian && h.allocated == 8 && string(e.vr[:]) == "OW" {
		return nil, hint.With(errors.New("dicom: transfer syntax explicit VR big endian with bytes packed into words is not read"), "write it as little endian: dcmconv +te in.dcm out.dcm")
	}
	return h.native(e.data, order, frame)
}

// native reads a frame that is not packed. What follows the last frame pads
// the element.
func (h *picture) native(data []byte, order binary.ByteOrder, frame int) ([]float32, error) {
	width := h.allocated / 8
	size := h.rows * h.cols * width
	if frame >= len(data)/size {
		return nil, errLength
	}
	data = data[frame*size : (frame+1)*size]
	out := make([]float32, h.rows*h.cols)
	for i := range out {
		b := data[i*width:]
		switch {
		case width == 1:
			out[i] = h.value(uint32(b[0]))
		case width == 2:
			out[i] = h.value(uint32(order.Uint16(b)))
		case width == 4 && h.float:
			out[i] = math.Float32frombits(order.Uint32(b))
		case width == 4:
			out[i] = h.value(order.Uint32(b))
		default:
			out[i] = float32(math.Float64frombits(order.Uint64(b)))
		}
		if d := out[i]; d-d != 0 {
			return nil, errors.New("dicom: the pixels are not all finite numbers")
		}
	}
	return out, nil
}

// value takes the stored bits out of a sample, sign-extended where the file
// says so: what stands beside them is none of the picture's.
func (h *picture) value(sample uint32) float32 {
	v := sample >> (h.high - h.stored + 1) & uint32(uint64(1)<<h.stored-1)
	if h.signed {
		shift := 32 - h.stored
		return float32(int32(v<<shift) >> shift)
	}
	return float32(v)
}

// fragmentsOf gives the bytes of one frame. An only frame may come in several
// fragments; of more frames either each comes in one, or a table of offsets says
// where they begin.
func fragmentsOf(set dataset, parts [][]byte, frame int) ([]byte, error) {
	if len(parts) < 2 {
		return nil, errLength
	}
	table, parts := parts[0], parts[1:]
	frames := max(set.countOr(tagFrames, 1), 1)
	switch {
	case frames == 1:
		return bytes.Join(parts, nil), nil
	case len(parts) == frames:
		return parts[frame], nil
	}
	starts, err := offsets(table, set[tagExtendedOffsets].data, frames)
	if err != nil {
		return nil, err
	}
	var data []byte
	at, end := uint64(0), uint64(math.MaxUint64)
	if frame+1 < frames {
		end = starts[frame+1]
	}
	for _, p := range parts {
		if at >= starts[frame] && at < end {
			data = append(data, p...)
		}
		at += uint64(len(p)) + 8
	}
	return data, nil
}

// offsets reads where frames begin, counted from the first fragment.
func offsets(basic, extended []byte, frames int) ([]uint64, error) {
	starts := make([]uint64, 0, min(frames, len(basic)/4+len(extended)/8))
	for ; len(extended) >= 8; extended = extended[8:] {
		starts = append(starts, binary.LittleEndian.Uint64(extended))
	}
	if len(starts) == 0 {
		for ; len(basic) >= 4; basic = basic[4:] {
			starts = append(starts, uint64(binary.LittleEndian.Uint32(basic)))
		}
	}
	if len(starts) != frames {
		return nil, hint.With(fmt.Errorf("dicom: %d frames split into fragments without a table of where they begin", frames), "unpack the file first: "+gdcmUnpack)
	}
	return starts, nil
}

// baseline reads a JPEG frame of 8 bits.
func (h *picture) baseline(data []byte, out []float32) error {
	size, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return hint.With(errors.New("dicom: the JPEG frame is damaged or not one of 8 bits"), "unpack the file first: dcmdjpeg in.dcm out.dcm")
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
			out[y*h.cols+x] = h.value(uint32(grey.Pix[y*grey.Stride+x]))
		}
	}
	return nil
}

// lossless reads a frame of JPEG's lossless process.
func (h *picture) lossless(data []byte, out []float32) error {
	img, err := ljpeg.Decode(data, h.cols, h.rows)
	if err != nil {
		return hint.With(fmt.Errorf("dicom: compressed pixel data: %w", err), "unpack the file first: dcmdjpeg in.dcm out.dcm")
	}
	for i, v := range img {
		out[i] = h.value(uint32(v))
	}
	return nil
}

// rle reads a frame of PS3.5 annex G: a plane for each byte of a sample, the
// highest first, each packed by the PackBits scheme.
func (h *picture) rle(data []byte, out []float32) error {
	planes := h.allocated / 8
	if len(data) < 64 || int(binary.LittleEndian.Uint32(data)) != planes || planes > 4 {
		return errors.New("dicom: the RLE frame does not have a plane for each byte of a sample")
	}
	samples, plane := make([]uint32, len(out)), make([]byte, len(out))
	for p := range planes {
		from := binary.LittleEndian.Uint32(data[4+4*p:])
		if from < 64 || uint64(from) > uint64(len(data)) {
			return errors.New("dicom: compressed pixel data is damaged")
		}
		if err := unpackBits(data[from:], plane); err != nil {
			return err
		}
		for i, b := range plane {
			samples[i] = samples[i]<<8 | uint32(b)
		}
	}
	for i, v := range samples {
		out[i] = h.value(v)
	}
	return nil
}

// unpackBits fills out: n < 128 stands for n+1 bytes as they are, n > 128 for
// 257-n times the next byte, 128 for nothing.
func unpackBits(data, out []byte) error {
	for at := 0; at < len(out); {
		if len(data) < 2 {
			return errors.New("dicom: compressed pixel data is cut off")
		}
		n := int(data[0])
		switch {
		case n < 128:
			take := min(n+1, len(out)-at)
			if len(data) < 1+take {
				return errors.New("dicom: compressed pixel data is cut off")
			}
			at += copy(out[at:], data[1:1+take])
			data = data[1+take:]
		case n > 128:
			for range min(257-n, len(out)-at) {
				out[at] = data[1]
				at++
			}
			data = data[2:]
		default:
			data = data[1:]
		}
	}
	return nil
}
