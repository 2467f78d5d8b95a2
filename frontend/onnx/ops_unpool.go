package onnx

import (
	"slices"

	"secc.example/secc/ir"
)

// pooled says where in its windows a MaxPool found the largest elements: what MaxUnpool
// takes of its indices. As numbers they would need formats for all places of a tensor.
type pooled struct {
	bits   *operand // one of every window's elements is one, the others are zero: [n, c, windows..., elements]
	kernel []int
}

// places of the largest elements, for windows that lie side by side.
func (c *ctx) pooledIndices(x *operand, a *ir.PoolAttrs, shape []int) *operand {
	o := &operand{name: c.outputs[1], dtype: Int64, shape: shape}
	sideBySide := slices.Equal(a.Strides, a.Kernel) && !a.Ceil && slices.Max(slices.Concat(a.PadsBegin, a.PadsEnd)) == 0 && slices.Max(a.Dilations) == 1
	if !sideBySide {
		o.why = "the indices of a MaxPool whose windows overlap or are padded"
		return o
	}
	o.pool = &pooled{kernel: a.Kernel}
	windows, rank := x, len(a.Kernel)
	var split []int
	perm, inner := []int{0, 1}, []int{}
	for d, k := range a.Kernel {
		windows = c.part(windows, d+2, 0, shape[d+2]*k) // what fills no window is seen by none
		split = append(split, shape[d+2], k)
		perm, inner = append(perm, 2+2*d), append(inner, 3+2*d)
	}
	windows = c.reshape(windows, slices.Concat(x.shape[:2], split)...)
	windows = c.transpose(windows, slices.Concat(perm, inner)...)
	o.pool.bits = c.largest(c.reshape(windows, append(slices.Clone(shape), ir.Numel(a.Kernel))...), rank+2)
	return o
}

// maxUnpool puts elements back to where a MaxPool took them from, or to known places.
func maxUnpool(c *ctx) []*operand {
	x, indices := c.in[0], c.in[1]
	c.realOnly(x)
	kernel := c.ints("kernel_shape")
	w := c.window(x, kernel)
	shape := slices.Clone(x.shape[:2])
	for d, k := range kernel {
		shape = append(shape, (x.shape[d+2]-1)*w.strides[d]-w.begin[d]-w.end[d]+k)
	}
	natural := slices.Clone(shape)
	if given := c.indices(2, "output_shape"); given != nil {
		shape = given
	}
	if len(shape) != len(x.shape) {
		c.failf("output_shape %v for shape %v", shape, x.shape)
	}
	n, err := numel(shape)
	if err != nil {
		c.fail(err)
	}
	switch {
	case indices.why != "":
		c.fail(indicesRefusal(indices))
	case indices.pool != nil:
		return one(c.unpool(x, indices.pool, natural, shape))
	case indices.con == nil:
		c.fail(&refusal{reason: "indices (\"" + indices.name + "\") that are not a MaxPool's", bind: indices.graphInput,
			hint: "feed it the indices of a MaxPool of the same model, or constant ones"})
	}
	at := c.indexList(indices.con)
	if len(at) != x.N() {
		c.failf("%d indices for shape %v", len(at), x.shape)
	}
	background := c.expand(c.number(0, x.dtype), n)
	rows := make([]int, len(at))
	for i, v := range at {
		rows[i] = c.wrapped(v, n) // counted in the shape that is asked for, as onnxruntime has it
	}
	return one(c.reshape(c.with(attrs{"reduction": "none"}).scatter(background, c.reshape(x, x.N()), rows, 1), shape...))
}

// unpool multiplies every element by the bits of its window.
func (c *ctx) unpool(x *operand, p *pooled, natural, shape []int) *operand {
	spread := slices.Clone(p.bits.shape)
	if !slices.Equal(spread[:len(spread)-1], x.shape) {
		c.failf("indices of shape %v for shape %v", spread[:len(spread)-1], x.shape)
	}
	y := c.mul(p.bits, c.reshape(x, append(slices.Clone(x.shape), 1)...))
	y = c.reshape(y, slices.Concat(x.shape, p.kernel)...)
	perm := []int{0, 1}
	for d := range p.kernel {
		perm = append(perm, 2+d, 2+len(p.kernel)+d)
	}
	y = c.reshape(c.transpose(y, perm...), natural...)
	if slices.Equal(natural, shape) {
		return y
	}
	after := make([]int, len(shape))
	for d := range shape {
		if after[d] = shape[d] - natural[d]; after[d] < 0 {
			c.failf("output_shape %v is smaller than %v", shape, natural)
		}
	}
	return c.emit(ir.OpPad, &ir.PadAttrs{Before: make([]int, len(shape)), After: after, Mode: ir.PadConstant}, x.dtype, y)
}

// indicesRefusal says why the indices of a MaxPool cannot be had as numbers.
func indicesRefusal(o *operand) error {
	what := o.why
	if what == "" {
		what = "the indices of a MaxPool as numbers"
	}
	return refuseHint("indices are for a MaxUnpool, of windows that lie side by side; take others from the revealed maps, or upsample without them", "%s (%q)", what, o.name)
}
