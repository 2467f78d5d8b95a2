package ir

import (
	"fmt"
	"slices"
	"strings"

	"secc.example/secc/ir/num"
)

// Holder says who may see a value at run time.
type Holder uint8

const (
	Public Holder = iota // part of the plan: both parties know it
	Server               // weights: only the server ever sees it
	Client               // inputs and revealed outputs
	Shared               // additive shares mod 2^Bits
)

var holderNames = [...]string{"public", "server", "client", "shared"}

func (h Holder) String() string {
	if int(h) < len(holderNames) {
		return holderNames[h]
	}
	return fmt.Sprintf("holder(%d)", uint8(h))
}

// Elem is the format of one tensor element. The zero Elem is a real number.
// Otherwise the element is a signed integer x in Z_2^Bits, read as x / 2^Frac.
// Frac may be negative or exceed Bits.
type Elem struct{ Bits, Frac int }

// IsReal reports whether the element has no fixed-point format yet.
func (e Elem) IsReal() bool { return e.Bits == 0 }

// String prints "real" or "i16.8" (bits, fraction bits).
func (e Elem) String() string {
	if e.IsReal() {
		return "real"
	}
	return fmt.Sprintf("i%d.%d", e.Bits, e.Frac)
}

// Type is the static type of a value: element format, shape and holder.
// Shapes are fully static and row-major; a scalar has an empty shape.
type Type struct {
	Elem   Elem
	Shape  []int
	Holder Holder
}

// N is the number of elements.
func (t Type) N() int { return Numel(t.Shape) }

// String prints the type as in the text form: "shared i16.8[1,64,56,56]".
func (t Type) String() string {
	return t.Holder.String() + " " + t.Elem.String() + ShapeString(t.Shape)
}

// Equal reports whether two types are the same.
func (t Type) Equal(u Type) bool {
	return t.Elem == u.Elem && t.Holder == u.Holder && slices.Equal(t.Shape, u.Shape)
}

// Numel is the product of the dimensions.
func Numel(shape []int) int { return num.Numel(shape) }

// ShapeString prints a shape as "[1,3,224,224]".
func ShapeString(shape []int) string {
	s := make([]string, len(shape))
	for i, d := range shape {
		s[i] = fmt.Sprint(d)
	}
	return "[" + strings.Join(s, ",") + "]"
}
