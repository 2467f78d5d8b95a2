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

// fields gives, by message type, the fields that nest and what they hold; others hold
// data. It is never written to.
var fields = map[kind]map[protowire.Number]kind{
	modelKind:      {7: graphKind, 25: functionKind},
	graphKind:      {1: nodeKind, 5: tensorKind, 11: valueKind, 12: valueKind, 13: valueKind},
	nodeKind:       {5: attrKind},
	attrKind:       {5: tensorKind, 10: tensorKind, 6: graphKind, 11: graphKind},
	functionKind:   {7: nodeKind, 11: attrKind, 12: valueKind},
	valueKind:      {2: typeKind},
	typeKind:       {1: tensorTypeKind, 8: tensorTypeKind, 4: wrapKind, 9: wrapKind},
	tensorTypeKind: {2: shapeKind},
	shapeKind:      {1: leaf},
	wrapKind:       {1: typeKind},
}

// scanner counts the fields of a serialised model without decoding it, and
// remembers what it read last, to say where a damaged file breaks off.
type scanner struct {
	left int    // fields still allowed
	last string // the last complete node, initialiser or declaration
}

// scanMessages checks the wire format of a model and bounds its fields.
func scanMessages(data []byte) error {
	s := &scanner{left: maxFields}
	err := s.scan(data, modelKind, maxDepth)
	switch {
	case err == nil:
		return nil
	case s.last == "":
		return fmt.Errorf("onnx: not a readable model: %w", err)
	}
	return fmt.Errorf("onnx: not a readable model: after %s: %w", s.last, err)
}

func (s *scanner) scan(b []byte, k kind, depth int) error {
	if depth == 0 {
		return errors.New("messages nest too deeply")
	}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if s.left--; s.left < 0 {
			return fmt.Errorf("more than %d fields", maxFields)
		}
		inner, nests := fields[k][num]
		nests = nests && typ == protowire.BytesType
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			s.descend(b, inner, nests, depth)
			return protowire.ParseError(n)
		}
		if nests {
			body, _ := protowire.ConsumeBytes(b)
			if err := s.scan(body, inner, depth-1); err != nil {
				return err
			}
			if name := inner.name(body); name != "" {
				s.last = name
			}
		}
		b = b[n:]
	}
	return nil
}

// descend reads as much as there is of a nested message that the file cuts off.
func (s *scanner) descend(b []byte, inner kind, nests bool, depth int) {
	if _, n := protowire.ConsumeVarint(b); nests && n > 0 {
		_ = s.scan(b[n:], inner, depth-1)
	}
}

// name describes a complete message by its name field.
func (k kind) name(body []byte) string {
	what, field := "", protowire.Number(0)
	switch k {
	case nodeKind:
		what, field = "node", 3
	case tensorKind:
		what, field = "tensor", 8
	case valueKind:
		what, field = "declaration of", 1
	default:
		return ""
	}
	for len(body) > 0 {
		num, typ, n := protowire.ConsumeTag(body)
		body = body[n:]
		if num == field && typ == protowire.BytesType {
			text, _ := protowire.ConsumeBytes(body)
			return fmt.Sprintf("%s %q", what, text)
		}
		body = body[protowire.ConsumeFieldValue(num, typ, body):]
	}
	return ""
}
