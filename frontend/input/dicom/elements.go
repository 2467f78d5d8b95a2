package dicom

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits on what a file may make us do.
const (
	maxDepth    = 32      // of nested sequences
	maxInflated = 1 << 29 // bytes of a deflated data set
	maxItems    = 1 << 16 // of a sequence that is kept: functional groups, one a frame
)

// tag is group and element of an attribute.
type tag uint32

// The attributes that are kept.
const (
	tagTransferSyntax     tag = 0x0002_0010
	tagSamplesPerPixel    tag = 0x0028_0002
	tagPhotometric        tag = 0x0028_0004
	tagFrames             tag = 0x0028_0008
	tagRows               tag = 0x0028_0010
	tagColumns            tag = 0x0028_0011
	tagBitsAllocated      tag = 0x0028_0100
	tagBitsStored         tag = 0x0028_0101
	tagHighBit            tag = 0x0028_0102
	tagSigned             tag = 0x0028_0103
	tagPadding            tag = 0x0028_0120
	tagPaddingLimit       tag = 0x0028_0121
	tagWindowCenter       tag = 0x0028_1050
	tagWindowWidth        tag = 0x0028_1051
	tagRescaleIntercept   tag = 0x0028_1052
	tagRescaleSlope       tag = 0x0028_1053
	tagVOIFunction        tag = 0x0028_1056
	tagModalityLUT        tag = 0x0028_3000
	tagVOILUT             tag = 0x0028_3010
	tagFrameVOI           tag = 0x0028_9132
	tagPixelTransform     tag = 0x0028_9145
	tagPresentationShape  tag = 0x2050_0020
	tagSharedGroups       tag = 0x5200_9229
	tagPerFrameGroups     tag = 0x5200_9230
	tagExtendedOffsets    tag = 0x7fe0_0001
	tagFloatPixels        tag = 0x7fe0_0008
	tagDoublePixels       tag = 0x7fe0_0009
	tagPixels             tag = 0x7fe0_0010
	tagItem               tag = 0xfffe_e000
	tagItemDelimiter      tag = 0xfffe_e00d
	tagSequenceDelimiter  tag = 0xfffe_e0dd
	undefined                 = 0xffff_ffff
	groupMeta, groupImage     = 0x0002, 0x0028
)

// sequences are the kept attributes that hold data sets.
var sequences = map[tag]bool{tagModalityLUT: true, tagVOILUT: true, tagFrameVOI: true, tagPixelTransform: true, tagSharedGroups: true, tagPerFrameGroups: true}

// kept says whether the picture needs an attribute.
func kept(t tag) bool {
	switch t {
	case tagTransferSyntax, tagPresentationShape, tagSharedGroups, tagPerFrameGroups, tagExtendedOffsets, tagFloatPixels, tagDoublePixels, tagPixels:
		return true
	}
	return t>>16 == groupImage
}

// element is the value of an attribute: bytes, data sets, or the fragments of
// packed pixel data.
type element struct {
	vr        [2]byte
	data      []byte
	items     []dataset
	fragments [][]byte // the first is the table of offsets
	packed    bool
}

type dataset map[tag]element

var (
	errCut    = errors.New("dicom: not readable: truncated or malformed data set")
	errNested = fmt.Errorf("dicom: not readable: sequences nested more than %d deep", maxDepth)
)

// reader walks over data elements.
type reader struct {
	data     []byte
	at       int
	order    binary.ByteOrder
	implicit bool
	keep     func(tag) bool // of the outermost data set and all that it holds
	until    tag            // the outermost data set is not read from there on; 0: to its end
}

// header is what stands before a value.
type header struct {
	tag    tag
	vr     [2]byte
	length uint32
}

func (r *reader) left() int { return len(r.data) - r.at }

func (r *reader) uint16() uint16 {
	r.at += 2
	return r.order.Uint16(r.data[r.at-2:])
}

func (r *reader) uint32() uint32 {
	r.at += 4
	return r.order.Uint32(r.data[r.at-4:])
}

func (r *reader) header() (h header, err error) {
	if r.left() < 8 {
		return h, errCut
	}
	h.tag = tag(r.uint16())<<16 | tag(r.uint16())
	if r.implicit || h.tag>>16 == 0xfffe { // items and delimiters have no VR
		h.length = r.uint32()
		return h, nil
	}
	h.vr = [2]byte(r.data[r.at : r.at+2])
	r.at += 2
	if !isVR(h.vr) {
		return h, errCut
	}
	if !longVR(h.vr) {
		h.length = uint32(r.uint16())
		return h, nil
	}
	if r.left() < 6 {
		return h, errCut
	}
	r.at += 2
	h.length = r.uint32()
	return h, nil
}

func isVR(vr [2]byte) bool {
	return 'A' <= vr[0] && vr[0] <= 'Z' && 'A' <= vr[1] && vr[1] <= 'Z'
}

// longVR says whether a value representation has 32 bits of length.
func longVR(vr [2]byte) bool {
	switch string(vr[:]) {
	case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
		return true
	}
	return false
}

// take cuts off n bytes.
func (r *reader) take(n uint32) ([]byte, error) {
	if uint64(n) > uint64(r.left()) {
		return nil, errCut
	}
	r.at += int(n)
	return r.data[r.at-int(n) : r.at], nil
}

// dataset reads elements up to the end of the data, or to the delimiter of an
// item of undefined length.
func (r *reader) dataset(depth int, delimited bool) (dataset, error) {
	if depth > maxDepth {
		return nil, errNested
	}
	var set dataset // most data sets keep nothing
	stops := depth == 0 && r.until > 0
	for r.left() > 0 {
		if r.left() < 8 && depth == 0 {
			break // some writers pad the file
		}
		h, err := r.header()
		if err != nil {
			return nil, err
		}
		if h.tag == tagItemDelimiter && delimited || stops && h.tag >= r.until {
			return set, nil
		}
		e, err := r.value(h, depth)
		if err != nil {
			return nil, err
		}
		if r.keep(h.tag) {
			set = set.with(h.tag, e)
		}
	}
	if delimited || stops {
		return nil, errCut
	}
	return set, nil
}

// with adds an element unless there is one of its tag.
func (d dataset) with(t tag, e element) dataset {
	if d == nil {
		d = dataset{}
	}
	if _, twice := d[t]; !twice {
		d[t] = e
	}
	return d
}

// value reads what belongs to a header.
func (r *reader) value(h header, depth int) (e element, err error) {
	e.vr = h.vr
	switch {
	case h.tag == tagPixels && h.length == undefined:
		e.packed = true
		e.fragments, err = r.fragments()
	case h.length == undefined:
		e.items, err = r.items(h, depth)
	case sequences[h.tag]:
		var b []byte
		if b, err = r.take(h.length); err == nil {
			inner := &reader{data: b, order: r.order, keep: r.keep, implicit: r.implicit || string(h.vr[:]) == "UN"}
			e.items, err = inner.items(h, depth)
		}
	default:
		e.data, err = r.take(h.length)
	}
	return e, err
}

// items reads the data sets of a sequence, up to its delimiter if its length is
// not given. A sequence that a writer did not know is one of implicit VRs.
func (r *reader) items(h header, depth int) (all []dataset, err error) {
	if string(h.vr[:]) == "UN" && !r.implicit {
		r.implicit = true
		defer func() { r.implicit = false }()
	}
	for r.left() > 0 {
		i, err := r.header()
		if err != nil {
			return nil, err
		}
		if i.tag == tagSequenceDelimiter {
			return all, nil
		}
		if i.tag != tagItem {
			return nil, errCut
		}
		set, err := r.item(i, depth)
		if err != nil {
			return nil, err
		}
		if r.keep(h.tag) {
			if all = append(all, set); len(all) > maxItems {
				return nil, fmt.Errorf("dicom: a sequence of more than %d items", maxItems)
			}
		}
	}
	if h.length == undefined {
		return nil, errCut
	}
	return all, nil
}

func (r *reader) item(h header, depth int) (dataset, error) {
	if h.length == undefined {
		return r.dataset(depth+1, true)
	}
	b, err := r.take(h.length)
	if err != nil {
		return nil, err
	}
	inner := &reader{data: b, order: r.order, implicit: r.implicit, keep: r.keep}
	return inner.dataset(depth+1, false)
}

// fragments reads packed pixel data.
func (r *reader) fragments() (all [][]byte, err error) {
	for {
		h, err := r.header()
		if err != nil {
			return nil, err
		}
		if h.tag == tagSequenceDelimiter {
			return all, nil
		}
		if h.tag != tagItem {
			return nil, errCut
		}
		b, err := r.take(h.length)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
}

// Is reports whether the bytes are a DICOM part 10 file.
func Is(data []byte) bool {
	return len(data) >= 132 && string(data[128:132]) == "DICM"
}

// parse reads a file: the transfer syntax, and what the picture needs of the data set.
func parse(data []byte) (syntax string, set dataset, err error) { return parseFor(data, kept) }

// parseFor reads a file, and keeps of its data set what is asked for.
func parseFor(data []byte, keep func(tag) bool) (syntax string, set dataset, err error) {
	return parseUntil(data, keep, 0)
}

// parseUntil is parseFor that reads no attribute from a tag on, of which there must be one; they
// stand in order.
func parseUntil(data []byte, keep func(tag) bool, until tag) (syntax string, set dataset, err error) {
	if !Is(data) {
		return "", nil, errors.New("dicom: not readable: no DICM marker")
	}
	meta := &reader{data: data, at: 132, order: binary.LittleEndian}
	for meta.left() >= 8 && binary.LittleEndian.Uint16(meta.data[meta.at:]) == groupMeta {
		h, err := meta.header()
		if err != nil {
			return "", nil, err
		}
		v, err := meta.take(h.length)
		if err != nil {
			return "", nil, err
		}
		if h.tag == tagTransferSyntax {
			syntax = text(v)
		}
	}
	r, err := body(data[meta.at:], syntax)
	if err != nil {
		return "", nil, err
	}
	r.keep, r.until = keep, until
	set, err = r.dataset(0, false)
	return syntax, set, err
}

// body is the reader for the data set itself. Whether its elements carry their
// VR is looked up there: some writers say one and do the other.
func body(data []byte, syntax string) (*reader, error) {
	if err := known(syntax); err != nil {
		return nil, err
	}
	r := &reader{data: data, order: binary.LittleEndian}
	switch syntax {
	case bigEndian:
		r.order = binary.BigEndian
	case deflated:
		var err error
		if r.data, err = inflate(data, maxInflated); err != nil {
			return nil, err
		}
	}
	r.implicit = len(r.data) >= 6 && !isVR([2]byte(r.data[4:6]))
	return r, nil
}

func inflate(data []byte, most int64) ([]byte, error) {
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), most+1))
	switch {
	case int64(len(plain)) > most:
		return nil, fmt.Errorf("dicom: the data set inflates to more than %d bytes", most)
	case err != nil:
		return nil, errCut
	}
	return plain, nil
}
