package onnx

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// attentionOps are of the default domain, since opset 23.
var attentionOps = map[string]opRow{
	"Attention":       {min: 3, max: 7, build: standardAttention},
	"RotaryEmbedding": {min: 3, max: 4, build: standardRotary},
}

// fusedAttention are the same of com.microsoft, which onnxruntime's optimiser writes
// in place of a transformer's layers.
var fusedAttention = map[string]opRow{
	"Attention":               {min: 2, max: 7, build: projectedAttention},
	"MultiHeadAttention":      {min: 1, max: 10, build: multiHeadAttention},
	"EmbedLayerNormalization": {min: 7, max: 9, build: embedLayerNorm, gaps: true},
	"RotaryEmbedding":         {min: 4, max: 4, build: fusedRotary},
}

// attention is softmax(cap(scale*QK^T) + biases) V, with queries of shape [batch, heads,
// length, size] and keys and values of as many heads or a divisor of them, each then shared by
// neighbours (Ainslie et al., EMNLP 2023).
type attention struct {
	q, k, v *operand
	scale   float64    // 0: 1/sqrt(size)
	cap     float64    // 0: none; else scores become cap*tanh(score/cap)
	biases  []*operand // added to scores of shape [batch, heads, length, keys]
}

// attended has what attention makes on its way, scores as they are, capped, with the biases and as
// weights, and the result [batch, heads, length, size of values].
type attended struct{ scores, capped, biased, weights, y *operand }

func (c *ctx) attend(a attention) attended {
	for _, o := range []*operand{a.q, a.k, a.v} {
		c.realOnly(o)
		c.rankOf(o, 4, 4)
	}
	batch, heads, length, size := a.q.shape[0], a.q.shape[1], a.q.shape[2], a.q.shape[3]
	shared, keys := a.k.shape[1], a.k.shape[2]
	if shared == 0 || heads%shared != 0 || a.v.shape[1] != shared || a.v.shape[2] != keys || a.k.shape[3] != size || a.k.shape[0] != batch || a.v.shape[0] != batch {
		c.failf("queries, keys and values of shapes %v, %v and %v do not fit", a.q.shape, a.k.shape, a.v.shape)
	}
	if a.scale == 0 {
		a.scale = 1 / math.Sqrt(float64(size))
	}
	var out attended
	// Queries that share a head's keys are rows of one product.
	q := c.reshape(a.q, batch, shared, heads/shared*length, size)
	s := c.scaled(c.matmul(q, c.turned(a.k), nil), a.scale)
	out.scores = c.reshape(s, batch, heads, length, keys)
	out.capped = out.scores
	if a.cap > 0 {
		out.capped = c.scaled(c.fn(c.scaled(out.scores, 1/a.cap), "tanh"), a.cap)
	}
	out.biased = out.capped
	for _, b := range a.biases {
		if got, err := ir.Broadcast(out.capped.shape, b.shape); err != nil || !slices.Equal(got, out.capped.shape) {
			c.failf("a mask of shape %v does not fit scores of shape %v", b.shape, out.capped.shape)
		}
		out.biased = c.add(out.biased, b)
	}
	out.weights = c.emit(ir.OpSoftmax, &ir.AxisAttrs{Axis: 3}, a.q.dtype, out.biased)
	y := c.matmul(c.reshape(out.weights, batch, shared, heads/shared*length, keys), a.v, nil)
	out.y = c.reshape(y, batch, heads, length, a.v.shape[3])
	return out
}

// ofHeads turns [batch, length, heads*size] into [batch, heads, length, size].
func (c *ctx) ofHeads(x *operand, heads int) *operand {
	c.rankOf(x, 3, 3)
	if heads < 1 || x.shape[2]%heads != 0 {
		c.failf("%d heads in data of shape %v", heads, x.shape)
	}
	return c.transpose(c.reshape(x, x.shape[0], x.shape[1], heads, x.shape[2]/heads), 0, 2, 1, 3)
}

// joined is ofHeads back.
func (c *ctx) joined(x *operand) *operand {
	y := c.transpose(x, 0, 2, 1, 3)
	return c.reshape(y, y.shape[0], y.shape[1], y.shape[2]*y.shape[3])
}

// without is the bias that leaves scores out where keep does not hold.
func (c *ctx) without(keep *operand) *operand {
	return where(c.with(nil, keep, c.number(0, Float), c.number(math.Inf(-1), Float)))[0]
}

// causal keeps keys up to a query's own place, before which there are past ones: [length, keys].
func (c *ctx) causal(length, keys, past int) *operand {
	keep := c.fresh(Bool, []int{length, keys})
	for i := range length {
		for j := range min(i+past+1, keys) {
			keep.I[i*keys+j] = 1
		}
	}
	return c.without(c.known(keep))
}

// behindPast puts keys and values of before in front of these, and says how many.
func (c *ctx) behindPast(a *attention, k, v *operand) int {
	for _, o := range []*operand{k, v, a.k, a.v} {
		c.rankOf(o, 4, 4)
	}
	a.k, a.v = c.concat(2, k, a.k), c.concat(2, v, a.v)
	return k.shape[2]
}

// upTo is 0 to n-1, of a type.
func (c *ctx) upTo(n int, like DType) *operand {
	data := make([]int64, n)
	for i := range data {
		data[i] = int64(i)
	}
	return c.typed(c.intConst([]int{n}, data), like)
}

// standardAttention is Attention of the default domain: queries, keys, values, a mask, keys and values of
// before, and how many keys are none of padding.
func standardAttention(c *ctx) []*operand {
	a := attention{q: c.in[0], k: c.in[1], v: c.in[2], scale: c.float("scale", 0), cap: c.float("softcap", 0)}
	flat := len(a.q.shape) == 3
	if flat {
		a.q = c.ofHeads(a.q, c.int("q_num_heads", 0))
		a.k, a.v = c.ofHeads(a.k, c.int("kv_num_heads", 0)), c.ofHeads(a.v, c.int("kv_num_heads", 0))
	}
	past := 0
	if k, v := c.arg(4), c.arg(5); k != nil && v != nil {
		past = c.behindPast(&a, k, v)
	}
	for _, o := range []*operand{a.q, a.k} {
		c.rankOf(o, 4, 4)
	}
	length, keys := a.q.shape[2], a.k.shape[2]
	valid := c.arg(6)
	if mask := c.arg(3); mask != nil {
		a.biases = append(a.biases, c.maskOf(mask, keys))
	}
	if valid != nil {
		n := c.reshape(valid, valid.N(), 1, 1, 1)
		a.biases = append(a.biases, c.without(less(c, c.upTo(keys, n.dtype), n)))
	}
	if c.flag("is_causal", false) {
		if valid != nil && c.arg(4) == nil {
			c.refuse("a causal mask whose place depends on how many keys are valid")
		}
		a.biases = append(a.biases, c.causal(length, keys, past))
	}
	out := c.attend(a)
	y := out.y
	if flat {
		y = c.joined(y)
	}
	stages := []*operand{out.scores, out.capped, out.biased, out.weights}
	mode := c.int("qk_matmul_output_mode", 0)
	if mode < 0 || mode >= len(stages) {
		c.failf("qk_matmul_output_mode %d", mode)
	}
	return []*operand{y, a.k, a.v, stages[mode]}
}

// maskOf is an Attention's mask as a bias: a boolean one says what takes part, one of fewer keys
// leaves the others out.
func (c *ctx) maskOf(mask *operand, keys int) *operand {
	last := len(mask.shape) - 1
	short := last >= 0 && mask.shape[last] < keys && mask.shape[last] > 1
	if mask.dtype == Bool {
		mask = c.without(mask)
	}
	if short {
		rest := slices.Clone(mask.shape)
		rest[last] = keys - mask.shape[last]
		mask = c.concat(last, mask, c.expand(c.number(math.Inf(-1), Float), rest...))
	}
	return mask
}

// projectedAttention is com.microsoft's Attention: data, weights and bias that make queries, keys and
// values of them, a mask, keys and values of before (stacked), a bias of scores.
func projectedAttention(c *ctx) []*operand {
	c.only("do_rotary", "past_present_share_buffer")
	x, w, heads := c.in[0], c.in[1], c.int("num_heads", 0)
	c.rankOf(x, 3, 3)
	c.rankOf(w, 2, 2)
	y := c.matmul(x, w, nil)
	if b := c.arg(2); b != nil {
		y = c.add(y, b)
	}
	widths := c.ints("qkv_hidden_sizes")
	if widths == nil {
		widths = []int{w.shape[1] / 3, w.shape[1] / 3, w.shape[1] / 3}
	}
	if len(widths) != 3 || widths[0]+widths[1]+widths[2] != w.shape[1] {
		c.failf("weights of shape %v do not make queries, keys and values of widths %v", w.shape, widths)
	}
	var each [3]*operand
	for i, at := 0, 0; i < 3; i, at = i+1, at+widths[i] {
		each[i] = c.ofHeads(c.part(y, 2, at, widths[i]), heads)
	}
	a, past := attention{q: each[0], k: each[1], v: each[2], scale: c.float("scale", 0)}, 0
	if before := c.arg(4); before != nil {
		c.rankOf(before, 5, 5)
		if before.shape[0] != 2 {
			c.failf("keys and values of before have shape %v", before.shape)
		}
		of := func(i int) *operand { return c.reshape(c.part(before, 0, i, 1), before.shape[1:]...) }
		past = c.behindPast(&a, of(0), of(1))
	}
	c.masked(&a, c.arg(3), c.arg(5), past)
	present := func() *operand {
		stacked := func(x *operand) *operand { return c.reshape(x, slices.Concat([]int{1}, x.shape)...) }
		return c.concat(0, stacked(a.k), stacked(a.v))
	}
	out := one(c.joined(c.attend(a).y))
	if len(c.outputs) > 1 && c.im.m.used[c.outputs[1]] {
		out = append(out, present())
	}
	return out
}

// only refuses attributes that change what an operator does and are set.
func (c *ctx) only(names ...string) {
	for _, name := range names {
		if c.flag(name, false) {
			c.refuse("attribute %s", name)
		}
	}
}

// masked adds the biases of com.microsoft's operators: a padding mask, a bias of scores, what
// comes after a query.
func (c *ctx) masked(a *attention, padding, bias *operand, past int) {
	for _, o := range []*operand{a.q, a.k} {
		c.rankOf(o, 4, 4)
	}
	length, keys := a.q.shape[2], a.k.shape[2]
	if padding != nil {
		a.biases = append(a.biases, c.padding(padding, a.q.shape[0], length, keys))
	}
	if bias != nil {
		a.biases = append(a.biases, bias)
	}
	if c.flag("unidirectional", false) {
		a.biases = append(a.biases, c.causal(length, keys, past))
	}
}

// padding is the bias by a mask of integers: ones and zeros a key, or a row's number of valid keys,
// which the first of it may follow.
func (c *ctx) padding(mask *operand, batch, length, keys int) *operand {
	var keep *operand
	switch n := len(mask.shape); {
	case n == 1 && (mask.shape[0] == batch || mask.shape[0] == 2*batch):
		at, end := c.upTo(keys, mask.dtype), c.reshape(c.part(mask, 0, 0, batch), batch, 1, 1, 1)
		keep = less(c, at, end)
		if mask.shape[0] > batch {
			keep = and(c, keep, atLeast(c, at, c.reshape(c.part(mask, 0, batch, batch), batch, 1, 1, 1)))
		}
	case n == 2 && mask.shape[1] == keys:
		keep = c.reshape(mask, mask.shape[0], 1, 1, keys)
	case n == 3 && mask.shape[1] == length && mask.shape[2] == keys:
		keep = c.reshape(mask, mask.shape[0], 1, length, keys)
	case n == 4 && mask.shape[2] >= keys && mask.shape[3] >= keys:
		keep = c.part(c.part(mask, 2, keys-length, length), 3, 0, keys)
	default:
		c.refuse("a mask of shape %v with %d queries and %d keys", mask.shape, length, keys)
	}
	keep = c.cast(keep, Float)
	return c.scaled(c.sub(c.number(1, Float), keep), c.float("mask_filter_value", -10000))
}

// multiHeadAttention is com.microsoft's: queries, keys and values, a bias of all three, a mask, a bias of
// scores, keys and values of before. Keys and values may come packed, or in heads.
func multiHeadAttention(c *ctx) []*operand {
	c.only("do_rotary")
	if c.arg(8) != nil || c.arg(9) != nil {
		c.refuse("a cache whose length is an input")
	}
	heads := c.int("num_heads", 0)
	q, k, v := c.unpacked()
	if q, k, v = c.biased(q, k, v, c.arg(3)); len(q.shape) == 3 {
		q = c.ofHeads(q, heads)
	}
	if len(k.shape) != 4 {
		k, v = c.ofHeads(k, heads), c.ofHeads(v, heads)
	}
	a, past := attention{q: q, k: k, v: v, scale: c.float("scale", 0)}, 0
	if before := c.arg(6); before != nil && c.arg(7) != nil {
		past = c.behindPast(&a, before, c.in[7])
	}
	c.masked(&a, c.arg(4), c.arg(5), past)
	return []*operand{c.joined(c.attend(a).y), a.k, a.v}
}

// unpacked gives queries, keys and values, [batch, length, width] or (keys and values) in heads: packed they
// are [batch, length, heads, 3 or 2, size].
func (c *ctx) unpacked() (q, k, v *operand) {
	q, k, v = c.in[0], c.arg(1), c.arg(2)
	of := func(x *operand, i, n int) *operand {
		if c.rankOf(x, 5, 5); x.shape[3] != n {
			c.failf("data of shape %v holds no %d tensors", x.shape, n)
		}
		p := c.part(x, 3, i, 1)
		return c.reshape(p, p.shape[0], p.shape[1], p.shape[2]*p.shape[4])
	}
	switch {
	case k == nil:
		return of(q, 0, 3), of(q, 1, 3), of(q, 2, 3)
	case v == nil:
		return q, of(k, 0, 2), of(k, 1, 2)
	}
	return q, k, v
}

// biased adds parts of one vector to queries, keys and values; nil is nothing.
func (c *ctx) biased(q, k, v, bias *operand) (*operand, *operand, *operand) {
	if bias == nil {
		return q, k, v
	}
	if len(q.shape) != 3 || len(k.shape) != 3 || len(v.shape) != 3 {
		c.refuse("a bias of keys that come in heads")
	}
	at := 0
	next := func(x *operand) *operand {
		b := c.part(bias, 0, at, x.shape[2])
		at += x.shape[2]
		return c.add(x, b)
	}
	if c.rankOf(bias, 1, 1); bias.N() != q.shape[2]+k.shape[2]+v.shape[2] {
		c.failf("a bias of shape %v for widths %d, %d and %d", bias.shape, q.shape[2], k.shape[2], v.shape[2])
	}
	return next(q), next(k), next(v)
}

// embedLayerNorm is com.microsoft's sum of embeddings of tokens, places and segments, normalised; and how many
// tokens a mask leaves.
func embedLayerNorm(c *ctx) []*operand {
	for _, i := range []int{0, 2, 3, 5, 6} {
		if c.arg(i) == nil {
			c.failf("input %d is missing", i)
		}
	}
	ids, segments := c.in[0], c.in[1]
	c.rankOf(ids, 2, 2)
	x := c.rows(c.in[2], ids)
	if at := c.arg(8); at != nil {
		x = c.add(x, c.rows(c.in[3], at))
	} else {
		c.rankOf(c.in[3], 2, 2)
		x = c.add(x, c.part(c.in[3], 0, 0, ids.shape[1]))
	}
	if table := c.arg(4); table != nil && segments != nil {
		x = c.add(x, c.rows(table, segments))
	}
	in := []*operand{x, c.in[5], c.in[6]}
	y := layerNorm(c.with(attrs{"axis": int64(-1), "epsilon": float32(c.float("epsilon", 1e-12))}, in...))[0]
	tokens := c.intConst([]int{ids.shape[0]}, make([]int64, ids.shape[0])) // without a mask onnxruntime says none
	if mask := c.arg(7); mask != nil {
		c.rankOf(mask, 2, 2)
		tokens = c.sum(mask, []int{1}, false)
	}
	return []*operand{y, tokens, x}
}

// rotary turns pairs of the first elements of every head by angles whose cosines and sines are given for
// half of them (Su et al., Neurocomputing 2024, section 3.2).
//
// The data is [batch, length, heads, size], the angles broadcast to [batch, length, 1, half].
func (c *ctx) rotary(x, cos, sin *operand) *operand {
	c.rankOf(x, 4, 4)
	half, size := cos.shape[len(cos.shape)-1], x.shape[3]
	if 2*half > size || sin.shape[len(sin.shape)-1] != half {
		c.failf("angles of shapes %v and %v for heads of %d", cos.shape, sin.shape, size)
	}
	var a, b *operand
	interleaved := c.flag("interleaved", false)
	if interleaved {
		pairs := c.reshape(c.part(x, 3, 0, 2*half), x.shape[0], x.shape[1], x.shape[2], half, 2)
		of := func(i int) *operand { return c.reshape(c.part(pairs, 4, i, 1), pairs.shape[:4]...) }
		a, b = of(0), of(1)
	} else {
		a, b = c.part(x, 3, 0, half), c.part(x, 3, half, half)
	}
	real, imaginary := c.sub(c.mul(a, cos), c.mul(b, sin)), c.add(c.mul(a, sin), c.mul(b, cos))
	y := []*operand{real, imaginary}
	if interleaved {
		shape := slices.Concat(real.shape, []int{1})
		joined := c.concat(4, c.reshape(real, shape...), c.reshape(imaginary, shape...))
		y = []*operand{c.reshape(joined, x.shape[0], x.shape[1], x.shape[2], 2*half)}
	}
	if 2*half < size {
		y = append(y, c.part(x, 3, 2*half, size-2*half))
	}
	return c.concat(3, y...)
}

// rotated gives data in heads or flat to rotary, with angles of shape [.., length, half].
func (c *ctx) rotated(x *operand, heads int, cos, sin *operand) *operand {
	for _, o := range []*operand{x, cos, sin} {
		c.rankOf(o, 2, maxRank)
	}
	shape, four := x.shape, len(x.shape) == 4
	switch {
	case four:
		x = c.transpose(x, 0, 2, 1, 3)
	case heads < 1 || c.rankOf(x, 3, 3) != 3 || shape[2]%heads != 0:
		c.failf("%d heads in data of shape %v", heads, shape)
	default:
		x = c.reshape(x, shape[0], shape[1], heads, shape[2]/heads)
	}
	beside := func(o *operand) *operand {
		n := len(o.shape)
		return c.reshape(o, slices.Concat(o.shape[:n-1], []int{1}, o.shape[n-1:])...)
	}
	y := c.rotary(x, beside(cos), beside(sin))
	if four {
		return c.transpose(y, 0, 2, 1, 3)
	}
	return c.reshape(y, shape...)
}

// standardRotary is RotaryEmbedding of the default domain: data, cosines, sines, places.
func standardRotary(c *ctx) []*operand {
	cos, sin := c.in[1], c.in[2]
	if at := c.arg(3); at != nil {
		cos, sin = c.rows(cos, at), c.rows(sin, at)
	}
	return one(c.rotated(c.in[0], c.int("num_heads", 0), cos, sin))
}

// rows are those of a table at places.
func (c *ctx) rows(table, at *operand) *operand {
	return gather(c.with(attrs{"axis": int64(0)}, table, at))[0]
}

// fusedRotary is com.microsoft's RotaryEmbedding: data, places or the first of them, cosines, sines.
func fusedRotary(c *ctx) []*operand {
	c.only("is_packed_batching")
	x, at, cos, sin := c.in[0], c.in[1], c.in[2], c.in[3]
	c.rankOf(x, 3, 4)
	c.rankOf(cos, 2, 2)
	length, heads := x.shape[len(x.shape)-2], c.int("num_heads", 0)
	if heads == 0 && len(x.shape) == 3 {
		heads = x.shape[2] / max(2*cos.shape[len(cos.shape)-1], 1)
	}
	if at.N() == 1 && len(at.shape) <= 1 {
		at = c.add(c.upTo(length, at.dtype), at)
	}
	return one(c.rotated(x, heads, c.rows(cos, at), c.rows(sin, at)))
}
