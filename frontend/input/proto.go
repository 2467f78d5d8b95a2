package input

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of an ONNX TensorProto that are read here.
const (
	fieldDims      = 1
	fieldType      = 2
	fieldFloats    = 4
	fieldInt32s    = 5
	fieldInt64s    = 7
	fieldRaw       = 9
	fieldDoubles   = 10
	fieldUint64s   = 11
	fieldLocation  = 14
	locationInFile = 0
)

// protoKinds gives the NumPy name of the TensorProto element types that can be
// inputs: raw data is laid out alike.
var protoKinds = map[uint64]string{1: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i4", 7: "i8", 9: "b1", 10: "f2", 11: "f8", 12: "u4", 13: "u8", 16: "f2b"}

// protoTensor is a TensorProto taken apart.
type protoTensor struct {
	dims     []uint64
	kind     uint64
	location uint64
	raw      []byte
	words    []uint64 // the elements of the typed fields, as bits
	field    protowire.Number
}

// readProto reads a serialised TensorProto. It is done on the wire format, so
// that reading an input needs no generated messages.
func readProto(b []byte) (*Array, error) {
	t, err := parseProto(b)
	if err != nil {
		return nil, fmt.Errorf("onnx tensor: %w", err)
	}
	if t.location != locationInFile {
		return nil, errors.New("onnx tensor: the data lie in another file")
	}
	kind, ok := protoKinds[t.kind]
	if !ok {
		return nil, fmt.Errorf("onnx tensor: element type %d: save it as float32", t.kind)
	}
	a := &Array{kind: kind}
	n := uint64(1)
	for _, d := range t.dims {
		if d > maxElems || d > 0 && n > maxElems/d {
			return nil, errors.New("onnx tensor: shape beyond all bounds")
		}
		a.Shape, n = append(a.Shape, int(d)), n*d
	}
	switch width := npyWidth(kind); {
	case t.raw != nil && len(t.raw) == int(n)*width:
		a.Values = elements(t.raw, kind, int(n))
	case t.raw == nil && len(t.words) == int(n):
		a.Values = t.typed(kind)
	default:
		err = fmt.Errorf("shape %v does not go with the data", a.Shape)
	}
	if err != nil {
		return nil, fmt.Errorf("onnx tensor: %w", err)
	}
	return a, nil
}

// typed turns the elements of a typed field into numbers.
func (t *protoTensor) typed(kind string) []float32 {
	out := make([]float32, len(t.words))
	for i, w := range t.words {
		switch t.field {
		case fieldFloats:
			out[i] = math.Float32frombits(uint32(w))
		case fieldDoubles:
			out[i] = float32(math.Float64frombits(w))
		case fieldUint64s:
			out[i] = float32(w)
		case fieldInt32s:
			switch kind { // halves are kept as their bits
			case "f2":
				out[i] = halfFloat(uint16(w))
			case "f2b":
				out[i] = math.Float32frombits(uint32(w) << 16)
			default:
				out[i] = float32(int32(w))
			}
		default:
			out[i] = float32(int64(w))
		}
	}
	return out
}

func parseProto(b []byte) (*protoTensor, error) {
	t := new(protoTensor)
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, errors.New("malformed")
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return nil, errors.New("malformed")
		}
		if err := t.take(num, typ, b[:n]); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return t, nil
}

// take reads one field.
func (t *protoTensor) take(num protowire.Number, typ protowire.Type, value []byte) (err error) {
	switch num {
	case fieldDims:
		t.dims, err = numbersOf(t.dims, typ, value, protowire.VarintType)
		if len(t.dims) > 16 {
			return errors.New("more than 16 dimensions")
		}
	case fieldType, fieldLocation:
		v, _ := protowire.ConsumeVarint(value)
		if num == fieldType {
			t.kind = v
		} else {
			t.location = v
		}
	case fieldRaw:
		if typ != protowire.BytesType {
			return errors.New("malformed")
		}
		t.raw, _ = protowire.ConsumeBytes(value)
	case fieldFloats:
		t.field = num
		t.words, err = numbersOf(t.words, typ, value, protowire.Fixed32Type)
	case fieldDoubles:
		t.field = num
		t.words, err = numbersOf(t.words, typ, value, protowire.Fixed64Type)
	case fieldInt32s, fieldInt64s, fieldUint64s:
		t.field = num
		t.words, err = numbersOf(t.words, typ, value, protowire.VarintType)
	}
	return err
}

// numbersOf appends the numbers of a repeated field, packed or one by one.
func numbersOf(to []uint64, typ protowire.Type, value []byte, elem protowire.Type) ([]uint64, error) {
	if typ == protowire.BytesType {
		value, _ = protowire.ConsumeBytes(value)
	} else if typ != elem {
		return nil, errors.New("malformed")
	}
	for len(value) > 0 {
		v, n := uint64(0), 0
		switch {
		case elem == protowire.VarintType:
			if v, n = protowire.ConsumeVarint(value); n < 0 {
				return nil, errors.New("malformed")
			}
		case elem == protowire.Fixed32Type && len(value) >= 4:
			v, n = uint64(binary.LittleEndian.Uint32(value)), 4
		case elem == protowire.Fixed64Type && len(value) >= 8:
			v, n = binary.LittleEndian.Uint64(value), 8
		default:
			return nil, errors.New("malformed")
		}
		to, value = append(to, v), value[n:]
	}
	return to, nil
}
