package onnx

import (
	"cmp"
	"fmt"
	"slices"

	"secc.example/secc/ir"
)

// structuralOps only move elements about.
var structuralOps = map[string]opRow{
	"Identity":       {min: 1, max: 1, build: func(c *ctx) []*operand { return one(c.in[0]) }, sequences: true},
	"Dropout":        {min: 1, max: 3, build: dropout},
	"Reshape":        {min: 1, max: 2, build: reshape},
	"Flatten":        {min: 1, max: 1, build: flatten},
	"Squeeze":        {min: 1, max: 2, build: squeeze},
	"Unsqueeze":      {min: 1, max: 2, build: unsqueeze},
	"Transpose":      {min: 1, max: 1, build: transpose},
	"Concat":         {min: 1, max: many, build: concat},
	"Split":          {min: 1, max: 2, build: split},
	"Slice":          {min: 1, max: 5, build: slice},
	"Pad":            {min: 1, max: 4, build: pad, since: 2},
	"Gather":         {min: 2, max: 2, build: gather},
	"GatherElements": {min: 2, max: 2, build: gatherElements},
	"GatherND":       {min: 2, max: 2, build: gatherND},
	"CenterCropPad":  {min: 2, max: 2, build: centerCropPad},
	"Col2Im":         {min: 3, max: 3, build: col2im},
	"Expand":         {min: 2, max: 2, build: expand},
	"Tile":           {min: 2, max: 2, build: tile, since: 6},
	"DepthToSpace":   {min: 1, max: 1, build: depthToSpace},
	"SpaceToDepth":   {min: 1, max: 1, build: spaceToDepth},
}

func dropout(c *ctx) []*operand {
	if c.opset >= 12 && c.scalar(2, "training_mode", 0) != 0 {
		c.trainingMode()
	}
	if len(c.outputs) < 2 || !c.im.m.used[c.outputs[1]] {
		return one(c.in[0])
	}
	mask := c.fresh(Bool, c.in[0].shape)
	for i := range mask.I {
		mask.I[i] = 1
	}
	return []*operand{c.in[0], c.known(mask)}
}

func reshape(c *ctx) []*operand {
	target := c.indicesOr(1, "shape")
	if target == nil {
		c.failf("it has no shape")
	}
	return one(c.reshape(c.in[0], c.resolveShape(c.in[0], target)...))
}

// resolveShape replaces the 0 and -1 of a Reshape target. With a batch given at
// compile time a target that was exported for one sample is scaled up.
func (c *ctx) resolveShape(x *operand, target []int) []int {
	shape, free := c.copiedDims(x, target)
	n := 1
	for d, size := range shape {
		if d == free {
			continue
		}
		if size > maxElements || n > maxElements {
			c.failf("shape %v is too large", target)
		}
		n *= size
	}
	if batch := c.im.opts.Batch; batch > 1 && begins(x.shape, batch) && begins(target, 1) && (free < 0 && n*batch == x.N() || free > 0) {
		shape[0], n = batch, n*batch
	}
	if free >= 0 {
		if n == 0 || x.N()%n != 0 {
			c.failf("cannot reshape %v to %v", x.shape, target)
		}
		shape[free] = x.N() / n
	}
	return shape
}

func begins(shape []int, with int) bool { return len(shape) > 0 && shape[0] == with }

// copiedDims is a Reshape target with what its zeros copy, and which dimension it leaves
// free; -1: none.
func (c *ctx) copiedDims(x *operand, target []int) (shape []int, free int) {
	shape, free = slices.Clone(target), -1
	zeroCopies := !c.flag("allowzero", false)
	for d, size := range target {
		switch {
		case size == 0 && zeroCopies:
			if d >= len(x.shape) {
				c.failf("shape %v copies dimension %d of %v", target, d, x.shape)
			}
			shape[d] = x.shape[d]
		case size == -1 && free < 0:
			free = d
		case size < 0:
			c.failf("shape %v", target)
		}
	}
	return shape, free
}

func flatten(c *ctx) []*operand {
	x := c.in[0]
	axis := c.axisOrEnd(c.int("axis", 1), len(x.shape))
	return one(c.reshape(x, ir.Numel(x.shape[:axis]), ir.Numel(x.shape[axis:])))
}

func squeeze(c *ctx) []*operand {
	x := c.in[0]
	list := c.indicesOr(1, "axes")
	if list == nil {
		for d, n := range x.shape {
			if n == 1 {
				list = append(list, d)
			}
		}
	}
	axes := c.axes(list, len(x.shape))
	for _, a := range axes {
		if x.shape[a] != 1 {
			c.failf("cannot squeeze axis %d of shape %v", a, x.shape)
		}
	}
	return one(c.reshape(x, dropAxes(x.shape, axes)...))
}

func unsqueeze(c *ctx) []*operand {
	x := c.in[0]
	list := c.indicesOr(1, "axes")
	rank := len(x.shape) + len(list)
	if rank > maxRank {
		c.failf("rank %d exceeds %d", rank, maxRank)
	}
	axes := c.axes(list, rank)
	shape, from := make([]int, rank), 0
	for d := range shape {
		if slices.Contains(axes, d) {
			shape[d] = 1
		} else {
			shape[d] = x.shape[from]
			from++
		}
	}
	return one(c.reshape(x, shape...))
}

func transpose(c *ctx) []*operand {
	perm := c.ints("perm")
	if perm == nil {
		for d := len(c.in[0].shape) - 1; d >= 0; d-- {
			perm = append(perm, d)
		}
	}
	return one(c.transpose(c.in[0], perm...))
}

func concat(c *ctx) []*operand {
	if slices.Contains(c.in, nil) {
		c.failf("an input is missing")
	}
	return one(c.concat(c.axis(c.int("axis", 1), len(c.in[0].shape)), c.in...))
}

func split(c *ctx) []*operand {
	x := c.in[0]
	axis := c.axis(c.int("axis", 0), len(x.shape))
	sizes := c.indicesOr(1, "split")
	if sizes == nil {
		sizes = c.equalParts(x.shape[axis], c.int("num_outputs", len(c.outputs)))
	}
	if len(sizes) != len(c.outputs) {
		c.failf("split %v into %d outputs", sizes, len(c.outputs))
	}
	var outs []*operand
	at := 0
	for _, n := range sizes {
		if n < 0 || n > x.shape[axis]-at {
			c.failf("split %v of a dimension of %d", sizes, x.shape[axis])
		}
		outs = append(outs, c.part(x, axis, at, n))
		at += n
	}
	if at != x.shape[axis] {
		c.failf("split %v of a dimension of %d", sizes, x.shape[axis])
	}
	return outs
}

// equalParts cuts n into k parts, the last one smaller where it does not divide.
func (c *ctx) equalParts(n, k int) []int {
	if k < 1 || k != len(c.outputs) {
		c.failf("split into %d parts, %d outputs", k, len(c.outputs))
	}
	size := (n + k - 1) / k
	if size*(k-1) > n {
		c.failf("cannot split a dimension of %d into %d parts", n, k)
	}
	parts := make([]int, k)
	for i := range parts {
		parts[i] = min(size, n-i*size)
	}
	return parts
}

func slice(c *ctx) []*operand {
	x := c.in[0]
	starts, ends := c.indicesOr(1, "starts"), c.indicesOr(2, "ends")
	axes, steps := c.indicesOr(3, "axes"), c.indicesOr(4, "steps")
	if axes == nil {
		for d := range starts {
			axes = append(axes, d)
		}
	}
	if starts == nil || len(ends) != len(starts) || len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		c.failf("starts %v, ends %v, axes %v, steps %v", starts, ends, axes, steps)
	}
	axes = c.axes(axes, len(x.shape))
	start, step, size := make([]int, len(x.shape)), make([]int, len(x.shape)), slices.Clone(x.shape)
	for d := range step {
		step[d] = 1
	}
	for i, d := range axes {
		by := 1
		if steps != nil {
			by = steps[i]
		}
		if by == 0 {
			c.failf("step 0 along axis %d", d)
		}
		start[d], size[d] = clampSlice(starts[i], ends[i], by, x.shape[d])
		step[d] = by
	}
	return one(c.slice(x, start, step, size))
}

// clampSlice applies numpy's rules to one dimension of n elements.
func clampSlice(start, end, step, n int) (from, count int) {
	if start < 0 {
		start += n
	}
	if end < 0 {
		end += n
	}
	if step > 0 {
		start, end = min(max(start, 0), n), min(max(end, 0), n)
		return start, max(0, (end-start+step-1)/step)
	}
	start, end = min(max(start, -1), n-1), min(max(end, -1), n-1)
	return max(start, 0), max(0, (start-end-step-1)/-step)
}

var padModes = map[string]ir.PadMode{
	"constant": ir.PadConstant, "reflect": ir.PadReflect, "edge": ir.PadEdge, "wrap": ir.PadWrap,
}

func pad(c *ctx) []*operand {
	x := c.in[0]
	pads := c.indicesOr(1, "pads")
	value, hidden := c.float("value", 0), false
	if o := c.arg(2); o != nil {
		value = c.scalar(2, "constant_value", 0)
		hidden = x.con == nil && !c.mayPublish(o, "the padding")
	}
	mode, ok := padModes[c.str("mode", "constant")]
	if !ok {
		c.refuse("padding mode %q", c.str("mode", ""))
	}
	before, after := c.padsPerAxis(pads, c.indices(3, "axes"), len(x.shape))
	if slices.Min(append([]int{0}, slices.Concat(before, after)...)) < 0 {
		x = c.crop(x, before, after)
	}
	if slices.Max(append([]int{0}, slices.Concat(before, after)...)) == 0 {
		return one(x)
	}
	a := &ir.PadAttrs{Before: before, After: after, Value: value, Mode: mode}
	if hidden && mode == ir.PadConstant {
		return one(c.padSecretly(x, a))
	}
	return one(c.emit(ir.OpPad, a, x.dtype, x))
}

// padSecretly pads with zeros and adds the server's number there.
func (c *ctx) padSecretly(x *operand, a *ir.PadAttrs) *operand {
	inside := c.emit(ir.OpPad, &ir.PadAttrs{Before: a.Before, After: a.After, Value: 1}, x.dtype, c.expand(c.number(0, x.dtype), x.shape...))
	if inside.con == nil {
		c.refuse("padding to %v with a number that stays the server's", inside.shape)
	}
	value := a.Value
	a.Value = 0
	frame := c.foldMap(inside.con, func(outside float64) float64 { return outside * value })
	return c.add(c.emit(ir.OpPad, a, x.dtype, x), c.secret(frame))
}

// padsPerAxis spreads ONNX's [begins..., ends...] over all dimensions.
func (c *ctx) padsPerAxis(pads, axes []int, rank int) (before, after []int) {
	if axes == nil {
		axes = make([]int, rank)
		for d := range axes {
			axes[d] = d
		}
	}
	axes = c.axes(axes, rank)
	if len(pads) != 2*len(axes) {
		c.failf("pads %v for %d dimensions", pads, len(axes))
	}
	before, after = make([]int, rank), make([]int, rank)
	for i, d := range axes {
		before[d], after[d] = pads[i], pads[i+len(axes)]
		if max(before[d], after[d]) > maxElements || min(before[d], after[d]) < -maxElements {
			c.failf("pads %v are too large", pads)
		}
	}
	return before, after
}

// crop carries out negative pads and sets them to zero.
func (c *ctx) crop(x *operand, before, after []int) *operand {
	for d := range before {
		left, right := max(0, -before[d]), max(0, -after[d])
		if left+right >= x.shape[d] && left+right > 0 {
			c.failf("pads remove all of dimension %d of shape %v", d, x.shape)
		}
		x = c.part(x, d, left, x.shape[d]-left-right)
		before[d], after[d] = max(0, before[d]), max(0, after[d])
	}
	return x
}

func gather(c *ctx) []*operand {
	x := c.in[0]
	axis := c.axis(c.int("axis", 0), len(x.shape))
	if c.in[1].val != nil && c.in[1].con == nil {
		return one(c.chosen(x, axis, c.in[1]))
	}
	index := c.knownIndices(1)
	return one(c.gather(x, axis, c.indexList(index), index.Shape))
}

// chosen picks along an axis by indices that are data: a lookup in a table of the model's,
// or a product by one-hot rows. What is picked stays secret.
func (c *ctx) chosen(x *operand, axis int, ids *operand) *operand {
	if x.N() == 0 || ids.N() == 0 {
		c.refuse("a choice from shape %v by indices of shape %v, of which one is empty", x.shape, ids.shape)
	}
	rows := c.moved(x, axis, 0)
	rest := rows.shape[1:]
	var y *operand
	if x.con != nil {
		y = c.emit(ir.OpLookup, nil, x.dtype, ids, c.embedding(rows))
	} else {
		n := rows.shape[0]
		bits := c.emit(ir.OpOneHot, &ir.OneHotAttrs{Depth: n, FromEnd: true, Strict: true}, x.dtype, ids)
		y = c.emit(ir.OpMatMul, nil, x.dtype, c.reshape(bits, ids.N(), n), c.reshape(rows, n, ir.Numel(rest)))
		y = c.reshape(y, slices.Concat(ids.shape, rest)...)
	}
	k := len(ids.shape)
	perm := make([]int, 0, len(y.shape))
	for d := range axis {
		perm = append(perm, k+d)
	}
	for d := range k {
		perm = append(perm, d)
	}
	for d := k + axis; d < len(y.shape); d++ {
		perm = append(perm, d)
	}
	return c.transpose(y, perm...)
}

// embedding is an embedding table as a value: public if its owner says so.
func (c *ctx) embedding(x *operand) *operand {
	if !c.im.opts.PublishEmbedding && !x.public {
		return x
	}
	v, err := c.im.g.PublicConst(cmp.Or(x.con.Name, c.name), ir.NewReal(x.shape, x.con.Floats()))
	if err != nil {
		c.fail(innermost(err))
	}
	if c.im.opts.Published != nil && !x.public {
		c.im.opts.Published(fmt.Sprintf("the table %q of %s", v.Name, c.label()))
	}
	return &operand{name: v.Name, dtype: x.dtype, shape: x.shape, val: v}
}

// chosenEach is GatherElements by indices that are data.
func (c *ctx) chosenEach(x *operand, axis int, ids *operand) *operand {
	if len(ids.shape) != len(x.shape) {
		c.failf("indices have shape %v, data %v", ids.shape, x.shape)
	}
	n := x.shape[axis]
	for d, m := range ids.shape {
		switch {
		case d == axis:
		case m > x.shape[d]:
			c.failf("indices have shape %v, data %v", ids.shape, x.shape)
		default:
			x = c.part(x, d, 0, m)
		}
	}
	last := len(x.shape) - 1
	x = c.reshape(x, slices.Insert(slices.Clone(x.shape), axis, 1)...) // [.., 1, n, ..]
	x = c.moved(x, axis+1, last+1)
	bits := c.emit(ir.OpOneHot, &ir.OneHotAttrs{Depth: n, FromEnd: true, Strict: true}, x.dtype, ids)
	return c.sum(c.mul(bits, x), []int{last + 1}, dropDims)
}

// knownIndices insists on indices that are no data: which element is read would
// tell them to the server.
func (c *ctx) knownIndices(i int) *Tensor {
	o := c.in[i]
	if o.con != nil {
		return o.con
	}
	r := &refusal{
		reason: fmt.Sprintf("indices (%q) that depend on data", o.name), bind: o.graphInput,
		hint: "choose by a product instead: OneHot (or Equal with a range) of the indices, times the table (MatMul)",
	}
	if o.graphInput != "" {
		r.hint = "Gather takes the client's own indices, which stay secret: flatten the table to rows and the indices to their numbers"
	}
	c.fail(r)
	return nil
}

// indexList reads the elements of an index tensor of any rank.
func (c *ctx) indexList(t *Tensor) []int {
	v, err := t.Ints()
	if err != nil {
		c.failf("indices: %w", err)
	}
	if len(v) > maxIntElems {
		c.failf("%d indices are too many", len(v))
	}
	out := make([]int, len(v))
	for i, x := range v {
		out[i] = clamped(x)
	}
	return out
}

// flatPick takes elements by their row-major position.
func (c *ctx) flatPick(x *operand, at, shape []int) *operand {
	return c.gather(c.reshape(x, x.N()), 0, at, shape)
}

func gatherElements(c *ctx) []*operand {
	x := c.in[0]
	axis := c.axis(c.int("axis", 0), len(x.shape))
	if c.in[1].val != nil && c.in[1].con == nil {
		return one(c.chosenEach(x, axis, c.in[1]))
	}
	t := c.knownIndices(1)
	if len(t.Shape) != len(x.shape) {
		c.failf("indices have shape %v, data %v", t.Shape, x.shape)
	}
	for d := range t.Shape {
		if d != axis && t.Shape[d] > x.shape[d] {
			c.failf("indices have shape %v, data %v", t.Shape, x.shape)
		}
	}
	index, dense := c.indexList(t), rowMajor(x.shape)
	strides := slices.Clone(dense)
	strides[axis] = 0
	i := 0
	offsets(t.Shape, strides, 0, func(at int) {
		n := x.shape[axis]
		if index[i] < -n || index[i] >= n {
			c.failf("index %d is out of range for axis %d of shape %v", index[i], axis, x.shape)
		}
		index[i] = at + (index[i]+n)%n*dense[axis]
		i++
	})
	return one(c.flatPick(x, index, t.Shape))
}

func gatherND(c *ctx) []*operand {
	x, t, batch := c.in[0], c.knownIndices(1), c.int("batch_dims", 0)
	k := len(t.Shape) - 1
	if batch < 0 || batch > k || batch > len(x.shape) || !slices.Equal(t.Shape[:batch], x.shape[:batch]) {
		c.failf("indices of shape %v into data of shape %v, %d dimensions of both alike", t.Shape, x.shape, batch)
	}
	depth := t.Shape[k]
	if depth < 1 || depth > len(x.shape)-batch {
		c.failf("indices of shape %v into data of shape %v", t.Shape, x.shape)
	}
	coords, each := c.indexList(t), ir.Numel(t.Shape[batch:k])
	rows := make([]int, len(coords)/depth)
	for i, v := range coords {
		n, row := x.shape[batch+i%depth], i/depth
		if i%depth == 0 {
			rows[row] = row / each
		}
		rows[row] = rows[row]*n + c.wrapped(v, n)
	}
	flat := c.reshape(x, append([]int{ir.Numel(x.shape[:batch+depth])}, x.shape[batch+depth:]...)...)
	return one(c.gather(flat, 0, rows, t.Shape[:len(t.Shape)-1]))
}

func expand(c *ctx) []*operand {
	x := c.in[0]
	target := c.indices(1, "shape")
	for _, d := range target {
		if d < 0 || d > maxElements {
			c.failf("shape %v", target)
		}
	}
	shape, err := ir.Broadcast(x.shape, target)
	if err != nil {
		c.fail(err)
	}
	return one(c.expand(x, shape...))
}

func tile(c *ctx) []*operand {
	x := c.in[0]
	repeats := c.indices(1, "repeats")
	if len(repeats) != len(x.shape) {
		c.failf("repeats %v for shape %v", repeats, x.shape)
	}
	// Interleave a dimension of one before each dimension, expand it, merge.
	var split, grown, merged []int
	for d, r := range repeats {
		if r < 0 || r > maxElements || x.shape[d] > 0 && r > maxElements/x.shape[d] {
			c.failf("repeats %v", repeats)
		}
		merged = append(merged, r*x.shape[d])
	}
	if _, err := numel(merged); err != nil {
		c.fail(err)
	}
	if len(x.shape) <= ir.MaxRank/2 {
		for d, r := range repeats {
			split, grown = append(split, 1, x.shape[d]), append(grown, r, x.shape[d])
		}
		return one(c.reshape(c.expand(c.reshape(x, split...), grown...), merged...))
	}
	for d, r := range repeats {
		if merged[d] > maxIntElems {
			c.failf("repeats %v", repeats)
		}
		index := make([]int, 0, merged[d])
		for range r {
			for i := range x.shape[d] {
				index = append(index, i)
			}
		}
		if r != 1 {
			x = c.gather(x, d, index, []int{len(index)})
		}
	}
	return one(x)
}

func (c *ctx) blockSize() (x *operand, block int) {
	x, block = c.in[0], c.int("blocksize", 0)
	c.rankOf(x, 4, 4)
	if block < 1 {
		c.failf("blocksize %d", block)
	}
	return x, block
}

func depthToSpace(c *ctx) []*operand {
	x, b := c.blockSize()
	n, ch, h, w := x.shape[0], x.shape[1], x.shape[2], x.shape[3]
	if ch%(b*b) != 0 {
		c.failf("%d channels in blocks of %d", ch, b)
	}
	switch mode := c.str("mode", "DCR"); mode {
	case "DCR":
		x = c.transpose(c.reshape(x, n, b, b, ch/(b*b), h, w), 0, 3, 4, 1, 5, 2)
	case "CRD":
		x = c.transpose(c.reshape(x, n, ch/(b*b), b, b, h, w), 0, 1, 4, 2, 5, 3)
	default:
		c.failf("mode %q", mode)
	}
	return one(c.reshape(x, n, ch/(b*b), h*b, w*b))
}

func spaceToDepth(c *ctx) []*operand {
	x, b := c.blockSize()
	n, ch, h, w := x.shape[0], x.shape[1], x.shape[2], x.shape[3]
	if h%b != 0 || w%b != 0 {
		c.failf("shape %v in blocks of %d", x.shape, b)
	}
	x = c.transpose(c.reshape(x, n, ch, h/b, b, w/b, b), 0, 3, 5, 1, 2, 4)
	return one(c.reshape(x, n, ch*b*b, h/b, w/b))
}
