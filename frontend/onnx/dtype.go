package onnx

import "fmt"

// DType is an ONNX element type, with the numbers of the file format.
type DType int32

// The element types that occur in the models we read.
const (
	Float    DType = 1
	Uint8    DType = 2
	Int8     DType = 3
	Uint16   DType = 4
	Int16    DType = 5
	Int32    DType = 6
	Int64    DType = 7
	String   DType = 8
	Bool     DType = 9
	Float16  DType = 10
	Double   DType = 11
	Uint32   DType = 12
	Uint64   DType = 13
	Bfloat16 DType = 16
	Uint4    DType = 21
	Int4     DType = 22
)

var dtypeNames = map[DType]string{
	0: "undefined", Float: "float", Uint8: "uint8", Int8: "int8", Uint16: "uint16", Int16: "int16", Int32: "int32",
	Int64: "int64", String: "string", Bool: "bool", Float16: "float16", Double: "double", Uint32: "uint32",
	Uint64: "uint64", 14: "complex64", 15: "complex128", Bfloat16: "bfloat16", 17: "float8e4m3fn",
	18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz", Uint4: "uint4", Int4: "int4", 23: "float4e2m1",
}

func (d DType) String() string {
	if s, ok := dtypeNames[d]; ok {
		return s
	}
	return fmt.Sprintf("type(%d)", int32(d))
}

// IsFloat reports whether elements are floating point (kept as float32).
func (d DType) IsFloat() bool {
	return d == Float || d == Float16 || d == Double || d == Bfloat16
}

// IsInt reports whether elements are integers or booleans (kept as int64).
func (d DType) IsInt() bool {
	switch d {
	case Uint8, Int8, Uint16, Int16, Int32, Int64, Bool, Uint32, Uint64, Uint4, Int4:
		return true
	}
	return false
}

// bits is the width of one stored element; 0 for types we do not store.
func (d DType) bits() int {
	switch d {
	case Uint4, Int4:
		return 4
	case Uint8, Int8, Bool:
		return 8
	case Uint16, Int16, Float16, Bfloat16:
		return 16
	case Float, Int32, Uint32:
		return 32
	case Double, Int64, Uint64:
		return 64
	}
	return 0
}

// intRange is the range of an integer type, for casts and saturation.
func (d DType) intRange() (lo, hi int64) {
	switch d {
	case Bool:
		return 0, 1
	case Uint4:
		return 0, 15
	case Int4:
		return -8, 7
	case Uint8:
		return 0, 255
	case Int8:
		return -128, 127
	case Uint16:
		return 0, 1<<16 - 1
	case Int16:
		return -1 << 15, 1<<15 - 1
	case Uint32:
		return 0, 1<<32 - 1
	case Int32:
		return -1 << 31, 1<<31 - 1
	case Uint64:
		return 0, 1<<63 - 1
	}
	return -1 << 63, 1<<63 - 1
}
