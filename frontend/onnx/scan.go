package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Two bytes of a file can stand for an empty message that takes two hundred
// bytes decoded. maxFields bounds that growth before anything is decoded;
// the largest models known have a few tens of thousands of nodes.
const (
	maxFields = 2_000_000
	maxDepth  = 64
)

// kind is a message type of the format, as far as the scan descends.
type kind uint8

const (
	leaf kind = iota
	modelKind
	graphKind
	nodeKind
	attrKind
	functionKind
	tensorKind // counts its fields, does not descend
	valueKind
	typeKind
	tensorTypeKind
	shapeKind
	wrapKind // sequence or optional of a type
)

// nested gives the message type of a field; fields that do not nest hold data.
func (k kind) nested(f protowire.Number) (kind, bool) {
	switch k {
	case modelKind:
		switch f {
		case 7:
			return graphKind, true
		case 25:
			return functionKind, true
		}
	case graphKind:
		switch f {
		case 1:
			return nodeKind, true
		case 5:
			return tensorKind, true
		case 11, 12, 13:
			return valueKind, true
		}
	case nodeKind:
		return attrKind, f == 5
	case attrKind:
		switch f {
		case 5, 10:
			return tensorKind, true
		case 6, 11:
			return graphKind, true
		}
	case functionKind:
		switch f {
		case 7:
			return nodeKind, true
		case 11:
			return attrKind, true
		case 12:
			return valueKind, true
		}
	case valueKind:
		return typeKind, f == 2
	case typeKind:
		switch f {
		case 1, 8:
			return tensorTypeKind, true
		case 4, 9:
			return wrapKind, true
		}
	case tensorTypeKind:
		return shapeKind, f == 2
	case shapeKind:
		return leaf, f == 1
	case wrapKind:
		return typeKind, f == 1
	}
	return leaf, false
}

// scanMessages counts the fields of a serialised model without decoding it.
func scanMessages(data []byte) error {
	left := maxFields
	return scan(data, modelKind, maxDepth, &left)
}

func scan(b []byte, k kind, depth int, left *int) error {
	if depth == 0 {
		return errors.New("onnx: messages nest too deeply")
	}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("onnx: not a readable model: %w", protowire.ParseError(n))
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return fmt.Errorf("onnx: not a readable model: %w", protowire.ParseError(n))
		}
		if *left--; *left < 0 {
			return fmt.Errorf("onnx: more than %d fields", maxFields)
		}
		if inner, ok := k.nested(num); ok && typ == protowire.BytesType {
			body, _ := protowire.ConsumeBytes(b)
			if err := scan(body, inner, depth-1, left); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}
