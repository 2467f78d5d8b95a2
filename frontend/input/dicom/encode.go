package dicom

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// The writer makes small data sets: answers that refer to what was asked about. It is here
// because the reader is, and because a client of few modules is one that can be read.

// Value is the value of an attribute with its representation (PS3.5, 6.2).
type Value struct {
	vr    string
	bytes []byte
	items []Data
}

// Data is a data set by tag: group and element, 0x0010_0020.
type Data map[uint32]Value

// Text is a value of characters; several are separated by backslashes.
func Text(vr, s string) Value { return Value{vr: vr, bytes: padded(s, " ")} }

// UID is a unique identifier.
func UID(s string) Value { return Value{vr: "UI", bytes: padded(s, "\x00")} }

// Words are unsigned 16-bit numbers.
func Words(w ...uint16) Value {
	var b []byte
	for _, x := range w {
		b = binary.LittleEndian.AppendUint16(b, x)
	}
	return Value{vr: "US", bytes: b}
}

// Bytes are pixels of eight bits, or other data.
func Bytes(b []byte) Value { return Value{vr: "OB", bytes: padded(string(b), "\x00")} }

// Items are the data sets of a sequence.
func Items(d ...Data) Value { return Value{vr: "SQ", items: d} }

func padded(s, with string) []byte {
	if len(s)%2 == 1 {
		s += with
	}
	return []byte(s)
}

// implementation names this writer in the files that it writes.
const implementation = "2.25.173405829402765120163930120469527817003"

// Encode writes a file with a data set, which must have a SOP class and instance.
func (d Data) Encode() ([]byte, error) {
	class, instance := d[0x0008_0016], d[0x0008_0018]
	if len(class.bytes) == 0 || len(instance.bytes) == 0 {
		return nil, fmt.Errorf("dicom: a data set without SOP class or instance")
	}
	meta, err := Data{
		0x0002_0001: Bytes([]byte{0, 1}), 0x0002_0002: class, 0x0002_0003: instance,
		0x0002_0010: UID(explicitLittle), 0x0002_0012: UID(implementation), 0x0002_0013: Text("SH", "SECC"),
	}.encoded()
	if err != nil {
		return nil, err
	}
	body, err := d.encoded()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Write(make([]byte, 128))
	b.WriteString("DICM")
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(meta)))
	b.Write(append([]byte{2, 0, 0, 0, 'U', 'L', 4, 0}, length...))
	b.Write(meta)
	b.Write(body)
	return b.Bytes(), nil
}

// encoded writes the elements in the order of their tags.
func (d Data) encoded() ([]byte, error) {
	var b []byte
	for _, t := range slices.Sorted(maps.Keys(d)) {
		v := d[t]
		value := v.bytes
		for _, item := range v.items {
			inner, err := item.encoded()
			if err != nil {
				return nil, err
			}
			value = append(tagged(value, uint32(tagItem)), length(uint64(len(inner)))...)
			value = append(value, inner...)
		}
		b = append(tagged(b, t), v.vr...)
		switch {
		case uint64(len(value)) >= undefined:
			return nil, fmt.Errorf("dicom: an attribute of %d bytes", len(value))
		case longVR([2]byte([]byte(v.vr))):
			b = append(append(b, 0, 0), length(uint64(len(value)))...)
		case len(value) > 0xffff:
			return nil, fmt.Errorf("dicom: %s value of %d bytes", v.vr, len(value))
		default:
			b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
		}
		b = append(b, value...)
	}
	return b, nil
}

func tagged(b []byte, t uint32) []byte {
	return binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, uint16(t>>16)), uint16(t))
}

func length(n uint64) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

// NewUID makes an identifier that nobody else has: 2.25 and a random UUID (PS3.5, B.2).
func NewUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return "2.25." + new(big.Int).SetBytes(b[:]).String()
}

// Study is what a file says of whom and what it shows, so that an answer can be filed with
// it. The values are a patient's: they belong into answers and nowhere else.
type Study struct {
	Class, Instance, Series, Study string // UIDs; of the image, its series, its study
	Repeated                       Data   // what every object of the study says alike
}

// repeated are the attributes of patient and study, and their representations. Which
// characters the text consists of is one of them.
var repeated = map[tag]string{
	0x0008_0005: "CS", 0x0008_0020: "DA", 0x0008_0030: "TM", 0x0008_0050: "SH", 0x0008_0090: "PN",
	0x0010_0010: "PN", 0x0010_0020: "LO", 0x0010_0030: "DA", 0x0010_0040: "CS", 0x0020_000d: "UI", 0x0020_0010: "SH",
}

// identity are the attributes that name the image itself.
var identity = map[tag]bool{0x0008_0016: true, 0x0008_0018: true, 0x0020_000e: true}

// longest is of a value that is repeated.
const longest = 1024

// StudyOf reads whom and what a file shows.
func StudyOf(data []byte) (*Study, error) {
	_, set, err := parseFor(data, func(t tag) bool { return repeated[t] != "" || identity[t] })
	if err != nil {
		return nil, err
	}
	s := &Study{Repeated: Data{}}
	for t, vr := range repeated {
		v := set[t].data
		if len(v) > longest {
			return nil, fmt.Errorf("dicom: attribute %08x has %d bytes", uint32(t), len(v))
		}
		s.Repeated[uint32(t)] = Value{vr: vr, bytes: padded(string(v), map[bool]string{true: "\x00", false: " "}[vr == "UI"])}
	}
	if len(s.Repeated[0x0008_0005].bytes) == 0 { // only what is there may be said of characters
		delete(s.Repeated, 0x0008_0005)
	}
	s.Class, s.Instance, s.Series, s.Study = text(set[0x0008_0016].data), text(set[0x0008_0018].data), text(set[0x0020_000e].data), text(set[0x0020_000d].data)
	for _, id := range []string{s.Class, s.Instance, s.Series, s.Study} {
		if identifier([]byte(id)) == "" {
			return nil, fmt.Errorf("dicom: the file does not say of which study it is, or says it wrongly")
		}
	}
	return s, nil
}

// Characters gives text as the data sets of the study may hold it: as it is where the study
// takes Unicode, or says nothing, which is then said; else what ASCII has of it.
func (s *Study) Characters(d Data) func(string) string {
	switch set := text(s.Repeated[0x0008_0005].bytes); set {
	case "", "ISO_IR 6", "ISO_IR 192":
		d[0x0008_0005] = Text("CS", "ISO_IR 192")
		return func(t string) string { return t }
	}
	return func(t string) string {
		return strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '?'
			}
			return r
		}, t)
	}
}
