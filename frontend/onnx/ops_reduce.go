package onnx

import (
	"math"
	"slices"

	"secc.example/secc/ir"
)

// reduceOps combine elements along axes.
var reduceOps = map[string]opRow{
	"ReduceSum":       reduceRow(func(c *ctx, x *operand, axes []int, keep bool) *operand { return c.sum(x, axes, keep) }),
	"ReduceMean":      reduceRow(reduceMean),
	"ReduceMax":       reduceRow(reduceMax),
	"ReduceMin":       reduceRow(reduceMin),
	"ReduceSumSquare": reduceRow(func(c *ctx, x *operand, axes []int, keep bool) *operand { return c.sum(c.mul(x, x), axes, keep) }),
	"ReduceL1":        reduceRow(func(c *ctx, x *operand, axes []int, keep bool) *operand { return c.sum(c.abs(x), axes, keep) }),
	"ReduceL2": reduceRow(func(c *ctx, x *operand, axes []int, keep bool) *operand {
		return c.fn(c.sum(c.mul(x, x), axes, keep), "sqrt")
	}),
	"ReduceLogSum": reduceRow(func(c *ctx, x *operand, axes []int, keep bool) *operand {
		return c.fn(c.sum(x, axes, keep), "log")
	}),
	"ReduceLogSumExp": reduceRow(logSumExp),
	"ReduceProd":      reduceRow(reduceProd),
	"ArgMax":          {min: 1, max: 1, build: argMax(false)},
	"ArgMin":          {min: 1, max: 1, build: argMax(true)},
	"Softmax":         {min: 1, max: 1, build: softmax(ir.OpSoftmax)},
	"LogSoftmax":      {min: 1, max: 1, build: softmax(ir.OpLogSoftmax)},
}

// reduceRow reads axes (an attribute first, an input later) and keepdims.
func reduceRow(f func(c *ctx, x *operand, axes []int, keep bool) *operand) opRow {
	return opRow{min: 1, max: 2, build: func(c *ctx) []*operand {
		x := c.in[0]
		list := c.indicesOr(1, "axes")
		if len(list) == 0 {
			if c.flag("noop_with_empty_axes", false) {
				return one(f(c, x, nil, true))
			}
			list = nil
			for d := range x.shape {
				list = append(list, d)
			}
		}
		axes := c.axes(list, len(x.shape))
		slices.Sort(axes)
		return one(f(c, x, axes, c.flag("keepdims", true)))
	}}
}

func (c *ctx) abs(x *operand) *operand {
	if x.con != nil {
		return c.known(c.foldMap(x.con, math.Abs), x)
	}
	return c.emit(ir.OpAbs, nil, x.dtype, x)
}

// reduceMean over exactly the spatial axes is a global average pool, for which
// the compiler moves the division into neighbouring weights.
func reduceMean(c *ctx, x *operand, axes []int, keep bool) *operand {
	if x.con == nil && !x.dtype.IsFloat() {
		c.refuse("the mean of %v data", x.dtype)
	}
	if x.con != nil || len(x.shape) < 3 || !slices.Equal(axes, spatialAxes(x)) {
		return c.mean(x, axes, keep)
	}
	y := c.poolAll(ir.OpAvgPool, x)
	if !keep {
		y = c.reshape(y, x.shape[:2]...)
	}
	return y
}

func reduceMax(c *ctx, x *operand, axes []int, keep bool) *operand {
	if len(axes) == 0 {
		return x
	}
	if x.con != nil {
		return c.known(c.foldReduce(x.con, axes, keep, math.Inf(-1), math.Max), x)
	}
	return c.emit(ir.OpReduceMax, &ir.ReduceAttrs{Axes: axes, Keep: keep}, x.dtype, x)
}

func reduceMin(c *ctx, x *operand, axes []int, keep bool) *operand {
	if x.con != nil && len(axes) > 0 {
		return c.known(c.foldReduce(x.con, axes, keep, math.Inf(1), math.Min), x)
	}
	return c.neg(reduceMax(c, c.neg(x), axes, keep))
}

func reduceProd(c *ctx, x *operand, axes []int, keep bool) *operand {
	if x.con != nil {
		return c.known(c.foldReduce(x.con, axes, keep, 1, func(a, v float64) float64 { return a * v }), x)
	}
	out := x
	for _, axis := range axes {
		for n := out.shape[axis]; n > 1; n = out.shape[axis] { // one half times the other
			y := c.mul(c.part(out, axis, 0, n/2), c.part(out, axis, n/2, n/2))
			if n%2 == 1 {
				y = c.concat(axis, y, c.part(out, axis, n-1, 1))
			}
			out = y
		}
	}
	if !keep {
		out = c.reshape(out, dropAxes(x.shape, axes)...)
	}
	return out
}

// logSumExp subtracts the largest element first, so that exp stays below one.
func logSumExp(c *ctx, x *operand, axes []int, keep bool) *operand {
	if len(axes) == 0 {
		return x
	}
	top := reduceMax(c, x, axes, keepDims)
	y := c.add(c.fn(c.sum(c.fn(c.sub(x, top), "exp"), axes, keepDims), "log"), top)
	if !keep {
		y = c.reshape(y, dropAxes(x.shape, axes)...)
	}
	return y
}

func argMax(smallest bool) func(*ctx) []*operand {
	return func(c *ctx) []*operand {
		x := c.in[0]
		axis := c.axis(c.int("axis", 0), len(x.shape))
		if smallest {
			x = c.neg(x)
		}
		a := &ir.ReduceAttrs{Axes: []int{axis}, Keep: c.flag("keepdims", true)}
		if !c.flag("select_last_index", false) {
			return one(c.emit(ir.OpArgMax, a, Int64, x))
		}
		// The last of equal elements is the first one from behind.
		y := c.emit(ir.OpArgMax, a, Int64, c.reverse(x, axis))
		return one(c.fn(y, "affine", -1, float64(x.shape[axis]-1)))
	}
}

// reverse turns one axis round.
func (c *ctx) reverse(x *operand, axis int) *operand {
	start, step := make([]int, len(x.shape)), slices.Repeat([]int{1}, len(x.shape))
	start[axis], step[axis] = x.shape[axis]-1, -1
	return c.slice(x, start, step, slices.Clone(x.shape))
}

// softmax had a default axis of 1 and joined all dimensions from it on before opset 13.
func softmax(op ir.Op) func(*ctx) []*operand {
	return func(c *ctx) []*operand {
		x := c.in[0]
		c.realOnly(x)
		if c.opset >= 13 {
			return one(c.emit(op, &ir.AxisAttrs{Axis: c.axis(c.int("axis", -1), len(x.shape))}, x.dtype, x))
		}
		axis := c.axisOrEnd(c.int("axis", 1), len(x.shape))
		if axis == len(x.shape)-1 {
			return one(c.emit(op, &ir.AxisAttrs{Axis: axis}, x.dtype, x))
		}
		flat := c.reshape(x, ir.Numel(x.shape[:axis]), ir.Numel(x.shape[axis:]))
		return one(c.reshape(c.emit(op, &ir.AxisAttrs{Axis: 1}, x.dtype, flat), x.shape...))
	}
}
