package onnx

import (
	"slices"

	"secc.example/secc/ir"
)

// scatterOps write updates into a tensor at places that are known: elements of
// the one or the other are chosen, which is free on shares.
var scatterOps = map[string]opRow{
	"Scatter":         {min: 3, max: 3, build: scatterElements},
	"ScatterElements": {min: 3, max: 3, build: scatterElements},
	"ScatterND":       {min: 3, max: 3, build: scatterND},
}

// places reads constant indices, or says what does the same for computed ones.
func (c *ctx) places(i int) *Tensor {
	o := c.in[i]
	if o.con != nil {
		return o.con
	}
	c.fail(&refusal{
		reason: "places (\"" + o.name + "\") that depend on data", bind: o.graphInput,
		hint: "export with constant indices, or choose with a mask: Where(Equal(places, range), updates, data)",
	})
	return nil
}

func scatterElements(c *ctx) []*operand {
	x, t, updates := c.in[0], c.places(1), c.in[2]
	axis := c.axis(c.int("axis", 0), len(x.shape))
	if len(t.Shape) != len(x.shape) || !slices.Equal(t.Shape, updates.shape) {
		c.failf("indices %v and updates %v for data %v", t.Shape, updates.shape, x.shape)
	}
	for d, n := range t.Shape {
		if d != axis && n > x.shape[d] {
			c.failf("indices %v for data %v", t.Shape, x.shape)
		}
	}
	index, dense := c.indexList(t), rowMajor(x.shape)
	strides := slices.Clone(dense)
	strides[axis] = 0
	i := 0
	offsets(t.Shape, strides, 0, func(at int) {
		index[i] = at + c.wrapped(index[i], x.shape[axis])*dense[axis]
		i++
	})
	return one(c.scatter(x, updates, index, 1))
}

func scatterND(c *ctx) []*operand {
	x, t, updates := c.in[0], c.places(1), c.in[2]
	if len(t.Shape) == 0 {
		c.failf("indices are one number")
	}
	depth := t.Shape[len(t.Shape)-1]
	if depth < 1 || depth > len(x.shape) || !slices.Equal(updates.shape, slices.Concat(t.Shape[:len(t.Shape)-1], x.shape[depth:])) {
		c.failf("indices %v and updates %v for data %v", t.Shape, updates.shape, x.shape)
	}
	coords := c.indexList(t)
	rows := make([]int, len(coords)/depth)
	for i, v := range coords {
		n := x.shape[i%depth]
		rows[i/depth] = rows[i/depth]*n + c.wrapped(v, n)
	}
	return one(c.scatter(x, updates, rows, ir.Numel(x.shape[depth:])))
}

// wrapped is an index counted from the end where it is negative.
func (c *ctx) wrapped(i, n int) int {
	if i < -n || i >= n {
		c.failf("index %d is out of range for a dimension of %d", i, n)
	}
	return (i + n) % n
}

// scatter writes rows of width elements of updates over those of x. Updates of one
// place are taken in order: the last one stays, or all are combined.
func (c *ctx) scatter(x, updates *operand, rows []int, width int) *operand {
	if width == 0 || len(rows) == 0 || x.N() == 0 {
		return x
	}
	if x.dtype.IsFloat() != updates.dtype.IsFloat() {
		c.failf("data of type %v, updates of type %v", x.dtype, updates.dtype)
	}
	how := c.str("reduction", "none")
	n := x.N() / width
	flat, new := c.reshape(x, n, width), c.reshape(updates, len(rows), width)
	if how == "none" {
		index := make([]int, n)
		for i := range index {
			index[i] = i
		}
		for i, row := range rows {
			index[row] = n + i
		}
		return c.reshape(c.gather(c.concat(0, flat, new), 0, index, []int{n}), x.shape...)
	}
	combine, neutral := c.reduction(how)
	for left := rows; left != nil; {
		var index, rest []int
		index, rest = c.round(left, n)
		if neutral == keepPlace { // of a maximum there is no neutral number: it is the place's own
			flat = combine(flat, c.gather(c.concat(0, new, flat), 0, ownWhereNone(index, len(rows)), []int{n}))
		} else {
			pad := c.expand(c.number(neutral, x.dtype), 1, width)
			flat = combine(flat, c.gather(c.concat(0, new, pad), 0, index, []int{n}))
		}
		left = rest
	}
	return c.reshape(flat, x.shape...)
}

const keepPlace = -1

// reduction gives an operator and what it leaves a place as it is with.
func (c *ctx) reduction(how string) (combine func(a, b *operand) *operand, neutral float64) {
	switch how {
	case "add":
		return c.add, 0
	case "mul":
		return c.mul, 1
	case "max":
		return func(a, b *operand) *operand { return c.binary(ir.OpMax, a, b) }, keepPlace
	case "min":
		return func(a, b *operand) *operand { return c.binary(ir.OpMin, a, b) }, keepPlace
	}
	c.failf("reduction %q", how)
	return nil, 0
}

// round takes the first update of every place: which one it is for each of n
// places (len(rows) for none). The rest stay for the next round; places that were
// taken are -1 in it.
func (c *ctx) round(rows []int, n int) (index, rest []int) {
	index = slices.Repeat([]int{len(rows)}, n)
	more := false
	rest = slices.Repeat([]int{-1}, len(rows))
	for i, row := range rows {
		switch {
		case row < 0:
		case index[row] == len(rows):
			index[row] = i
		default:
			rest[i], more = row, true
		}
	}
	if !more {
		return index, nil
	}
	return index, rest
}

// ownWhereNone lets a place without an update take its own element, which stands
// behind the n updates.
func ownWhereNone(index []int, n int) []int {
	out := slices.Clone(index)
	for i, at := range out {
		if at == n {
			out[i] = n + i
		}
	}
	return out
}
