package dicom

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// text is a value as characters, without what pads it.
func text(b []byte) string { return strings.Trim(string(b), " \x00") }

// stringOr gives the first of an attribute's strings.
func (s dataset) stringOr(t tag, or string) string {
	first, _, _ := strings.Cut(text(s[t].data), "\\")
	if first = strings.TrimSpace(first); first == "" {
		return or // an empty attribute is an absent one
	}
	return first
}

// floatOr reads a decimal string: NaN if it is none.
func (s dataset) floatOr(t tag, or float64) float64 {
	v := s.stringOr(t, "")
	if v == "" {
		return or
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// countOr reads an integer string.
func (s dataset) countOr(t tag, or int) int {
	if n, err := strconv.Atoi(s.stringOr(t, "")); err == nil {
		return n
	}
	return or
}

// wordOr reads an unsigned 16-bit number.
func (s dataset) wordOr(t tag, order binary.ByteOrder, or int) int {
	if b := s[t].data; len(b) >= 2 {
		return int(order.Uint16(b))
	}
	return or
}

// group finds the functional group of a frame: its own, or the one that all
// frames share; nil if the file has neither.
func (s dataset) group(sequence tag, frame int) dataset {
	for _, of := range []struct {
		tag   tag
		index int
	}{{tagPerFrameGroups, frame}, {tagSharedGroups, 0}} {
		if items := s[of.tag].items; of.index < len(items) {
			if inner := items[of.index][sequence].items; len(inner) > 0 {
				return inner[0]
			}
		}
	}
	return nil
}
