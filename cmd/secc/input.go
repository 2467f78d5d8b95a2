package main

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

	"secc.example/secc/backend/plan"
	"secc.example/secc/frontend/onnx"
)

// maxInputFile bounds the files that inputs are read from.
const maxInputFile = 2 << 30

// maxPixels bounds images.
const maxPixels = 1 << 27

// array is a tensor as a file holds it.
type array struct {
	shape  []int
	values []float32
	bytes  bool // unsigned bytes: pixels, if the plan has a preprocessing
}

// wanted describes a tensor the network takes.
type wanted struct {
	name  string
	shape []int
	prep  plan.Preprocess
}

func (w wanted) len() int {
	n := 1
	for _, d := range w.shape {
		n *= d
	}
	return n
}

func planInputs(p *plan.Plan) []wanted {
	var w []wanted
	for _, in := range p.Inputs {
		w = append(w, wanted{in.Name, in.Shape, in.Preprocess})
	}
	return w
}

// loadInputs reads one file for each input: in order, or as NAME=FILE.
func loadInputs(args []string, want []wanted) ([][]float32, error) {
	if len(args) != len(want) {
		return nil, usage("%d input files given, the network takes %d (%s)", len(args), len(want), names(want))
	}
	out := make([][]float32, len(want))
	for i, arg := range args {
		at, path := i, arg
		if name, file, ok := strings.Cut(arg, "="); ok {
			if j := slices.IndexFunc(want, func(w wanted) bool { return w.name == name }); j >= 0 {
				at, path = j, file
			}
		}
		if out[at] != nil {
			return nil, usage("input %q is given twice", want[at].name)
		}
		a, err := readArray(path, want[at])
		if err != nil {
			return nil, usage("input %q: %s: %w", want[at].name, path, err)
		}
		if nan := slices.IndexFunc(a.values, notFinite); nan >= 0 {
			return nil, usage("input %q: %s: element %d is not a finite number", want[at].name, path, nan)
		}
		if len(a.values) != want[at].len() || !a.fits(want[at]) {
			return nil, usage("input %q: %s has shape %v, the network wants %v", want[at].name, path, a.shape, want[at].shape)
		}
		out[at] = a.values
	}
	return out, nil
}

func notFinite(x float32) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) }

func names(want []wanted) string {
	var s []string
	for _, w := range want {
		s = append(s, w.name)
	}
	return strings.Join(s, ", ")
}

// readArray reads a file of any of the known kinds. An image comes out as the
// tensor the network takes; everything else as it stands in the file.
func readArray(path string, w wanted) (*array, error) {
	path, frame := splitFrame(path)
	b, err := readFile(path)
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
		t, err := onnx.ReadTensor(b)
		if err != nil {
			return nil, err
		}
		return fromProto(t)
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

func readFile(path string) ([]byte, error) {
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

func fromProto(t *onnx.Tensor) (*array, error) {
	a := &array{shape: t.Shape, values: t.F}
	if t.I != nil {
		a.values = make([]float32, len(t.I))
		for i, v := range t.I {
			a.values[i] = float32(v)
		}
	}
	return a, nil
}

// rawBytes takes a file of unsigned bytes.
func rawBytes(b []byte) *array {
	a := &array{shape: []int{len(b)}, values: make([]float32, len(b)), bytes: true}
	for i, x := range b {
		a.values[i] = float32(x)
	}
	return a
}

// rawFloats reads little-endian float32s that fill the input exactly.
func rawFloats(b []byte, w wanted) (*array, error) {
	if len(b) == 0 || len(b)%4 != 0 || len(b)/4%w.len() != 0 {
		return nil, fmt.Errorf("neither PNG, JPEG, DICOM, .npy, .pb nor .u8, and as raw float32 it has %d bytes where %d are wanted", len(b), 4*w.len())
	}
	a := &array{shape: w.shape, values: make([]float32, len(b)/4)}
	if n := len(a.values) / w.len(); n > 1 {
		a.shape = append([]int{n}, w.shape...)
	}
	for i := range a.values {
		a.values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return a, nil
}

// scaled applies the plan's factors to an array of pixels; floats are taken as
// the tensor itself.
func (a *array) scaled(w wanted) (*array, error) {
	if !a.bytes || w.prep.Preset == "" {
		return a, nil
	}
	if len(a.values)%w.len() != 0 {
		return nil, fmt.Errorf("shape %v, the network wants %v", a.shape, w.shape)
	}
	c, inner := w.channels()
	for i := range a.values {
		a.values[i] = w.pixel(a.values[i], i/inner%c)
	}
	return a, nil
}

// fits reports whether an array holds inputs of the wanted shape, one or several:
// as many elements are not enough where the order of the dimensions is another.
// Dimensions of 1 do not matter, and a flat array says nothing about its order.
func (a *array) fits(w wanted) bool {
	n := w.len()
	if len(a.values) == 0 || len(a.values)%n != 0 {
		return false
	}
	have, want := squeezed(a.shape), squeezed(w.shape)
	switch many := len(a.values) / n; {
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

// cases cuts an array into as many inputs as it holds.
func (a *array) cases(w wanted) ([][]float32, error) {
	n := w.len()
	if !a.fits(w) {
		return nil, fmt.Errorf("shape %v does not hold inputs of shape %v", a.shape, w.shape)
	}
	var out [][]float32
	for v := a.values; len(v) > 0; v = v[n:] {
		out = append(out, v[:n])
	}
	return out, nil
}
