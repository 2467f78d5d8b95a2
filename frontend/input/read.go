package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"secc.example/secc/frontend/input/dicom"
	"secc.example/secc/frontend/input/internal/hint"
)

// maxInputFile bounds the files that inputs are read from.
const maxInputFile = 2 << 30

// Array is a tensor as a file holds it.
type Array struct {
	Shape  []int
	Values []float32
	// Warnings say what about the values looks as if it were not meant so.
	Warnings []string

	kind string // element type as NumPy names it: f4, u1, ...
}

// Tensor is an input of the network, ready to be sent, and what about it looks
// as if it were not meant so.
type Tensor struct {
	Values   []float32
	Warnings []string
}

// Load reads one file for each input: in order, or as NAME=FILE.
func Load(args []string, want []Spec) ([]Tensor, error) {
	if len(want) == 1 && len(args) > 1 && len(args) == want[0].Examples() { // one for each example of a run
		t, err := want[0].load(args)
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", want[0].Name, err)
		}
		return []Tensor{t}, nil
	}
	paths, err := Assign(args, want)
	if err != nil {
		return nil, err
	}
	out := make([]Tensor, len(want))
	for at, path := range paths {
		a, err := Read(path, want[at])
		if out[at], err = tensor(a, err, path, want[at]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Held is a file that is at hand already; its name tells of the bytes what they do not.
type Held struct {
	Name  string
	Bytes []byte
}

// Take is Load for files that are at hand, one for each input, in order.
func Take(files []Held, want []Spec) ([]Tensor, error) {
	if len(files) != len(want) {
		return nil, fmt.Errorf("%d input files given, the network takes %d (%s)", len(files), len(want), names(want))
	}
	out := make([]Tensor, len(want))
	for i, f := range files {
		name, frame := splitFrame(f.Name)
		a, err := Decode(name, f.Bytes, frame, want[i])
		if out[i], err = tensor(a, err, f.Name, want[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// tensor is what was read of a file for an input, if it fits.
func tensor(a *Array, err error, path string, w Spec) (Tensor, error) {
	if err != nil {
		return Tensor{}, fmt.Errorf("input %q: %s: %w", w.Name, path, err)
	}
	if len(a.Values) != w.N() || !a.fits(w) {
		return Tensor{}, a.turned(w, fmt.Errorf("input %q: %s has shape %v, the network wants %v", w.Name, path, a.Shape, w.Shape))
	}
	return Tensor{a.Values, append(a.Warnings, w.Unlike(a.Values)...)}, nil
}

// load reads the examples of a run from a file each.
func (w Spec) load(files []string) (t Tensor, err error) {
	if len(files) != w.Examples() {
		return t, fmt.Errorf("%d files for a run of %d examples", len(files), w.Examples())
	}
	one := w.Example()
	for _, path := range files {
		a, err := Read(path, one)
		if err != nil {
			return t, fmt.Errorf("%s: %w", path, err)
		}
		if len(a.Values) != one.N() || !a.fits(one) {
			return t, fmt.Errorf("%s has shape %v, an example has %v", path, a.Shape, one.Shape)
		}
		t.Values = append(t.Values, a.Values...)
		t.Warnings = append(t.Warnings, append(a.Warnings, one.Unlike(a.Values)...)...)
	}
	return t, nil
}

// Assign finds the file of every input among arguments that name them in order, or as
// NAME=FILE.
func Assign(args []string, want []Spec) ([]string, error) {
	if len(args) != len(want) {
		return nil, fmt.Errorf("%d input files given, the network takes %d (%s)", len(args), len(want), names(want))
	}
	paths := make([]string, len(want))
	for i, arg := range args {
		at, path := i, arg
		if name, file, ok := strings.Cut(arg, "="); ok {
			if j := slices.IndexFunc(want, func(w Spec) bool { return w.Name == name }); j >= 0 {
				at, path = j, file
			}
		}
		if paths[at] != "" {
			return nil, fmt.Errorf("input %q is given twice", want[at].Name)
		}
		paths[at] = path
	}
	return paths, nil
}

// Plain is the path of the file that a name means: scan.dcm of scan.dcm#2.
func Plain(path string) string {
	file, _ := splitFrame(path)
	return file
}

func names(want []Spec) string {
	var s []string
	for _, w := range want {
		s = append(s, w.Name)
	}
	return strings.Join(s, ", ")
}

// Read reads a file of any of the known kinds. An image comes out as the
// tensor the network takes; everything else as it stands in the file.
func Read(path string, w Spec) (*Array, error) {
	path, frame := splitFrame(path)
	b, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Decode(path, b, frame, w)
}

// Decode is Read for bytes that are at hand already. The file's name tells what
// the bytes do not; frame counts from 1, 0 is the first or only one.
func Decode(name string, b []byte, frame int, w Spec) (*Array, error) {
	kind := kindOf(name, b)
	if frame > 0 && kind != kindDICOM {
		return nil, fmt.Errorf("frame %d of a file that is not DICOM", frame)
	}
	a, err := decodeAs(kind, b, frame, w)
	if err != nil {
		return nil, err
	}
	return a, notFiniteAt(a.Values)
}

func decodeAs(kind fileKind, b []byte, frame int, w Spec) (*Array, error) {
	switch kind {
	case kindNPY:
		return asPixels(w, readNPY, b)
	case kindProto:
		return asPixels(w, readProto, b)
	case kindBytes:
		return asPixels(w, readBytes, b)
	case kindText:
		return readText(b)
	case kindImage:
		img, warnings, err := decodeImage(b, w.Prep)
		if err != nil {
			return nil, err
		}
		return w.fromImage(img, warnings)
	case kindDICOM:
		img, err := dicom.Decode(b, max(frame-1, 0))
		if err != nil {
			return nil, err
		}
		return w.fromImage(img, oneOfMany(b, frame))
	case kindBareDICOM:
		return nil, hint.With(errors.New("dicom: no DICM marker after a preamble of 128 bytes"), "if it is a bare data set, give it its header: dcmconv in.dcm out.dcm")
	}
	return asPixels(w, func(b []byte) (*Array, error) { return rawFloats(b, w) }, b)
}

// oneOfMany warns of a file of several frames of which none was named.
func oneOfMany(b []byte, frame int) []string {
	h, err := dicom.HeadOf(bytes.NewReader(b))
	if err != nil || frame > 0 || h.Frames < 2 {
		return nil
	}
	return []string{fmt.Sprintf("the file has %d frames, of which the first is read: scan.dcm#2 names the second", h.Frames)}
}

// fileKind is how the bytes of a file are meant.
type fileKind int

const (
	kindNumbers fileKind = iota // raw float32: what nothing else says otherwise of
	kindNPY
	kindProto
	kindBytes
	kindImage
	kindDICOM
	kindText      // numbers, with blanks, commas or line ends between
	kindBareDICOM // a data set that is called DICOM, or starts with the marker, and lacks the preamble: no raw numbers
)

// kindOf recognises a file: by its first bytes, else by the end of its name.
func kindOf(name string, b []byte) fileKind {
	switch {
	case bytes.HasPrefix(b, []byte(npyMagic)):
		return kindNPY
	case bytes.HasPrefix(b, []byte("\x89PNG")), bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return kindImage
	case dicom.Is(b):
		return kindDICOM
	case bytes.HasPrefix(b, []byte("DICM")):
		return kindBareDICOM
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".u8":
		return kindBytes
	case ".pb":
		return kindProto
	case ".txt", ".csv":
		return kindText
	case ".dcm", ".dicom":
		return kindBareDICOM
	}
	return kindNumbers
}

// splitFrame takes the number of a frame, counted from 1, off scan.dcm#2; 0
// means that none is named. A file of that very name is not taken apart.
func splitFrame(path string) (file string, frame int) {
	if _, err := os.Lstat(path); err == nil {
		return path, 0
	}
	if i := strings.LastIndexByte(path, '#'); i > 0 {
		if n, err := strconv.Atoi(path[i+1:]); err == nil && n > 0 {
			return path[:i], n
		}
	}
	return path, 0
}

// ReadFile reads a file that is not larger than inputs may be.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		b.Grow(int(min(info.Size(), maxInputFile)) + bytes.MinRead) // large models are not copied as they grow
	}
	_, err = b.ReadFrom(io.LimitReader(f, maxInputFile+1))
	if err == nil && b.Len() > maxInputFile {
		err = fmt.Errorf("larger than %d bytes", maxInputFile)
	}
	return b.Bytes(), err
}

// readBytes takes a file of unsigned bytes.
func readBytes(b []byte) (*Array, error) {
	return &Array{Shape: []int{len(b)}, Values: elements(b, "u1", len(b)), kind: "u1"}, nil
}

// rawFloats reads little-endian float32s that fill the input exactly.
func rawFloats(b []byte, w Spec) (*Array, error) {
	if len(b) == 0 || len(b)%4 != 0 || len(b)/4%w.N() != 0 {
		if kind, way := foreign(b); kind != "" {
			return nil, hint.With(fmt.Errorf("%s is not read", kind), way)
		}
		return nil, fmt.Errorf("neither PNG, JPEG, DICOM, .npy, .pb, .u8 nor .txt, and as raw float32 it has %d bytes where %d are wanted", len(b), 4*w.N())
	}
	a := &Array{Shape: w.Shape, Values: elements(b, "f4", len(b)/4), kind: "f4"}
	if n := len(a.Values) / w.N(); n > 1 {
		a.Shape = append([]int{n}, w.Shape...)
	}
	return a, nil
}

// foreign names a kind of file that is not read, and what to do about it.
func foreign(b []byte) (kind, way string) {
	const asPNG = "save it as PNG, which keeps every pixel"
	for _, f := range []struct{ start, kind, way string }{
		{"II*\x00", "a TIFF file", asPNG}, {"MM\x00*", "a TIFF file", asPNG},
		{"GIF8", "a GIF file", asPNG}, {"BM", "a BMP file", asPNG}, {"RIFF", "a WebP file", asPNG},
		{"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file", asPNG}, {"\x00\x00\x00\x20ftyp", "a HEIF or AVIF file", asPNG}, {"\x00\x00\x00\x1cftyp", "a HEIF or AVIF file", asPNG},
		{"PK\x03\x04", "an archive", "of an .npz file save the array by itself: numpy.save"},
		{"\x89HDF", "an HDF5 file", "save the array by itself: numpy.save"},
		{"\x1f\x8b", "a compressed file", "unpack it first: gunzip"},
		{"%PDF", "a PDF file", asPNG},
	} {
		if bytes.HasPrefix(b, []byte(f.start)) {
			return f.kind, f.way
		}
	}
	return "", ""
}

// fits reports whether an array holds inputs of the wanted shape, one or several:
// as many elements are not enough where the order of the dimensions is another.
// Dimensions of 1 do not matter, and a flat Array says nothing about its order.
func (a *Array) fits(w Spec) bool {
	n := w.N()
	if len(a.Values) == 0 || len(a.Values)%n != 0 {
		return false
	}
	have, want := squeezed(a.Shape), squeezed(w.Shape)
	switch many := len(a.Values) / n; {
	case len(have) <= 1, slices.Equal(have, want):
		return true
	case len(have) == len(want)+1:
		return have[0] == many && slices.Equal(have[1:], want)
	case len(have) == len(want): // several along the first dimension
		return have[0] == many*want[0] && slices.Equal(have[1:], want[1:])
	}
	return false
}

// turned adds the way out to an array's wrong shape, if it is its channels that stand
// elsewhere.
func (a *Array) turned(w Spec, err error) error {
	have, want := squeezed(a.Shape), squeezed(w.Shape)
	if len(have) != 3 || len(want) != 3 {
		return err
	}
	switch {
	case slices.Equal(want, []int{have[2], have[0], have[1]}):
		return hint.With(err, "the network wants channels first: numpy.moveaxis(x, -1, -3)")
	case slices.Equal(want, []int{have[1], have[2], have[0]}):
		return hint.With(err, "the network wants channels last: numpy.moveaxis(x, -3, -1)")
	}
	return err
}

// squeezed drops the dimensions of 1.
func squeezed(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}

// Cases cuts an array into as many inputs as it holds.
func (a *Array) Cases(w Spec) ([][]float32, error) {
	n := w.N()
	if !a.fits(w) {
		return nil, fmt.Errorf("shape %v does not hold inputs of shape %v", a.Shape, w.Shape)
	}
	var out [][]float32
	for v := a.Values; len(v) > 0; v = v[n:] {
		out = append(out, v[:n])
	}
	return out, nil
}

// datatypes are the element types of the Open Inference Protocol, as NumPy names them.
var datatypes = map[string]string{
	"BOOL": "b1", "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8",
	"FP16": "f2", "BF16": "f2b", "FP32": "f4", "FP64": "f8",
}

// FromBytes takes little-endian elements of a type of the Open Inference Protocol, or, of
// the type BYTES, a file of any of the known kinds, as that which a file holds.
func (w Spec) FromBytes(datatype string, shape []int, raw []byte) (*Array, error) {
	if datatype == "BYTES" {
		return Decode("tensor", raw, 0, w)
	}
	kind, ok := datatypes[datatype]
	if !ok {
		return nil, fmt.Errorf("element type %q is not known", datatype)
	}
	n, width := 1, npyWidth(kind)
	for _, d := range shape {
		if d < 1 || d > maxElems || n > maxElems/d {
			return nil, fmt.Errorf("shape %v", shape)
		}
		n *= d
	}
	if len(raw) != n*width {
		return nil, fmt.Errorf("%d bytes of data, shape %v of %s needs %d", len(raw), shape, datatype, n*width)
	}
	return w.fromElements(&Array{Shape: shape, Values: elements(raw, kind, n), kind: kind})
}

// FromNumbers takes elements of a type of the Open Inference Protocol that were read
// already.
func (w Spec) FromNumbers(datatype string, shape []int, values []float32) (*Array, error) {
	kind, ok := datatypes[datatype]
	if !ok {
		return nil, fmt.Errorf("element type %q is not known", datatype)
	}
	return w.fromElements(&Array{Shape: shape, Values: values, kind: kind})
}

func (w Spec) fromElements(a *Array) (*Array, error) {
	a, err := asPixels(w, func([]byte) (*Array, error) { return a, nil }, nil)
	if err != nil {
		return nil, err
	}
	return a, notFiniteAt(a.Values)
}
