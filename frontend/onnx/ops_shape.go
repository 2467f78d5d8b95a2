package onnx

import (
	"fmt"
	"math"
	"slices"
)

// shapeOps make constants and convert types: almost all of it is shape
// arithmetic that folds away.
var shapeOps = map[string]opRow{
	"Constant":        {min: 0, max: 0, build: constant},
	"ConstantOfShape": {min: 1, max: 1, build: constantOfShape},
	"Shape":           {min: 1, max: 1, build: shapeOf},
	"Size":            {min: 1, max: 1, build: func(c *ctx) []*operand { return one(c.intConst([]int{}, []int64{int64(c.in[0].N())})) }},
	"Range":           {min: 3, max: 3, build: rangeOp},
	"NonZero":         {min: 1, max: 1, build: nonZero},
	"Cast":            {min: 1, max: 1, build: func(c *ctx) []*operand { return one(c.cast(c.in[0], c.castTarget())) }},
	"CastLike":        {min: 2, max: 2, build: func(c *ctx) []*operand { return one(c.cast(c.in[0], c.in[1].dtype)) }},
}

func constant(c *ctx) []*operand {
	for _, key := range []string{"value_string", "value_strings"} {
		if c.has(key) {
			c.refuse(stringData)
		}
	}
	var t *Tensor
	switch {
	case c.has("value"):
		t = attr(c, "value", (*Tensor)(nil))
	case c.has("sparse_value"):
		t = attr(c, "sparse_value", (*Tensor)(nil))
	case c.has("value_float"):
		t = &Tensor{DType: Float, Shape: []int{}, F: []float32{attr(c, "value_float", float32(0))}}
	case c.has("value_int"):
		t = &Tensor{DType: Int64, Shape: []int{}, I: []int64{attr(c, "value_int", int64(0))}}
	case c.has("value_floats"):
		f := attr(c, "value_floats", []float32{})
		t = &Tensor{DType: Float, Shape: []int{len(f)}, F: f}
	case c.has("value_ints"):
		i := attr(c, "value_ints", []int64{})
		t = &Tensor{DType: Int64, Shape: []int{len(i)}, I: i}
	default:
		c.failf("it has no value")
	}
	return one(c.known(t))
}

func constantOfShape(c *ctx) []*operand {
	shape := c.indices(0, "shape")
	for _, d := range shape {
		if d < 0 || d > maxElements {
			c.failf("shape %v", shape)
		}
	}
	value := attr(c, "value", &Tensor{DType: Float, Shape: []int{1}, F: []float32{0}})
	if value.N() != 1 {
		c.failf("value has shape %v, want one number", value.Shape)
	}
	t := c.filled(value.DType, append([]int{}, shape...))
	for i := range t.F {
		t.F[i] = value.F[0]
	}
	for i := range t.I {
		t.I[i] = value.I[0]
	}
	return one(c.known(t))
}

// filled allocates the result of a ConstantOfShape, which counts as stored.
func (c *ctx) filled(d DType, shape []int) *Tensor {
	n, err := numel(shape)
	if size := memory(d, n); err == nil && size > maxFilled-c.im.made {
		err = fmt.Errorf("constants of given shapes exceed %d MiB", maxFilled>>20)
	} else {
		c.im.made += size
		c.im.stored += size
	}
	if err != nil {
		c.fail(err)
	}
	t, err := newTensor(d, shape)
	if err != nil {
		c.fail(err)
	}
	return t
}

func shapeOf(c *ctx) []*operand {
	shape := c.in[0].shape
	n := len(shape)
	clamp := func(i int) int {
		if i < 0 {
			i += n
		}
		return min(max(i, 0), n)
	}
	start, end := clamp(c.int("start", 0)), clamp(c.int("end", n))
	out := []int64{}
	for d := start; d < end; d++ {
		out = append(out, int64(shape[d]))
	}
	return one(c.intConst([]int{len(out)}, out))
}

func rangeOp(c *ctx) []*operand {
	start, limit, delta := c.scalar(0, "start", 0), c.scalar(1, "limit", 0), c.scalar(2, "delta", 1)
	count := math.Ceil((limit - start) / delta)
	if delta == 0 || count != count || count > maxIntElems {
		c.failf("range from %g to %g by %g", start, limit, delta)
	}
	t := c.fresh(c.in[0].dtype, []int{int(max(count, 0))})
	for i := range t.F {
		t.F[i] = float32(start + float64(i)*delta)
	}
	for i := range t.I {
		t.I[i] = int64(start) + int64(i)*int64(delta)
	}
	return one(c.known(t, c.in...))
}

// nonZero lists the coordinates of what is not zero; exporters build index
// tensors with it.
func nonZero(c *ctx) []*operand {
	t := c.constant(0, "the tensor")
	strides := rowMajor(t.Shape)
	if t.N() > maxIntElems {
		c.failf("%d elements are too many", t.N())
	}
	var hits []int
	for i := range t.N() {
		if t.at(i) != 0 {
			hits = append(hits, i)
		}
	}
	out := c.fresh(Int64, []int{len(t.Shape), len(hits)})
	for d, s := range strides {
		for j, at := range hits {
			out.I[d*len(hits)+j] = int64(at / s % t.Shape[d])
		}
	}
	return one(c.known(out, c.in[0]))
}

// castTarget reads "to", which was a string before opset 6.
func (c *ctx) castTarget() DType {
	if name, old := c.attrs["to"].(string); old {
		for d, s := range dtypeNames {
			if s == lower(name) {
				return d
			}
		}
		c.failf("type %q", name)
	}
	return DType(c.int("to", 0))
}

func lower(s string) string {
	b := []byte(s)
	for i, ch := range b {
		if 'A' <= ch && ch <= 'Z' {
			b[i] = ch + 'a' - 'A'
		}
	}
	return string(b)
}

// cast converts between element types. Data stays a real number; what matters
// is where a conversion would change it.
func (c *ctx) cast(x *operand, to DType) *operand {
	if !to.IsFloat() && !to.IsInt() {
		c.refuse("cast to %v", to)
	}
	if x.con != nil {
		return c.known(c.foldCast(x.con, to), x)
	}
	out := *x
	out.dtype = to
	switch {
	case x.dtype == to || to.IsFloat() || x.dtype == Bool || widens(x.dtype, to):
	case to == Bool:
		return c.not(c.typed(c.fn(x, "is_zero"), Bool))
	case x.dtype.IsFloat() && to.bits() >= 32:
		return c.typed(c.fn(x, "trunc"), to)
	default:
		c.refuse("cast of data from %v to %v, which could wrap around", x.dtype, to)
	}
	return &out
}

// widens reports whether every value of an integer type exists in another.
func widens(from, to DType) bool {
	if !from.IsInt() || !to.IsInt() {
		return false
	}
	fl, fh := from.intRange()
	tl, th := to.intRange()
	return fl >= tl && fh <= th
}

// typed relabels the element type.
func (c *ctx) typed(x *operand, d DType) *operand {
	out := *x
	out.dtype = d
	if x.con != nil {
		out.con = c.foldCast(x.con, d)
	}
	return &out
}

// alignOld applies the broadcasting of opsets before 7: the second operand lines
// up with the first at attribute "axis".
func (c *ctx) alignOld(a, b *operand) *operand {
	if c.opset >= 7 || !c.has("axis") || len(b.shape) == 0 {
		return b
	}
	axis := c.axis(c.int("axis", 0), len(a.shape))
	tail := len(a.shape) - axis - len(b.shape)
	if tail < 0 {
		c.failf("shape %v does not fit %v at axis %d", b.shape, a.shape, axis)
	}
	return c.reshape(b, slices.Concat(b.shape, slices.Repeat([]int{1}, tail))...)
}

// spatialAxes are all but batch and channel.
func spatialAxes(x *operand) []int {
	var axes []int
	for d := 2; d < len(x.shape); d++ {
		axes = append(axes, d)
	}
	return axes
}

// perChannel shapes a list of C numbers so that it broadcasts along axis 1.
func (c *ctx) perChannel(o *operand, x *operand) *operand {
	if len(x.shape) < 2 || o.N() != x.shape[1] {
		c.failf("%q has shape %v for data of shape %v", o.name, o.shape, x.shape)
	}
	return c.reshape(o, slices.Concat([]int{o.N()}, slices.Repeat([]int{1}, len(x.shape)-2))...)
}
