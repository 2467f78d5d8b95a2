package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"secc.example/secc/ir"
)

// Primitives: what importer functions are written in. Each folds when all its
// operands are constants and appends an ir value otherwise, so that constant
// folding needs no second definition of any ONNX operator.

// newInput appends a graph input, or says that the shape is not for us.
func newInput(g *ir.Graph, name string, shape []int) (*ir.Value, error) {
	if n, err := numel(shape); err != nil || n == 0 {
		return nil, err
	}
	v, err := g.Input(name, shape)
	return v, innermost(err)
}

// innermost strips the "ir: %7 ..." an ir error starts with; ours name the node.
func innermost(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// materialised is the key under which a constant's ir value is kept.
type materialised struct {
	t      *Tensor
	public bool
}

// materialise gives the ir value of an operand. Only single numbers that follow
// from the architecture become public; everything larger stays the server's.
func (im *importer) materialise(o *operand, name string) (*ir.Value, error) {
	if o.val != nil {
		return o.val, nil
	}
	if o.quant != nil {
		return nil, refuse("quantised tensor %q is used without DequantizeLinear", o.name)
	}
	if o.seq != nil {
		return nil, refuseHint(hints[sequences], "%q is a sequence", o.name)
	}
	if o.pool != nil || o.why != "" {
		return nil, indicesRefusal(o)
	}
	if o.con == nil {
		return nil, errBlind
	}
	key := materialised{o.con, o.public && o.N() == 1}
	if v := im.consts[key]; v != nil {
		return v, nil
	}
	if o.N() == 0 {
		return nil, refuse("tensor %q of shape %v is empty", o.name, o.shape)
	}
	add := im.g.Const
	if key.public {
		add = im.g.PublicConst
	}
	if o.con.Name != "" {
		name = o.con.Name
	}
	v, err := add(name, ir.NewReal(o.shape, o.con.Floats()))
	if err != nil {
		return nil, innermost(err)
	}
	im.consts[key] = v
	return v, nil
}

func (c *ctx) value(o *operand) *ir.Value {
	v, err := c.im.materialise(o, c.name)
	if err != nil {
		c.fail(err)
	}
	return v
}

// emit appends an ir value named after the node, or computes it if all it is made
// from is constant.
func (c *ctx) emit(op ir.Op, attrs any, d DType, args ...*operand) *operand {
	if constants(args...) {
		if t := c.evaluated(op, attrs, d, args); t != nil {
			return c.known(t, args...)
		}
	}
	vals := make([]*ir.Value, len(args))
	for i, a := range args {
		vals[i] = c.value(a)
	}
	v, err := c.im.g.New(op, c.name, attrs, vals...)
	if err != nil {
		c.fail(innermost(err))
	}
	if _, err := numel(v.Type.Shape); err != nil {
		c.fail(err)
	}
	return &operand{name: c.name, dtype: d, shape: v.Type.Shape, val: v}
}

// known wraps a folded tensor; it is as public as all it was made from.
func (c *ctx) known(t *Tensor, from ...*operand) *operand {
	o := &operand{name: c.name, dtype: t.DType, shape: t.Shape, con: t, public: true}
	for _, f := range from {
		o.public = o.public && f.public
	}
	return o
}

func constants(list ...*operand) bool {
	for _, o := range list {
		if o.con == nil {
			return false
		}
	}
	return true
}

// number is a public scalar, in the element type of like.
func (c *ctx) number(x float64, like DType) *operand {
	t := &Tensor{DType: like, Shape: []int{}}
	if like.IsFloat() {
		t.F = []float32{float32(x)}
	} else {
		t.I = []int64{int64(x)}
	}
	return c.known(t)
}

// floatConst is a constant tensor of floats that stand in the node.
func (c *ctx) floatConst(name string, shape []int, data []float32) *operand {
	return &operand{name: name, dtype: Float, shape: shape, con: &Tensor{Name: name, DType: Float, Shape: shape, F: data}}
}

func (c *ctx) intConst(shape []int, data []int64) *operand {
	return c.known(&Tensor{DType: Int64, Shape: shape, I: data})
}

// --- structural ---

func (c *ctx) reshape(x *operand, shape ...int) *operand {
	n, err := numel(shape)
	if err != nil {
		c.fail(err)
	}
	if n != x.N() {
		c.failf("cannot reshape %v to %v", x.shape, shape)
	}
	if slices.Equal(shape, x.shape) {
		return x
	}
	shape = append([]int{}, shape...)
	if x.con != nil {
		return c.known(&Tensor{Name: x.con.Name, DType: x.dtype, Shape: shape, F: x.con.F, I: x.con.I}, x)
	}
	return c.emit(ir.OpReshape, &ir.ReshapeAttrs{Shape: shape}, x.dtype, x)
}

func (c *ctx) transpose(x *operand, perm ...int) *operand {
	if !isPermutation(perm, len(x.shape)) {
		c.failf("perm %v does not fit shape %v", perm, x.shape)
	}
	if slices.IsSorted(perm) {
		return x
	}
	if x.con == nil {
		return c.emit(ir.OpTranspose, &ir.TransposeAttrs{Perm: slices.Clone(perm)}, x.dtype, x)
	}
	shape, strides, dense := make([]int, len(perm)), make([]int, len(perm)), rowMajor(x.shape)
	for i, p := range perm {
		shape[i], strides[i] = x.shape[p], dense[p]
	}
	return c.known(c.view(x.con, shape, strides, 0), x)
}

func isPermutation(perm []int, n int) bool {
	seen := make([]bool, n)
	for _, p := range perm {
		if p < 0 || p >= n || seen[p] {
			return false
		}
		seen[p] = true
	}
	return len(perm) == n
}

// swap is a permutation that exchanges two axes.
func swap(rank, a, b int) []int {
	perm := make([]int, rank)
	for i := range perm {
		perm[i] = i
	}
	perm[a], perm[b] = b, a
	return perm
}

// slice takes size[d] elements from start[d] in steps of step[d]; the caller has
// clamped them to the shape.
func (c *ctx) slice(x *operand, start, step, size []int) *operand {
	if slices.Equal(size, x.shape) && !slices.ContainsFunc(step, func(s int) bool { return s < 0 }) {
		return x
	}
	if x.con == nil && !slices.Contains(size, 0) {
		return c.emit(ir.OpSlice, &ir.SliceAttrs{Start: start, Step: step, Size: size}, x.dtype, x)
	}
	if x.con == nil {
		return c.known(emptyTensor(x.dtype, size))
	}
	strides, at := rowMajor(x.shape), 0
	for d := range strides {
		at += start[d] * strides[d]
		strides[d] *= step[d]
	}
	return c.known(c.view(x.con, size, strides, at), x)
}

// part slices along one axis with step one.
func (c *ctx) part(x *operand, axis, start, size int) *operand {
	if axis >= len(x.shape) || start < 0 || size < 0 || start > x.shape[axis]-size {
		c.failf("%d elements from %d on along axis %d of shape %v", size, start, axis, x.shape)
	}
	starts, steps, sizes := make([]int, len(x.shape)), make([]int, len(x.shape)), slices.Clone(x.shape)
	for d := range steps {
		steps[d] = 1
	}
	starts[axis], sizes[axis] = start, size
	return c.slice(x, starts, steps, sizes)
}

func (c *ctx) concat(axis int, xs ...*operand) *operand {
	xs = slices.DeleteFunc(slices.Clone(xs), func(o *operand) bool { return len(o.shape) > axis && o.shape[axis] == 0 && len(xs) > 1 })
	if len(xs) == 0 {
		c.refuse("all inputs are empty")
	}
	for _, x := range xs[1:] {
		if len(x.shape) != len(xs[0].shape) || !slices.Equal(dropAxes(x.shape, []int{axis}), dropAxes(xs[0].shape, []int{axis})) {
			c.failf("shapes %v and %v do not fit along axis %d", xs[0].shape, x.shape, axis)
		}
		if (x.dtype.IsFloat()) != xs[0].dtype.IsFloat() {
			c.failf("element types %v and %v differ", xs[0].dtype, x.dtype)
		}
	}
	if len(xs) == 1 {
		return xs[0]
	}
	if !constants(xs...) {
		return c.emit(ir.OpConcat, &ir.AxisAttrs{Axis: axis}, xs[0].dtype, xs...)
	}
	ts := make([]*Tensor, len(xs))
	for i, x := range xs {
		ts[i] = x.con
	}
	return c.known(c.foldConcat(axis, ts), xs...)
}

// gather picks elements of index along axis; shape replaces that dimension.
func (c *ctx) gather(x *operand, axis int, index, shape []int) *operand {
	for i, at := range index {
		if at < -x.shape[axis] || at >= x.shape[axis] {
			c.failf("index %d is out of range for axis %d of shape %v", at, axis, x.shape)
		}
		if at < 0 {
			index[i] += x.shape[axis]
		}
	}
	if x.con != nil {
		return c.known(c.foldGather(x.con, axis, index, shape), x)
	}
	full := slices.Concat(x.shape[:axis], shape, x.shape[axis+1:])
	if len(index) == 0 {
		return c.known(emptyTensor(x.dtype, full))
	}
	return c.reshape(c.emit(ir.OpGather, &ir.GatherAttrs{Axis: axis, Index: index}, x.dtype, x), full...)
}

func (c *ctx) expand(x *operand, shape ...int) *operand {
	if got, err := ir.Broadcast(x.shape, shape); err != nil || !slices.Equal(got, shape) {
		c.failf("cannot expand %v to %v", x.shape, shape)
	}
	if _, err := numel(shape); err != nil {
		c.fail(err)
	}
	if slices.Equal(shape, x.shape) {
		return x
	}
	shape = append([]int{}, shape...)
	if x.con == nil {
		return c.emit(ir.OpExpand, &ir.ExpandAttrs{Shape: shape}, x.dtype, x)
	}
	return c.known(c.view(x.con, shape, broadcastStrides(x.shape, shape), 0), x)
}

// --- arithmetic ---

var arithmetic = map[ir.Op]binaryFold{
	ir.OpAdd: {float: func(a, b float64) float64 { return a + b }, int: func(a, b int64) int64 { return a + b }},
	ir.OpSub: {float: func(a, b float64) float64 { return a - b }, int: func(a, b int64) int64 { return a - b }},
	ir.OpMul: {float: func(a, b float64) float64 { return a * b }, int: func(a, b int64) int64 { return a * b }},
	ir.OpMax: {float: math.Max, int: func(a, b int64) int64 { return max(a, b) }},
	ir.OpMin: {float: math.Min, int: func(a, b int64) int64 { return min(a, b) }},
	ir.OpDiv: {float: func(a, b float64) float64 { return a / b }, int: func(a, b int64) int64 {
		if b == 0 || b == -1 {
			return -a * (b & 1) // division by zero is undefined: 0 here
		}
		return a / b
	}},
}

// binary is an elementwise operator with numpy broadcasting.
func (c *ctx) binary(op ir.Op, a, b *operand) *operand {
	if constants(a, b) {
		return c.known(c.zip(arithmetic[op], a.con, b.con), a, b)
	}
	if a.dtype.IsInt() != b.dtype.IsInt() {
		c.failf("operands have types %v and %v", a.dtype, b.dtype)
	}
	if a.dtype.IsInt() && a.dtype != Bool && a.dtype.bits() < 32 {
		c.refuse("arithmetic on %v data, which could wrap around", a.dtype)
	}
	return c.emit(op, nil, a.dtype, a, b)
}

func (c *ctx) add(a, b *operand) *operand { return c.binary(ir.OpAdd, a, b) }
func (c *ctx) sub(a, b *operand) *operand { return c.binary(ir.OpSub, a, b) }
func (c *ctx) mul(a, b *operand) *operand { return c.binary(ir.OpMul, a, b) }

// scaled is x times a public number.
func (c *ctx) scaled(x *operand, f float64) *operand {
	if f == 1 {
		return x
	}
	return c.mul(x, c.number(f, x.dtype))
}

// shifted is x plus a public number.
func (c *ctx) shifted(x *operand, f float64) *operand {
	if f == 0 {
		return x
	}
	return c.add(x, c.number(f, x.dtype))
}

func (c *ctx) neg(x *operand) *operand {
	if x.con != nil {
		return c.known(c.foldMap(x.con, func(v float64) float64 { return -v }), x)
	}
	return c.emit(ir.OpNeg, nil, x.dtype, x)
}

// fn applies an elementwise function of the ir.
func (c *ctx) fn(x *operand, name string, params ...float64) *operand {
	a := &ir.FuncAttrs{Name: name}
	if len(params) > 0 {
		a.Alpha = params[0]
	}
	if len(params) > 1 {
		a.Beta = params[1]
	}
	if x.con == nil {
		return c.emit(ir.OpFunc, a, x.dtype, x)
	}
	f, ok := a.Func()
	if !ok {
		panic(fmt.Sprintf("BUG: onnx: ir has no function %q", name))
	}
	return c.known(c.foldMap(x.con, f), x)
}

// What becomes of the axes that sum and its like reduce: they stay, of size 1, or go.
const keepDims, dropDims = true, false

// sum adds up along axes.
func (c *ctx) sum(x *operand, axes []int, keep bool) *operand {
	if len(axes) == 0 {
		return x
	}
	if x.con != nil {
		return c.known(c.foldReduce(x.con, axes, keep, 0, func(a, v float64) float64 { return a + v }), x)
	}
	return c.emit(ir.OpSum, &ir.ReduceAttrs{Axes: axes, Keep: keep}, x.dtype, x)
}

// mean averages along axes.
func (c *ctx) mean(x *operand, axes []int, keep bool) *operand {
	n := 1
	for _, a := range axes {
		n *= x.shape[a]
	}
	if n == 0 {
		c.refuse("the mean of no elements")
	}
	return c.scaled(c.sum(x, axes, keep), 1/float64(n))
}
