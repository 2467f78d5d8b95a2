package input

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// between are the characters between numbers, which take those of inNumbers.
const between, inNumbers = " \t\r\n,;[]", "0123456789+-.eE"

// numeric reports bytes that numbers in a text may be.
func numeric(b []byte) bool {
	return strings.Trim(string(marked(b)), between+inNumbers) == "" && strings.ContainsAny(string(b), "0123456789")
}

// marked leaves out the mark of UTF-8 that spreadsheets put in front.
func marked(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\ufeff")) }

// readText reads numbers with blanks, commas, brackets or line ends between: what a
// tokeniser prints. The list says nothing about its shape.
func readText(b []byte) (*Array, error) {
	a := &Array{kind: "text"}
	for field := range strings.FieldsFuncSeq(string(marked(b)), func(r rune) bool { return strings.ContainsRune(between, r) }) {
		x, err := strconv.ParseFloat(field, 32)
		if err != nil {
			return nil, fmt.Errorf("number %d of the text, %.20q, is none that float32 holds", len(a.Values)+1, field)
		}
		if len(a.Values) == maxElems {
			return nil, fmt.Errorf("more than %d numbers", maxElems)
		}
		a.Values = append(a.Values, float32(x))
	}
	if a.Values == nil {
		return nil, errors.New("a text without a number")
	}
	a.Shape = []int{len(a.Values)}
	return a, nil
}
