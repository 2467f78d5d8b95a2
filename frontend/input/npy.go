package input

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const npyMagic = "\x93NUMPY"

// maxElems bounds the tensors read from files.
const maxElems = 1 << 28

var (
	npyDescr   = regexp.MustCompile(`'descr'\s*:\s*'([<>|=]?[a-zA-Z][0-9]*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape'\s*:\s*\(([0-9, ]*)\)`)
)

// npyWidth gives the bytes an element takes, for the types that can be read.
func npyWidth(kind string) int {
	switch kind {
	case "b1", "u1", "i1":
		return 1
	case "f2", "f2b", "i2", "u2":
		return 2
	case "f4", "i4", "u4":
		return 4
	case "f8", "i8", "u8":
		return 8
	}
	return 0
}

// readNPY reads a NumPy array of real numbers.
func readNPY(b []byte) (*Array, error) {
	header, data, err := npyHeader(b)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	descr, fortran, dims := npyDescr.FindSubmatch(header), npyFortran.FindSubmatch(header), npyShape.FindSubmatch(header)
	if descr == nil || fortran == nil || dims == nil {
		return nil, errors.New("npy: header without descr, fortran_order or shape")
	}
	a := &Array{kind: strings.TrimLeft(string(descr[1]), "|<>=")}
	width := npyWidth(a.kind)
	if width == 0 {
		return nil, fmt.Errorf("npy: element type %q: save it as float32", descr[1])
	}
	n := 1
	for _, f := range strings.FieldsFunc(string(dims[1]), func(r rune) bool { return r == ',' || r == ' ' }) {
		d, err := strconv.Atoi(f)
		if err != nil || d < 1 || d > maxElems || n > maxElems/d {
			return nil, fmt.Errorf("npy: shape (%s)", dims[1])
		}
		a.Shape, n = append(a.Shape, d), n*d
	}
	if len(data) != n*width {
		return nil, fmt.Errorf("npy: %d bytes of data, shape (%s) of %s needs %d", len(data), dims[1], descr[1], n*width)
	}
	if descr[1][0] == '>' {
		data = swapped(data, width)
	}
	a.Values = elements(data, a.kind, n)
	if string(fortran[1]) == "True" {
		a.Values = rowMajor(a.Values, a.Shape)
	}
	return a, nil
}

// swapped turns the bytes of every element round.
func swapped(data []byte, width int) []byte {
	out := slices.Clone(data)
	for at := 0; at < len(out); at += width {
		slices.Reverse(out[at : at+width])
	}
	return out
}

// rowMajor brings elements that are stored with the first dimension moving fastest into
// the order in which the last one does.
func rowMajor(values []float32, shape []int) []float32 {
	out := make([]float32, len(values))
	count := make([]int, len(shape))
	strides, at := make([]int, len(shape)), 1
	for d, n := range shape {
		strides[d], at = at, at*n
	}
	at = 0
	for i := range out {
		out[i] = values[at]
		for d := len(shape) - 1; d >= 0; d-- {
			count[d]++
			at += strides[d]
			if count[d] < shape[d] {
				break
			}
			at -= strides[d] * shape[d]
			count[d] = 0
		}
	}
	return out
}

// elements reads n numbers of a kind.
func elements(data []byte, kind string, n int) []float32 {
	out, width, get := make([]float32, n), npyWidth(kind), npyReader(kind)
	for i := range out {
		out[i] = get(data[i*width:])
	}
	return out
}

func npyHeader(b []byte) (header, data []byte, err error) {
	if !bytes.HasPrefix(b, []byte(npyMagic)) || len(b) < 12 {
		return nil, nil, errors.New("not an .npy file")
	}
	n, at := int(binary.LittleEndian.Uint16(b[8:])), 10
	if b[6] > 1 {
		n, at = int(binary.LittleEndian.Uint32(b[8:])), 12
	}
	if n > 1<<16 || at+n > len(b) {
		return nil, nil, fmt.Errorf("header of %d bytes in a file of %d", n, len(b))
	}
	return b[at : at+n], b[at+n:], nil
}

// npyReader gives the decoder of one element.
func npyReader(kind string) func(b []byte) float32 {
	le := binary.LittleEndian
	switch kind {
	case "i1":
		return func(b []byte) float32 { return float32(int8(b[0])) }
	case "f2":
		return func(b []byte) float32 { return halfFloat(le.Uint16(b)) }
	case "f2b":
		return func(b []byte) float32 { return math.Float32frombits(uint32(le.Uint16(b)) << 16) }
	case "i2":
		return func(b []byte) float32 { return float32(int16(le.Uint16(b))) }
	case "u2":
		return func(b []byte) float32 { return float32(le.Uint16(b)) }
	case "f4":
		return func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) }
	case "i4":
		return func(b []byte) float32 { return float32(int32(le.Uint32(b))) }
	case "u4":
		return func(b []byte) float32 { return float32(le.Uint32(b)) }
	case "f8":
		return func(b []byte) float32 { return float32(math.Float64frombits(le.Uint64(b))) }
	case "i8":
		return func(b []byte) float32 { return float32(int64(le.Uint64(b))) }
	case "u8":
		return func(b []byte) float32 { return float32(le.Uint64(b)) }
	}
	return func(b []byte) float32 { return float32(b[0]) } // u1, b1
}

// halfFloat reads an IEEE 754 half.
func halfFloat(h uint16) float32 {
	sign, exp, frac := 1.0, int(h>>10)&31, float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exp {
	case 0:
		return float32(sign * math.Ldexp(frac, -24))
	case 31:
		if frac != 0 {
			return float32(math.NaN())
		}
		return float32(math.Inf(int(sign)))
	}
	return float32(sign * math.Ldexp(1024+frac, exp-25))
}
