// Package dicomtest writes small DICOM files for tests, right or wrong as asked.
package dicomtest

import "encoding/binary"

// The transfer syntaxes of most tests.
const (
	ExplicitLittle = "1.2.840.10008.1.2.1"
	RLE            = "1.2.840.10008.1.2.5"
	JPEGLossless   = "1.2.840.10008.1.2.4.70"
)

// Element is one attribute in explicit VR little endian.
func Element(tag uint32, vr string, value []byte) []byte {
	le := binary.LittleEndian
	if len(value)%2 == 1 {
		value = append(append([]byte{}, value...), ' ')
	}
	b := le.AppendUint16(le.AppendUint16(nil, uint16(tag>>16)), uint16(tag))
	b = append(b, vr...)
	switch vr {
	case "OB", "OW", "OF", "OD", "SQ", "UN", "OV":
		b = le.AppendUint32(append(b, 0, 0), uint32(len(value)))
	default:
		b = le.AppendUint16(b, uint16(len(value)))
	}
	return append(b, value...)
}

// Text is an attribute of characters.
func Text(tag uint32, vr, value string) []byte { return Element(tag, vr, []byte(value)) }

// Word is an attribute of 16 bits.
func Word(tag uint32, value uint16) []byte {
	return Element(tag, "US", binary.LittleEndian.AppendUint16(nil, value))
}

// Sequence is an attribute that holds data sets.
func Sequence(tag uint32, items ...[]byte) []byte {
	var b []byte
	for _, i := range items {
		b = append(b, item(i)...)
	}
	return Element(tag, "SQ", b)
}

func item(value []byte) []byte {
	if len(value)%2 == 1 {
		value = append(append([]byte{}, value...), 0)
	}
	return append(binary.LittleEndian.AppendUint32([]byte{0xfe, 0xff, 0x00, 0xe0}, uint32(len(value))), value...)
}

// File is a file of a transfer syntax with the elements given, in that order,
// and a patient whose name nobody may repeat. It has no group length.
func File(syntax string, elements ...[]byte) []byte {
	b := append(make([]byte, 128), "DICM"...)
	b = append(b, Text(0x0002_0010, "UI", syntax)...)
	b = append(b, Text(0x0010_0010, "PN", "DOE^JANE")...)
	for _, e := range elements {
		b = append(b, e...)
	}
	return b
}

// Grey describes an image of whole numbers.
func Grey(rows, cols, allocated, stored int) []byte {
	var b []byte
	for _, w := range []struct {
		tag   uint32
		value int
	}{{0x0028_0002, 1}, {0x0028_0010, rows}, {0x0028_0011, cols}, {0x0028_0100, allocated}, {0x0028_0101, stored}, {0x0028_0102, stored - 1}} {
		b = append(b, Word(w.tag, uint16(w.value))...)
	}
	return append(b, Text(0x0028_0004, "CS", "MONOCHROME2")...)
}

// Words are pixels of 16 bits.
func Words(px ...uint16) []byte {
	var b []byte
	for _, p := range px {
		b = binary.LittleEndian.AppendUint16(b, p)
	}
	return b
}
