package ir

import (
	"fmt"
	"math"

	"secc.example/secc/ir/num"
)

// MaxElems bounds the elements of one tensor, MaxRank its dimensions: what a
// model file may make the compiler allocate.
const (
	MaxElems = 1 << 28
	MaxRank  = 8
	maxFrac  = 256
)

// Input appends a real input of the client.
func (g *Graph) Input(name string, shape []int) (*Value, error) {
	return g.leaf(&Value{Op: OpInput, Name: name, Attrs: &InputAttrs{}, Type: Type{Shape: shape, Holder: Client}})
}

// FixedInput appends an input of the client in format e.
func (g *Graph) FixedInput(name string, shape []int, e Elem) (*Value, error) {
	return g.leaf(&Value{Op: OpInput, Name: name, Attrs: &InputAttrs{}, Type: Type{Elem: e, Shape: shape, Holder: Client}})
}

// Const appends a real constant of the server.
func (g *Graph) Const(name string, t *num.Tensor) (*Value, error) {
	return g.realConst(name, t, Server)
}

// PublicConst appends a real constant that becomes part of the plan.
func (g *Graph) PublicConst(name string, t *num.Tensor) (*Value, error) {
	return g.realConst(name, t, Public)
}

func (g *Graph) realConst(name string, t *num.Tensor, h Holder) (*Value, error) {
	v := &Value{Op: OpConst, Name: name, Attrs: &ConstAttrs{Real: t}, Type: Type{Holder: h}}
	if t == nil {
		return nil, v.errorf("no tensor")
	}
	v.Type.Shape = append([]int{}, t.Shape...)
	return g.leaf(v)
}

// FixedConst appends a constant in format e: ints are signed representatives.
func (g *Graph) FixedConst(name string, shape []int, e Elem, ints []int64, h Holder) (*Value, error) {
	t := Type{Elem: e, Shape: shape, Holder: h}
	return g.leaf(&Value{Op: OpConst, Name: name, Attrs: &ConstAttrs{Ints: ints}, Type: t})
}

func (g *Graph) leaf(v *Value) (*Value, error) {
	v.Type.Shape = append([]int{}, v.Type.Shape...)
	if err := v.checkLeaf(); err != nil {
		return nil, err
	}
	g.Add(v)
	if v.Op == OpInput {
		g.Inputs = append(g.Inputs, v)
	}
	return v, nil
}

func (v *Value) checkLeaf() error {
	if err := checkShape(v.Type.Shape); err != nil {
		return v.errorf("%w", err)
	}
	if err := v.Type.Elem.check(); err != nil {
		return v.errorf("%w", err)
	}
	if v.Op == OpInput {
		if v.Type.Holder != Client {
			return v.errorf("an input is the client's, not %v", v.Type.Holder)
		}
		if err := v.Attrs.(*InputAttrs).check(v.Type.N()); err != nil {
			return v.errorf("%w", err)
		}
		return nil
	}
	if h := v.Type.Holder; h != Server && h != Public {
		return v.errorf("a constant is the server's or public, not %v", h)
	}
	if err := v.Attrs.(*ConstAttrs).check(v.Type); err != nil {
		return v.errorf("%w", err)
	}
	return nil
}

func (c *ConstAttrs) check(t Type) error {
	switch {
	case t.Elem.IsReal():
		if c.Real == nil || c.Ints != nil {
			return fmt.Errorf("a real constant needs a real tensor and nothing else")
		}
		_, err := elements(c.Real, t.Shape)
		return err
	case c.Real != nil || len(c.Ints) != t.N():
		return fmt.Errorf("constant has %d integers, its shape %v has %d", len(c.Ints), t.Shape, t.N())
	default:
		for i, x := range c.Ints {
			if x != Wrap(x, t.Elem.Bits) {
				return fmt.Errorf("constant's element %d is %d, which %v cannot hold", i, x, t.Elem)
			}
		}
	}
	return nil
}

func checkShape(shape []int) error {
	if len(shape) > MaxRank {
		return fmt.Errorf("rank %d, limit %d", len(shape), MaxRank)
	}
	n := 1
	for _, d := range shape {
		if d < 1 || d > MaxElems || n > MaxElems/d {
			return fmt.Errorf("shape %v has no or too many elements", shape)
		}
		n *= d
	}
	return nil
}

func (e Elem) check() error {
	if e.IsReal() {
		if e.Frac != 0 {
			return fmt.Errorf("a real number with %d fraction bits", e.Frac)
		}
		return nil
	}
	if e.Bits < 1 || e.Bits > 64 || e.Frac < -maxFrac || e.Frac > maxFrac {
		return fmt.Errorf("format (%d, %d) is out of range", e.Bits, e.Frac)
	}
	return nil
}

// NewReal makes a tensor of real numbers around data (not copied). A scalar has an empty shape.
func NewReal(shape []int, data []float32) *num.Tensor { return num.New(shape, data) }

// Floats gives the elements of a tensor, row-major.
func Floats(t *num.Tensor) []float32 { return t.Data }

// Wrap gives the signed representative of x in Z_2^bits.
func Wrap(x int64, bits int) int64 { return num.Wrap(x, bits) }

// Quantize gives the integer of format e that stands for x: rounded half away
// from zero, saturated at the ends of the ring. NaN gives 0.
func (e Elem) Quantize(x float64) int64 {
	y := math.Round(math.Ldexp(x, e.Frac))
	top := math.Ldexp(1, e.Bits-1)
	switch {
	case y >= top:
		return int64(uint64(1)<<(e.Bits-1) - 1)
	case y < -top:
		return -1 << (e.Bits - 1)
	case y != y:
		return 0
	}
	return int64(y)
}

// Real is what integer x of format e stands for.
func (e Elem) Real(x int64) float64 { return math.Ldexp(float64(x), -e.Frac) }
