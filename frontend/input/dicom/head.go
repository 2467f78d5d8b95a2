package dicom

import (
	"errors"
	"io"
	"strconv"
	"strings"
)

// Head is what a file says of its place in a study: enough to put the slices of a series in order.
type Head struct {
	Study, Series, Instance string // UIDs; empty where the file names none

	Number   int // of the instance in its series
	Numbered bool
	Frames   int // at least 1

	Position, Normal *[3]float64 // of the first pixel, and of the plane: millimetres of the patient; nil: not said
}

// The attributes of a head. Those behind the last of them are not read.
const (
	tagInstanceNumber tag = 0x0020_0013
	tagPosition       tag = 0x0020_0032
	tagOrientation    tag = 0x0020_0037
)

var headed = map[tag]bool{
	0x0008_0018: true, 0x0020_000d: true, 0x0020_000e: true,
	tagInstanceNumber: true, tagPosition: true, tagOrientation: true, tagFrames: true,
}

// A head is looked for in so many bytes first, and in no more than so many.
const (
	headFirst = 64 << 10
	headMost  = 32 << 20
)

// HeadOf reads the head of a file; pixels are not read.
func HeadOf(r io.Reader) (*Head, error) {
	var data []byte
	for size := headFirst; ; size *= 4 {
		more, err := io.ReadAll(io.LimitReader(r, int64(size-len(data))))
		if err != nil {
			return nil, err
		}
		data = append(data, more...)
		_, set, err := parseUntil(data, func(t tag) bool { return headed[t] }, tagFrames+1)
		switch {
		case err == nil:
			return set.head(), nil
		case !errors.Is(err, errCut) || len(data) < size || size >= headMost: // or there is no more to read
			return nil, err
		}
	}
}

func (s dataset) head() *Head {
	h := &Head{Study: identifier(s[0x0020_000d].data), Series: identifier(s[0x0020_000e].data), Instance: identifier(s[0x0008_0018].data), Frames: max(1, s.countOr(tagFrames, 1))}
	if n, err := strconv.Atoi(s.stringOr(tagInstanceNumber, "")); err == nil {
		h.Number, h.Numbered = n, true
	}
	if at := s.floats(tagPosition, 3); at != nil {
		h.Position = (*[3]float64)(at)
	}
	if o := s.floats(tagOrientation, 6); o != nil {
		h.Normal = &[3]float64{o[1]*o[5] - o[2]*o[4], o[2]*o[3] - o[0]*o[5], o[0]*o[4] - o[1]*o[3]}
	}
	return h
}

// floats reads so many decimal strings; nil if there are others.
func (s dataset) floats(t tag, n int) []float64 {
	parts := strings.Split(text(s[t].data), "\\")
	if len(parts) != n {
		return nil
	}
	all := make([]float64, n)
	for i, p := range parts {
		v, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
		if err != nil || v-v != 0 { // not finite
			return nil
		}
		all[i] = v
	}
	return all
}

// identifier gives a UID, or nothing if it is none: what a file calls so goes into answers.
func identifier(b []byte) string {
	if s := text(b); len(s) <= 64 && strings.Trim(s, "0123456789.") == "" {
		return s
	}
	return ""
}
