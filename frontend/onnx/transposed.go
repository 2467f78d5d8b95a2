package onnx

import (
	"slices"

	"secc.example/secc/ir"
)

// convTranspose becomes a convolution with one output channel for every phase
// of the stride, whose outputs are then interleaved: no zeros are multiplied, and
// a convolution is what there is a protocol for.
func convTranspose(c *ctx) []*operand {
	x := c.in[0]
	c.realOnly(x)
	w := c.window(x, c.weightKernel(c.in[1]))
	extra := c.ints("output_padding")
	if extra == nil {
		extra = make([]int, len(w.kernel))
	}
	if len(extra) != len(w.kernel) || slices.Min(extra) < 0 || slices.Max(extra) > maxElements {
		c.failf("output_padding %v", extra)
	}
	extra = slices.Clone(extra)
	c.transposedPads(&w, x, extra)
	weights, group := c.in[1], c.int("group", 1)
	k := weights.shape
	if len(k) != len(x.shape) || group < 1 || x.shape[1] != k[0] || k[0]%group != 0 {
		c.failf("data %v and weights %v in %d groups", x.shape, k, group)
	}
	if _, err := numel(w.strides); err != nil {
		c.failf("strides %v", w.strides)
	}
	if weights.con == nil {
		c.refuse("weights %q are computed", weights.name)
	}
	return one(c.phases(x, weights.con, c.arg(2), group, w, extra))
}

// transposedPads applies output_shape and auto_pad: the output's size is given
// and the pads follow from it.
func (c *ctx) transposedPads(w *window, x *operand, extra []int) {
	target, mode := c.ints("output_shape"), c.str("auto_pad", "NOTSET")
	if len(target) > len(w.kernel) {
		target = target[len(target)-len(w.kernel):] // some exporters give N and C too
	}
	if target == nil && (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
		for d, in := range x.shape[2:] {
			target = append(target, in*w.strides[d])
		}
	}
	if target == nil {
		return
	}
	if len(target) != len(w.kernel) {
		c.failf("output_shape %v", target)
	}
	w.begin, w.end = slices.Clone(w.begin), slices.Clone(w.end)
	for d, in := range x.shape[2:] {
		total := (in-1)*w.strides[d] + extra[d] + (w.kernel[d]-1)*w.dilations[d] + 1 - target[d]
		if target[d] < 1 {
			c.failf("output_shape %v", target)
		}
		if total < 0 { // larger than the sum gives: zeros at the end
			extra[d] -= total
			total = 0
		}
		w.begin[d], w.end[d] = total/2, total-total/2
		if mode != "SAME_UPPER" {
			w.begin[d], w.end[d] = w.end[d], w.begin[d]
		}
	}
}

// phases: along one dimension y[q*s+r] = sum_j x[q-j] * w[j*s+r], so phase r is a
// convolution of x with every s-th weight, in reverse order. taps is how many
// there are. The output starts at w.begin of that sequence.
func (c *ctx) phases(x *operand, weights *Tensor, bias *operand, group int, w window, extra []int) *operand {
	n := len(w.kernel)
	taps, begin, end := make([]int, n), make([]int, n), make([]int, n)
	size, skip := make([]int, n), make([]int, n)
	for d, in := range x.shape[2:] {
		s := w.strides[d]
		reach := (w.kernel[d]-1)*w.dilations[d] + 1
		size[d] = (in-1)*s + reach + extra[d] - w.begin[d] - w.end[d]
		if size[d] < 1 || size[d] > maxElements || reach > maxIntElems {
			c.failf("spatial dimension %d of the result would be %d", d, size[d])
		}
		taps[d] = (reach + s - 1) / s
		first := floorDiv(w.begin[d], s) // the first and the last q that the output needs
		last := floorDiv(w.begin[d]+size[d]-1, s)
		skip[d] = w.begin[d] - first*s
		begin[d], end[d] = taps[d]-1-first, last-(in-1)
	}
	plain := window{kernel: taps, strides: slices.Repeat([]int{1}, n), dilations: slices.Repeat([]int{1}, n), begin: begin, end: end}
	x = c.cropNegative(x, &plain)
	if bias != nil {
		bias = c.repeatEach(bias, ir.Numel(w.strides))
	}
	y := c.convolve(x, c.phaseWeights(weights, group, w, taps), bias, group, plain)
	return c.interleave(y, w.strides, skip, size)
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

// repeatEach repeats every element of a list k times.
func (c *ctx) repeatEach(o *operand, k int) *operand {
	if len(o.shape) != 1 || k > maxIntElems/max(1, o.N()) {
		c.failf("bias has shape %v", o.shape)
	}
	index := make([]int, 0, k*o.N())
	for i := range o.N() {
		for range k {
			index = append(index, i)
		}
	}
	return c.gather(o, 0, index, []int{len(index)})
}

// phaseWeights rearranges [C, M/group, K...] into [M*phases, C/group, taps...].
func (c *ctx) phaseWeights(t *Tensor, group int, w window, taps []int) *operand {
	perIn, perOut := t.Shape[0]/group, t.Shape[1]
	phases := ir.Numel(w.strides)
	out := c.fresh(t.DType, slices.Concat([]int{perOut * group * phases, perIn}, taps))
	kernel, tap := rowMajor(w.kernel), rowMajor(taps)
	values := t.Floats()
	for k := range ir.Numel(w.kernel) {
		phase, at := 0, 0
		for d := range w.kernel {
			place := k / kernel[d] % w.kernel[d] * w.dilations[d]
			phase = phase*w.strides[d] + place%w.strides[d]
			at += (taps[d] - 1 - place/w.strides[d]) * tap[d]
		}
		for ch := range t.Shape[0] {
			for m := range perOut {
				row := (ch/perIn*perOut+m)*phases + phase
				out.F[(row*perIn+ch%perIn)*ir.Numel(taps)+at] = values[(ch*perOut+m)*ir.Numel(w.kernel)+k]
			}
		}
	}
	out.Name = t.Name
	return &operand{name: t.Name, dtype: t.DType, shape: out.Shape, con: out}
}

// interleave turns [N, M*phases, Q...] into [N, M, Q*strides...] and cuts out
// size elements after the first skip.
func (c *ctx) interleave(y *operand, strides, skip, size []int) *operand {
	n := len(strides)
	m := y.shape[1] / ir.Numel(strides)
	q := y.shape[2:]
	split, perm, merged := append([]int{y.shape[0], m}, strides...), []int{0, 1}, []int{y.shape[0], m}
	for d := range strides {
		split = append(split, q[d])
		perm = append(perm, 2+n+d, 2+d)
		merged = append(merged, q[d]*strides[d])
	}
	y = c.reshape(c.transpose(c.reshape(y, split...), perm...), merged...)
	for d := range size {
		y = c.part(y, d+2, skip[d], size[d])
	}
	return y
}
