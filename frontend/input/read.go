package input

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxInputFile bounds the files that inputs are read from.
const maxInputFile = 2 << 30

// maxPixels bounds images.
const maxPixels = 1 << 27

// Array is a tensor as a file holds it.
type Array struct {
	Shape  []int
	Values []float32
	kind   string // element type as NumPy names it: f4, u1, ...
}

// Load reads one file for each input: in order, or as NAME=FILE.
func Load(args []string, want []Spec) ([][]float32, error) {
	if len(args) != len(want) {
		return nil, fmt.Errorf("%d input files given, the network takes %d (%s)", len(args), len(want), names(want))
	}
	out := make([][]float32, len(want))
	for i, arg := range args {
		at, path := i, arg
		if name, file, ok := strings.Cut(arg, "="); ok {
			if j := slices.IndexFunc(want, func(w Spec) bool { return w.Name == name }); j >= 0 {
				at, path = j, file
			}
		}
		if out[at] != nil {
			return nil, fmt.Errorf("input %q is given twice", want[at].Name)
		}
		a, err := Read(path, want[at])
		if err != nil {
			return nil, fmt.Errorf("input %q: %s: %w", want[at].Name, path, err)
		}
		if err := notFiniteAt(a.Values); err != nil {
			return nil, fmt.Errorf("input %q: %s: %w", want[at].Name, path, err)
		}
		if len(a.Values) != want[at].N() || !a.fits(want[at]) {
			return nil, fmt.Errorf("input %q: %s has shape %v, the network wants %v", want[at].Name, path, a.Shape, want[at].Shape)
		}
		out[at] = a.Values
	}
	return out, nil
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
	if frame > 0 && !isDICOM(b) {
		return nil, fmt.Errorf("frame %d of a file that is not DICOM", frame)
	}
	switch {
	case bytes.HasPrefix(b, []byte(npyMagic)):
		a, err := readNPY(b)
		if err != nil {
			return nil, err
		}
		return a.scaled(w)
	case bytes.HasPrefix(b, []byte("\x89PNG")), bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		conf, _, err := image.DecodeConfig(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		if conf.Width < 1 || conf.Height < 1 || conf.Width > maxPixels/conf.Height {
			return nil, fmt.Errorf("image of %d x %d pixels", conf.Width, conf.Height)
		}
		img, _, err := image.Decode(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return w.fromImage(img)
	case isDICOM(b):
		img, err := decodeDICOM(b, max(frame-1, 0))
		if err != nil {
			return nil, err
		}
		return w.fromImage(img)
	case filepath.Ext(path) == ".u8":
		return rawBytes(b).scaled(w)
	case filepath.Ext(path) == ".pb":
		return readProto(b)
	}
	if err := bareDICOM(path, b); err != nil {
		return nil, err
	}
	return rawFloats(b, w)
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

// rawBytes takes a file of unsigned bytes.
func rawBytes(b []byte) *Array {
	a := &Array{Shape: []int{len(b)}, Values: make([]float32, len(b)), kind: "u1"}
	for i, x := range b {
		a.Values[i] = float32(x)
	}
	return a
}

// rawFloats reads little-endian float32s that fill the input exactly.
func rawFloats(b []byte, w Spec) (*Array, error) {
	if len(b) == 0 || len(b)%4 != 0 || len(b)/4%w.N() != 0 {
		return nil, fmt.Errorf("neither PNG, JPEG, DICOM, .npy, .pb nor .u8, and as raw float32 it has %d bytes where %d are wanted", len(b), 4*w.N())
	}
	a := &Array{Shape: w.Shape, Values: make([]float32, len(b)/4)}
	if n := len(a.Values) / w.N(); n > 1 {
		a.Shape = append([]int{n}, w.Shape...)
	}
	for i := range a.Values {
		a.Values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return a, nil
}

// scaled applies the plan's factors to an array of pixels; floats are taken as
// the tensor itself.
func (a *Array) scaled(w Spec) (*Array, error) {
	if a.kind != "u1" || w.Prep.Preset == "" {
		return a, nil
	}
	if len(a.Values)%w.N() != 0 {
		return nil, fmt.Errorf("shape %v, the network wants %v", a.Shape, w.Shape)
	}
	c, inner := w.Channels()
	for i := range a.Values {
		a.Values[i] = w.pixel(a.Values[i], i/inner%c)
	}
	return a, nil
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
