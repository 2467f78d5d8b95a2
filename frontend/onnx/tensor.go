package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/x448/float16"
	"google.golang.org/protobuf/proto"

	"secc.example/secc/frontend/onnx/internal/onnxpb"
	"secc.example/secc/ir"
)

// Limits on what a file may make us allocate. Stored tensors are bounded by the
// bytes that hold them; these bound what a few bytes can ask for.
const (
	maxRank     = 16
	maxElements = 1 << 27 // of one tensor or activation
	maxIntElems = 1 << 24 // of one integer tensor (8 bytes each)
	maxSmallInt = 1 << 26 // of one stored integer tensor
)

// Tensor is a constant: a decoded TensorProto or a folded result. Floating types
// keep their values in F, integer and boolean ones in I; exactly one is set.
// Data is row-major and shared freely, so never write to it.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	F     []float32
	I     []int64
}

// N is the number of elements.
func (t *Tensor) N() int { return ir.Numel(t.Shape) }

// Floats gives the values as float32 whatever the type.
func (t *Tensor) Floats() []float32 {
	if t.I == nil {
		return t.F
	}
	out := make([]float32, len(t.I))
	for i, v := range t.I {
		out[i] = float32(v)
	}
	return out
}

// Ints gives the values as integers; floats must be integral.
func (t *Tensor) Ints() ([]int64, error) {
	if t.I != nil || len(t.F) == 0 {
		return t.I, nil
	}
	out := make([]int64, len(t.F))
	for i, v := range t.F {
		out[i] = int64(v)
		if float32(out[i]) != v {
			return nil, fmt.Errorf("value %g is not an integer", v)
		}
	}
	return out, nil
}

// at gives one element as a float64.
func (t *Tensor) at(i int) float64 {
	if t.I != nil {
		return float64(t.I[i])
	}
	return float64(t.F[i])
}

// ReadTensor decodes a serialised TensorProto: test data and CLI inputs.
func ReadTensor(b []byte) (*Tensor, error) {
	var p onnxpb.Tensor
	if err := proto.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("onnx: tensor: %w", err)
	}
	t, err := decodeTensor(&p, nil)
	if err != nil {
		return nil, fmt.Errorf("onnx: tensor %q: %w", p.GetName(), err)
	}
	return t, nil
}

// newTensor allocates a zero tensor after checking that its size is sane.
func newTensor(d DType, shape []int) (*Tensor, error) {
	n, err := numel(shape)
	if err != nil {
		return nil, err
	}
	t := &Tensor{DType: d, Shape: shape}
	switch {
	case d.IsFloat():
		t.F = make([]float32, n)
	case d.IsInt():
		if n > maxIntElems {
			return nil, fmt.Errorf("integer tensor of %d elements is too large", n)
		}
		t.I = make([]int64, n)
	default:
		return nil, fmt.Errorf("element type %v is not supported", d)
	}
	return t, nil
}

// numel multiplies dimensions, refusing negative ones and products beyond the limit.
func numel(shape []int) (int, error) {
	if len(shape) > maxRank {
		return 0, fmt.Errorf("rank %d exceeds %d", len(shape), maxRank)
	}
	n := 1
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", shape)
		}
		if d > maxElements {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n *= d // both below 2^27: cannot overflow before the check below
		if n > maxElements {
			return 0, fmt.Errorf("shape %v has more than %d elements", shape, maxElements)
		}
	}
	return n, nil
}

func intShape(dims []int64) ([]int, error) {
	if len(dims) > maxRank {
		return nil, fmt.Errorf("rank %d exceeds %d", len(dims), maxRank)
	}
	shape := make([]int, len(dims))
	for i, d := range dims {
		if d < 0 || d > maxElements {
			return nil, fmt.Errorf("dimension %d out of range in shape %v", d, dims)
		}
		shape[i] = int(d)
	}
	return shape, nil
}

// decodeTensor turns a TensorProto into a Tensor. ext opens external data; nil refuses it.
func decodeTensor(p *onnxpb.Tensor, ext *external) (*Tensor, error) {
	d := DType(p.GetDataType())
	if d.bits() == 0 {
		return nil, fmt.Errorf("element type %v is not supported", d)
	}
	if p.GetSegment() != nil {
		return nil, errors.New("segmented tensors are not supported")
	}
	shape, err := intShape(p.GetDims())
	if err != nil {
		return nil, err
	}
	n, err := numel(shape)
	if err != nil {
		return nil, err
	}
	raw := p.GetRawData()
	if p.GetDataLocation() == 1 {
		if raw, err = ext.read(p.GetExternalData(), storedBytes(d, n)); err != nil {
			return nil, err
		}
	}
	t := &Tensor{Name: p.GetName(), DType: d, Shape: shape}
	switch {
	case len(raw) > 0:
		err = t.fromRaw(raw, n)
	case n == 0:
		t.setEmpty()
	default:
		err = t.fromTyped(p, n)
	}
	return t, err
}

func storedBytes(d DType, n int) int { return (n*d.bits() + 7) / 8 }

func (t *Tensor) setEmpty() {
	if t.DType.IsFloat() {
		t.F = []float32{}
	} else {
		t.I = []int64{}
	}
}

// fromRaw decodes little-endian raw_data of exactly the right length.
func (t *Tensor) fromRaw(b []byte, n int) error {
	if want := storedBytes(t.DType, n); len(b) != want {
		return fmt.Errorf("shape %v of %v needs %d bytes, data has %d", t.Shape, t.DType, want, len(b))
	}
	if t.DType.IsFloat() {
		t.F = make([]float32, n)
		for i := range t.F {
			t.F[i] = rawFloat(t.DType, b, i)
		}
		return nil
	}
	if n > maxSmallInt {
		return fmt.Errorf("integer tensor of %d elements is too large", n)
	}
	t.I = make([]int64, n)
	for i := range t.I {
		v, ok := rawInt(t.DType, b, i)
		if !ok {
			return fmt.Errorf("element %d of %v does not fit int64", i, t.DType)
		}
		t.I[i] = v
	}
	return nil
}

func rawFloat(d DType, b []byte, i int) float32 {
	switch d {
	case Float16:
		return float16.Frombits(binary.LittleEndian.Uint16(b[2*i:])).Float32()
	case Bfloat16:
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
	case Double:
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])))
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
}

func rawInt(d DType, b []byte, i int) (v int64, ok bool) {
	switch d {
	case Uint8:
		return int64(b[i]), true
	case Bool:
		return int64(min(b[i], 1)), true
	case Int8:
		return int64(int8(b[i])), true
	case Uint16:
		return int64(binary.LittleEndian.Uint16(b[2*i:])), true
	case Int16:
		return int64(int16(binary.LittleEndian.Uint16(b[2*i:]))), true
	case Uint32:
		return int64(binary.LittleEndian.Uint32(b[4*i:])), true
	case Int32:
		return int64(int32(binary.LittleEndian.Uint32(b[4*i:]))), true
	case Uint4:
		return int64(b[i/2] >> (4 * (i % 2)) & 15), true
	case Int4:
		return int64(int8(b[i/2]>>(4*(i%2))<<4) >> 4), true
	}
	u := binary.LittleEndian.Uint64(b[8*i:])
	return int64(u), d == Int64 || u < 1<<63
}

// fromTyped decodes the typed repeated fields (float_data, int32_data, ...).
func (t *Tensor) fromTyped(p *onnxpb.Tensor, n int) error {
	switch t.DType {
	case Float:
		t.F = p.GetFloatData()
	case Double:
		t.F = make([]float32, len(p.GetDoubleData()))
		for i, v := range p.GetDoubleData() {
			t.F[i] = float32(v)
		}
	case Float16, Bfloat16:
		t.F = make([]float32, len(p.GetInt32Data()))
		for i, v := range p.GetInt32Data() {
			var b [2]byte
			binary.LittleEndian.PutUint16(b[:], uint16(v))
			t.F[i] = rawFloat(t.DType, b[:], 0)
		}
	case Int64:
		t.I = p.GetInt64Data()
	case Uint32, Uint64:
		return t.fromUint64(p.GetUint64Data(), n)
	case Uint4, Int4:
		return t.fromPacked4(p.GetInt32Data(), n)
	default:
		return t.fromInt32(p.GetInt32Data(), n)
	}
	return t.checkCount(len(t.F)+len(t.I), n)
}

func (t *Tensor) checkCount(have, want int) error {
	if have != want {
		return fmt.Errorf("shape %v needs %d elements, data has %d", t.Shape, want, have)
	}
	return nil
}

func (t *Tensor) fromInt32(data []int32, n int) error {
	t.I = make([]int64, len(data))
	lo, hi := t.DType.intRange()
	for i, v := range data {
		t.I[i] = int64(v)
		if t.I[i] < lo || t.I[i] > hi {
			return fmt.Errorf("element %d is %d: out of range of %v", i, v, t.DType)
		}
	}
	return t.checkCount(len(t.I), n)
}

func (t *Tensor) fromUint64(data []uint64, n int) error {
	t.I = make([]int64, len(data))
	_, hi := t.DType.intRange()
	for i, v := range data {
		if v > uint64(hi) {
			return fmt.Errorf("element %d is %d: out of range", i, v)
		}
		t.I[i] = int64(v)
	}
	return t.checkCount(len(t.I), n)
}

func (t *Tensor) fromPacked4(data []int32, n int) error {
	if err := t.checkCount(len(data), (n+1)/2); err != nil {
		return err
	}
	b := make([]byte, len(data))
	for i, v := range data {
		b[i] = byte(v)
	}
	return t.fromRaw(b, n)
}
