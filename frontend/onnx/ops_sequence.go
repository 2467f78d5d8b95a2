package onnx

import "slices"

// sequenceOps handle lists of tensors whose length is known at compile time: there
// is nothing left of them in the graph.
var sequenceOps = map[string]opRow{
	"SequenceEmpty":      {min: 0, max: 0, build: func(c *ctx) []*operand { return one(c.sequence()) }},
	"SequenceConstruct":  {min: 1, max: many, build: func(c *ctx) []*operand { return one(c.sequence(c.in...)) }},
	"SequenceInsert":     {min: 2, max: 3, build: sequenceInsert, sequences: true},
	"SequenceErase":      {min: 1, max: 2, build: sequenceErase, sequences: true},
	"SequenceAt":         {min: 2, max: 2, build: sequenceAt, sequences: true},
	"SequenceLength":     {min: 1, max: 1, build: sequenceLength, sequences: true},
	"ConcatFromSequence": {min: 1, max: 1, build: concatFromSequence, sequences: true},
	"SplitToSequence":    {min: 1, max: 2, build: splitToSequence},
	"Optional":           {min: 0, max: 1, build: optional, sequences: true},
	"OptionalHasElement": {min: 0, max: 1, build: optionalHas, sequences: true},
	"OptionalGetElement": {min: 1, max: 1, build: optionalGet, sequences: true},
}

// sequence is a list of tensors.
type sequence struct{ items []*operand }

func (c *ctx) sequence(items ...*operand) *operand {
	return &operand{name: c.name, seq: &sequence{items}}
}

// items is the list that an input stands for.
func (c *ctx) items(i int) []*operand {
	if c.in[i] == nil || c.in[i].seq == nil {
		c.failf("input %q is no sequence", c.in[i].name)
	}
	return c.in[i].seq.items
}

// position reads an index into n elements; missing where it is left out.
func (c *ctx) position(i, n, missing int) int {
	at := int(c.scalar(i, "the position", float64(missing)))
	if at < 0 {
		at += n
	}
	if at < 0 || at > n {
		c.failf("position %d of a sequence of %d", at, n)
	}
	return at
}

// optional holds what it is given, or nothing: it is known which.
func optional(c *ctx) []*operand {
	if o := c.arg(0); o != nil {
		return one(o)
	}
	return one(&operand{name: c.name, nothing: true})
}

func optionalHas(c *ctx) []*operand {
	o := c.arg(0)
	return one(c.known(&Tensor{DType: Bool, Shape: []int{}, I: []int64{truth(o != nil && !o.nothing)}}))
}

func optionalGet(c *ctx) []*operand {
	if c.in[0].nothing {
		c.failf("optional %q holds nothing", c.in[0].name)
	}
	return one(c.in[0])
}

func sequenceInsert(c *ctx) []*operand {
	list := c.items(0)
	if c.in[1].seq != nil {
		c.failf("a sequence in a sequence")
	}
	return one(c.sequence(slices.Insert(slices.Clone(list), c.position(2, len(list), len(list)), c.in[1])...))
}

// element is a position at which there is a tensor.
func (c *ctx) element(list []*operand, missing int) int {
	at := c.position(1, len(list), missing)
	if at >= len(list) {
		c.failf("position %d of a sequence of %d", at, len(list))
	}
	return at
}

func sequenceErase(c *ctx) []*operand {
	list := c.items(0)
	at := c.element(list, len(list)-1)
	return one(c.sequence(slices.Delete(slices.Clone(list), at, at+1)...))
}

func sequenceAt(c *ctx) []*operand {
	list := c.items(0)
	return one(list[c.element(list, 0)])
}

func sequenceLength(c *ctx) []*operand {
	return one(c.intConst([]int{}, []int64{int64(len(c.items(0)))}))
}

func concatFromSequence(c *ctx) []*operand {
	list, axis := c.items(0), c.int("axis", 0)
	if len(list) == 0 {
		c.refuse("all inputs are empty")
	}
	if c.flag("new_axis", false) {
		return one(c.stack(list, axis))
	}
	return one(c.concat(c.axis(axis, len(list[0].shape)), list...))
}

func splitToSequence(c *ctx) []*operand {
	x := c.in[0]
	axis := c.axis(c.int("axis", 0), len(x.shape))
	n := x.shape[axis]
	if n > maxIterations {
		c.refuse("a sequence of %d", n)
	}
	sizes := c.indices(1, "the sizes")
	if c.arg(1) == nil || len(c.in[1].shape) == 0 { // pieces of one size, the last one may be shorter
		size := int(c.scalar(1, "the size", 1))
		if size < 1 {
			c.failf("size %d", size)
		}
		sizes = nil
		for at := 0; at < n; at += size {
			sizes = append(sizes, min(size, n-at))
		}
	}
	var list []*operand
	at := 0
	for _, size := range sizes {
		if size < 0 || size > n-at {
			c.failf("sizes %v of %d", sizes, n)
		}
		piece := c.part(x, axis, at, size)
		if c.arg(1) == nil && !c.flag("keepdims", true) {
			piece = c.reshape(piece, dropAxes(x.shape, []int{axis})...)
		}
		list, at = append(list, piece), at+size
	}
	if at != n {
		c.failf("sizes %v of %d", sizes, n)
	}
	return one(c.sequence(list...))
}
