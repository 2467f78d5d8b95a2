package onnx

import (
	"cmp"
	"math"
	"slices"

	"secc.example/secc/ir"
)

// selectOps sort, count and pick. On data they become comparisons: what is picked
// stays secret.
var selectOps = map[string]opRow{
	"OneHot":          {min: 3, max: 3, build: oneHot},
	"Hardmax":         {min: 1, max: 1, build: hardmax},
	"TopK":            {min: 1, max: 2, build: topK},
	"CumSum":          {min: 2, max: 2, build: cumSum},
	"Compress":        {min: 2, max: 2, build: compress},
	"ReverseSequence": {min: 2, max: 2, build: reverseSequence},
	"EyeLike":         {min: 1, max: 1, build: eyeLike},
	"IsInf":           {min: 1, max: 1, build: isInf},
	"BitShift":        {min: 2, max: 2, build: bitShift},
	"BitwiseAnd":      bitwise(func(a, b int64) int64 { return a & b }),
	"BitwiseOr":       bitwise(func(a, b int64) int64 { return a | b }),
	"BitwiseXor":      bitwise(func(a, b int64) int64 { return a ^ b }),
}

// oneHot sets a row of depth numbers for every index.
func oneHot(c *ctx) []*operand {
	x := c.in[0]
	depth := int(c.scalar(1, "depth", 0))
	if depth < 1 || depth > maxIntElems/max(1, x.N()) {
		c.failf("depth %d for shape %v", depth, x.shape)
	}
	values := c.in[2]
	if values.N() != 2 {
		c.failf("values have shape %v, want two", values.shape)
	}
	axis := c.axis(c.int("axis", -1), len(x.shape)+1)
	shape := slices.Concat(x.shape[:axis], []int{depth}, x.shape[axis:])
	var bits *operand
	if x.con != nil {
		bits = c.known(c.foldOneHot(x.con, axis, shape), x)
	} else {
		bits = c.hits(x, axis, depth)
	}
	bits = c.typed(bits, values.dtype)
	values = c.reshape(values, 2)
	off, on := c.reshape(c.part(values, 0, 0, 1)), c.reshape(c.part(values, 0, 1, 1))
	if c.is(off, 0, "a value") && c.is(on, 1, "a value") {
		return one(bits)
	}
	return one(c.add(c.mul(bits, c.sub(on, off)), off))
}

// hits makes indices one-hot along a new axis. Negative ones count from the end.
func (c *ctx) hits(x *operand, axis, depth int) *operand {
	a := &ir.OneHotAttrs{Depth: depth, FromEnd: !c.neverNegative(x)}
	return c.moved(c.emit(ir.OpOneHot, a, x.dtype, x), len(x.shape), axis)
}

// moved puts a dimension in another place among the others.
func (c *ctx) moved(x *operand, from, to int) *operand {
	perm := make([]int, 0, len(x.shape))
	for d := range x.shape {
		if d != from {
			perm = append(perm, d)
		}
	}
	return c.transpose(x, slices.Insert(perm, to, from)...)
}

// equals compares whole numbers, alone along an axis, with n numbers from first on.
// Each is the difference of two comparisons half a unit away, which neighbours
// share: a rounding in fixed point does not matter.
func (c *ctx) equals(x *operand, axis, first, n int) *operand {
	at := &Tensor{DType: Float, Shape: slices.Concat([]int{n + 1}, slices.Repeat([]int{1}, len(x.shape)-axis-1))}
	for i := range n + 1 {
		at.F = append(at.F, float32(first+i)-0.5)
	}
	from := c.fn(c.sub(c.typed(x, Float), c.known(at)), "step")
	return c.typed(c.sub(c.part(from, axis, 0, n), c.part(from, axis, 1, n)), x.dtype)
}

// neverNegative reports the result of an arg-max and unsigned types.
func (c *ctx) neverNegative(x *operand) bool {
	if x.dtype.IsInt() {
		if low, _ := x.dtype.intRange(); low == 0 {
			return true
		}
	}
	v := x.val
	for v != nil && (v.Op == ir.OpReshape || v.Op == ir.OpTranspose || v.Op == ir.OpExpand || v.Op == ir.OpSlice) {
		v = v.Args[0]
	}
	return v != nil && v.Op == ir.OpArgMax
}

func (c *ctx) foldOneHot(t *Tensor, axis int, shape []int) *Tensor {
	out, depth, inner := c.fresh(Bool, shape), shape[axis], ir.Numel(shape[axis+1:])
	for i := range t.N() {
		k := int(t.at(i))
		if k < 0 {
			k += depth
		}
		if k >= 0 && k < depth {
			out.I[(i/inner*depth+k)*inner+i%inner] = 1
		}
	}
	return out
}

// hardmax is one at the first of the largest elements of a row. Before opset 13
// all dimensions from the axis on were one row.
func hardmax(c *ctx) []*operand {
	x := c.in[0]
	c.realOnly(x)
	axis := c.axis(c.int("axis", -1), len(x.shape))
	if c.opset < 13 {
		axis = c.axis(c.int("axis", 1), len(x.shape))
		flat := c.reshape(x, ir.Numel(x.shape[:axis]), ir.Numel(x.shape[axis:]))
		return one(c.reshape(c.largest(flat, 1), x.shape...))
	}
	return one(c.largest(x, axis))
}

func (c *ctx) largest(x *operand, axis int) *operand {
	best := c.emit(ir.OpArgMax, &ir.ReduceAttrs{Axes: []int{axis}}, Int64, x)
	if best.con != nil {
		return c.typed(c.known(c.foldOneHot(best.con, axis, x.shape), best), x.dtype)
	}
	return c.typed(c.hits(best, axis, x.shape[axis]), x.dtype)
}

// maxRanked bounds the comparisons of a sort.
const maxRanked = 1 << 21

// topK finds the rank of every element by comparing all pairs; the k-th of a row is
// the sum of its elements, each times whether it has that rank.
func topK(c *ctx) []*operand {
	x := c.in[0]
	k := c.int("k", -1)
	if c.opset >= 10 {
		k = int(c.scalar(1, "K", -1))
	}
	axis := c.axis(c.int("axis", -1), len(x.shape))
	n := x.shape[axis]
	if k < 0 || k > n {
		c.failf("the %d largest of %d", k, n)
	}
	largest := c.opset < 11 || c.flag("largest", true)
	if x.con != nil {
		values, index := c.foldTopK(x.con, axis, k, largest)
		return []*operand{c.known(values, x), c.known(index, x)}
	}
	if k == 0 {
		shape := slices.Clone(x.shape)
		shape[axis] = 0
		return []*operand{c.known(emptyTensor(x.dtype, shape)), c.known(emptyTensor(Int64, shape))}
	}
	sign := 1.0
	if !largest {
		sign, x = -1, c.neg(x)
	}
	var values, index *operand
	if k == 1 {
		values = reduceMax(c, x, []int{axis}, keepDims)
		index = c.emit(ir.OpArgMax, &ir.ReduceAttrs{Axes: []int{axis}, Keep: true}, Int64, x)
	} else {
		values, index = c.ranked(x, axis, k)
	}
	if sign < 0 {
		values = c.neg(values)
	}
	return []*operand{values, index}
}

// ranked gives the k largest elements along an axis and where they stand.
func (c *ctx) ranked(x *operand, axis, k int) (values, index *operand) {
	n := x.shape[axis]
	if n > maxRanked/max(1, x.N()) {
		c.fail(refuseHint("take the scores as the output and compile with --reveal topk:K, which finds the K largest on shares",
			"the %d largest of %d by comparing all pairs of %v", k, n, x.shape))
	}
	perm := swap(len(x.shape), axis, len(x.shape)-1)
	rows := c.transpose(x, perm...)
	outer := slices.Clone(rows.shape[:len(rows.shape)-1])
	flat := c.reshape(rows, ir.Numel(outer), n)
	beaten := c.beaten(flat, n)                                         // how many stand before each
	here := c.equals(c.reshape(beaten, beaten.shape[0], 1, n), 1, 0, k) // [rows, k, n]
	pick := func(o *operand) *operand {
		return c.sum(c.mul(c.typed(here, o.dtype), o), []int{2}, dropDims)
	}
	back := func(o *operand) *operand {
		return c.transpose(c.reshape(o, slices.Concat(outer, []int{k})...), perm...)
	}
	numbers := make([]int64, n)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	return back(pick(c.reshape(flat, flat.shape[0], 1, n))), back(c.typed(pick(c.typed(c.intConst([]int{1, n}, numbers), x.dtype)), Int64))
}

// beaten counts for every element of a row those before it in the order: the
// larger ones, and of equal ones the earlier.
func (c *ctx) beaten(x *operand, n int) *operand {
	var first, second []int // all pairs i < j
	for i := range n {
		for j := i + 1; j < n; j++ {
			first, second = append(first, i), append(second, j)
		}
	}
	pairs := len(first)
	// One where the earlier element stands before the later one.
	wins := c.fn(c.sub(c.gather(x, 1, first, []int{pairs}), c.gather(x, 1, second, []int{pairs})), "step")
	// Of a pair, the later one is beaten if the earlier wins, else the earlier.
	all := c.concat(1, wins, c.sub(c.number(1, x.dtype), wins))
	index := make([]int, 0, n*(n-1))
	for i := range n {
		for p := range pairs {
			switch i {
			case second[p]:
				index = append(index, p)
			case first[p]:
				index = append(index, pairs+p)
			}
		}
	}
	return c.sum(c.gather(all, 1, index, []int{n, n - 1}), []int{2}, dropDims)
}

func (c *ctx) foldTopK(t *Tensor, axis, k int, largest bool) (values, index *Tensor) {
	shape := slices.Clone(t.Shape)
	shape[axis] = k
	values, index = c.fresh(t.DType, shape), c.fresh(Int64, shape)
	n, inner := t.Shape[axis], ir.Numel(t.Shape[axis+1:])
	order := make([]int, n)
	for o := range ir.Numel(t.Shape[:axis]) {
		for i := range inner {
			for j := range order {
				order[j] = j
			}
			at := func(j int) float64 { return t.at((o*n+j)*inner + i) }
			slices.SortStableFunc(order, func(a, b int) int {
				if largest {
					a, b = b, a
				}
				return cmp.Compare(at(a), at(b))
			})
			for j := range k {
				to := (o*k+j)*inner + i
				values.block(to, t, (o*n+order[j])*inner+i, 1)
				index.I[to] = int64(order[j])
			}
		}
	}
	return values, index
}

// cumSum adds what stands 1, 2, 4, ... places before: sums are free on shares.
func cumSum(c *ctx) []*operand {
	x := c.in[0]
	axis := c.axis(int(c.scalar(1, "axis", 0)), len(x.shape))
	n := x.shape[axis]
	if c.flag("reverse", false) {
		x = c.reverse(x, axis)
	}
	if c.flag("exclusive", false) && n > 0 {
		x = c.behind(x, axis, 1)
	}
	for by := 1; by < n; by *= 2 {
		x = c.add(x, c.behind(x, axis, by))
	}
	if c.flag("reverse", false) {
		x = c.reverse(x, axis)
	}
	return one(x)
}

// behind moves elements along an axis; zeros follow.
func (c *ctx) behind(x *operand, axis, by int) *operand {
	before, after := make([]int, len(x.shape)), make([]int, len(x.shape))
	before[axis] = by
	return c.emit(ir.OpPad, &ir.PadAttrs{Before: before, After: after}, x.dtype, c.part(x, axis, 0, x.shape[axis]-by))
}

// compress keeps what a known condition says.
func compress(c *ctx) []*operand {
	x, axis := c.in[0], 0
	if c.has("axis") {
		axis = c.axis(c.int("axis", 0), len(x.shape))
	} else {
		x = c.reshape(x, x.N())
	}
	keep := c.in[1]
	if keep.con == nil {
		c.fail(&refusal{reason: dataShaped, hint: "multiply by the condition instead: what is left out becomes zero", bind: keep.graphInput})
	}
	var index []int
	for i := range min(keep.N(), x.shape[axis]) {
		if keep.con.at(i) != 0 {
			index = append(index, i)
		}
	}
	return one(c.gather(x, axis, index, []int{len(index)}))
}

// reverseSequence turns the first elements of every sequence round.
func reverseSequence(c *ctx) []*operand {
	x := c.in[0]
	c.rankOf(x, 2, maxRank)
	batch, time := c.int("batch_axis", 1), c.int("time_axis", 0)
	if batch+time != 1 || batch*time != 0 {
		c.failf("axes %d and %d", batch, time)
	}
	lens := c.indices(1, "sequence_lens")
	rows, steps := x.shape[batch], x.shape[time]
	if len(lens) != rows {
		c.failf("%d lengths for %d sequences", len(lens), rows)
	}
	if time == 0 {
		x = c.transpose(x, swap(len(x.shape), 0, 1)...)
	}
	index := make([]int, 0, rows*steps)
	for r, n := range lens {
		if n < 0 || n > steps {
			c.failf("length %d of %d", n, steps)
		}
		for t := range steps {
			if t < n {
				t = n - 1 - t
			}
			index = append(index, r*steps+t)
		}
	}
	y := c.gather(c.reshape(x, slices.Concat([]int{rows * steps}, x.shape[2:])...), 0, index, []int{rows, steps})
	if time == 0 {
		y = c.transpose(y, swap(len(y.shape), 0, 1)...)
	}
	return one(y)
}

func eyeLike(c *ctx) []*operand {
	x := c.in[0]
	c.rankOf(x, 2, 2)
	d := DType(c.int("dtype", int(x.dtype)))
	bits := c.fresh(Bool, x.shape)
	for i := range bits.I {
		bits.I[i] = truth(i%x.shape[1] == i/x.shape[1]+c.int("k", 0))
	}
	return one(c.cast(c.known(bits), d))
}

// isInf is known of constants; data is finite.
func isInf(c *ctx) []*operand {
	x := c.in[0]
	out := c.fresh(Bool, x.shape)
	low, high := c.flag("detect_negative", true), c.flag("detect_positive", true)
	if x.con != nil {
		for i := range out.I {
			v := x.con.at(i)
			out.I[i] = truth(low && math.IsInf(v, -1) || high && math.IsInf(v, 1))
		}
		return one(c.known(out, x))
	}
	return one(c.known(out))
}

// bitwise is for shape arithmetic only.
func bitwise(f func(a, b int64) int64) opRow {
	return opRow{min: 2, max: 2, build: func(c *ctx) []*operand {
		if !constants(c.in...) {
			c.refuse("bits of data")
		}
		return one(c.known(c.zip(binaryFold{int: f}, c.in[0].con, c.in[1].con), c.in...))
	}}
}

func bitShift(c *ctx) []*operand {
	left := c.str("direction", "") == "LEFT"
	return bitwise(func(a, b int64) int64 {
		switch {
		case b < 0 || b > 63:
			return 0
		case left:
			return a << b
		}
		return int64(uint64(a) >> b)
	}).build(c)
}
