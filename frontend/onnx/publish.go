package onnx

import (
	"fmt"
	"math"
)

// What an initialiser holds is the server's. Some operators have no form whose
// parameters are secret: theirs would stand in the plan. Shapes, axes and indices
// are architecture and always do.

// mayPublish reports whether the numbers of an operand may stand in the plan: they
// follow from the architecture, everybody uses them, or the user allows it. Then
// what is told beyond the architecture is noted.
func (c *ctx) mayPublish(o *operand, what string) bool {
	if o.public {
		return true
	}
	if !c.im.opts.PublishConstants {
		for i := range o.N() {
			if !Conventional(o.con.at(i)) {
				return false
			}
		}
	}
	if o.N() > 0 {
		c.published(what, o.con.at(0))
	}
	return true
}

// published notes a number of the server's that the plan tells.
func (c *ctx) published(what string, v float64) {
	if c.im.opts.Published != nil {
		c.im.opts.Published(fmt.Sprintf("%s of %s, %g", what, c.label(), v))
	}
}

// is reports a constant of one value, which the graph may then depend on: where the model holds it, it
// is noted as told.
func (c *ctx) is(o *operand, v float64, what string) bool {
	return o.con != nil && uniform(o.con, v) && c.mayPublish(o, what)
}

// Conventional numbers say no more of a network than that it has an activation or
// a mask of the usual kind: small whole numbers, a half, infinity and powers of ten
// that stand for it, or for next to nothing.
func Conventional(v float64) bool {
	a := math.Abs(v)
	power := math.Round(math.Log10(a))
	return a <= 16 && v == math.Trunc(v) || a == 0.5 || a >= 1e30 || (power >= 4 || power <= -3) && float32(a) == float32(math.Pow(10, power))
}

// secret is a constant that stays the server's, whatever it is made from.
func (c *ctx) secret(t *Tensor) *operand {
	return &operand{name: c.name, dtype: t.DType, shape: t.Shape, con: t}
}

// secretNumber is a scalar that stays the server's.
func (c *ctx) secretNumber(v float64) *operand {
	return c.secret(&Tensor{DType: Float, Shape: []int{}, F: []float32{float32(v)}})
}
