package onnx

import (
	"fmt"
	"slices"

	"secc.example/secc/ir"
	"secc.example/secc/ir/num"
)

// The constant evaluator: enough of tensor arithmetic for shape computations and
// for weights that a model prepares at run time. Everything here is exact in
// its element type; integer division truncates, as in ONNX.

// Limits on folded constants, in bytes. A model may make large weights from
// nothing (VGG-19 with every weight from ConstantOfShape takes 575 MB) and work on
// what it has, but a small file cannot grow a lot of work.
const (
	maxFilled = 640 << 20 // made by ConstantOfShape
	freeFolds = 64 << 20  // results of other folds ...
	foldsEach = 4         // ... and this many times the constants there are
)

// fresh allocates the result of a fold within the import's budget.
func (c *ctx) fresh(d DType, shape []int) *Tensor {
	n, err := numel(shape)
	if err == nil {
		err = c.im.spend(d, n)
	}
	if err == nil {
		err = asked(c.im.opts.Stop)
	}
	if err != nil {
		c.fail(err)
	}
	t, err := newTensor(d, slices.Clone(shape))
	if err != nil {
		c.fail(err)
	}
	return t
}

// spend books n elements of a folded result.
func (im *importer) spend(d DType, n int) error {
	if im.folded += memory(d, n); im.folded > freeFolds+foldsEach*im.stored {
		return fmt.Errorf("constants computed by the model take %d MiB, those it holds %d", im.folded>>20, im.stored>>20)
	}
	return nil
}

// memory is what n elements take here.
func memory(d DType, n int) int {
	if d.IsInt() {
		return 8 * n
	}
	return 4 * n
}

func emptyTensor(d DType, shape []int) *Tensor {
	t := &Tensor{DType: d, Shape: shape}
	t.setEmpty()
	return t
}

// rowMajor gives the strides of a dense shape.
func rowMajor(shape []int) []int {
	s, n := make([]int, len(shape)), 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = n
		n *= shape[i]
	}
	return s
}

// offsets visits a strided view in row-major order, giving each source offset.
func offsets(shape, strides []int, start int, visit func(at int)) {
	offsets2(shape, strides, strides, func(at, _ int) { visit(start + at) })
}

// offsets2 visits two strided views of one shape in step.
func offsets2(shape, first, second []int, visit func(a, b int)) {
	if slices.Contains(shape, 0) {
		return
	}
	if len(shape) == 0 {
		visit(0, 0)
		return
	}
	last := len(shape) - 1
	count := make([]int, len(shape))
	for a, b := 0, 0; ; {
		for i := range shape[last] {
			visit(a+i*first[last], b+i*second[last])
		}
		d := last - 1
		for ; d >= 0; d-- {
			count[d]++
			a, b = a+first[d], b+second[d]
			if count[d] < shape[d] {
				break
			}
			a, b = a-shape[d]*first[d], b-shape[d]*second[d]
			count[d] = 0
		}
		if d < 0 {
			return
		}
	}
}

// view copies a strided view of t into a dense tensor.
func (c *ctx) view(t *Tensor, shape, strides []int, start int) *Tensor {
	out := c.fresh(t.DType, shape)
	i := 0
	if t.I != nil {
		offsets(shape, strides, start, func(at int) { out.I[i] = t.I[at]; i++ })
	} else {
		offsets(shape, strides, start, func(at int) { out.F[i] = t.F[at]; i++ })
	}
	return out
}

// broadcastStrides reads shape as if it had been broadcast to out.
func broadcastStrides(shape, out []int) []int {
	s := make([]int, len(out))
	dense := rowMajor(shape)
	for i := range shape {
		if shape[i] != 1 {
			s[len(out)-len(shape)+i] = dense[i]
		}
	}
	return s
}

// block copies n elements.
func (t *Tensor) block(at int, from *Tensor, fromAt, n int) {
	if t.I != nil {
		copy(t.I[at:at+n], from.I[fromAt:fromAt+n])
	} else {
		copy(t.F[at:at+n], from.F[fromAt:fromAt+n])
	}
}

// foldGather picks index along axis, replacing that dimension by shape.
func (c *ctx) foldGather(t *Tensor, axis int, index, shape []int) *Tensor {
	outer, inner := ir.Numel(t.Shape[:axis]), ir.Numel(t.Shape[axis+1:])
	out := c.fresh(t.DType, slices.Concat(t.Shape[:axis], shape, t.Shape[axis+1:]))
	at := 0
	for o := range outer {
		for _, i := range index {
			out.block(at, t, (o*t.Shape[axis]+i)*inner, inner)
			at += inner
		}
	}
	return out
}

func (c *ctx) foldConcat(axis int, ts []*Tensor) *Tensor {
	shape := slices.Clone(ts[0].Shape)
	for _, t := range ts[1:] {
		shape[axis] += t.Shape[axis]
	}
	out := c.fresh(ts[0].DType, shape)
	at := 0
	for o := range ir.Numel(shape[:axis]) {
		for _, t := range ts {
			n := ir.Numel(t.Shape[axis:])
			out.block(at, t, o*n, n)
			at += n
		}
	}
	return out
}

// binaryFold is an elementwise operator on two numbers of one type.
type binaryFold struct {
	float func(a, b float64) float64
	int   func(a, b int64) int64
	bool  bool // the result is boolean
}

// zip evaluates a binary operator with broadcasting.
func (c *ctx) zip(f binaryFold, a, b *Tensor) *Tensor {
	shape, err := ir.Broadcast(a.Shape, b.Shape)
	if err != nil {
		c.fail(err)
	}
	if (a.I != nil) != (b.I != nil) {
		c.failf("operands have types %v and %v", a.DType, b.DType)
	}
	if _, err := numel(shape); err != nil {
		c.fail(err)
	}
	d := a.DType
	if f.bool {
		d = Bool
	}
	if a.I != nil && f.int == nil {
		c.failf("not defined on %v", a.DType)
	}
	out, i := c.fresh(d, shape), 0
	offsets2(shape, broadcastStrides(a.Shape, shape), broadcastStrides(b.Shape, shape), func(p, q int) {
		switch {
		case a.I != nil:
			out.I[i] = f.int(a.I[p], b.I[q])
		case f.bool:
			out.I[i] = int64(f.float(float64(a.F[p]), float64(b.F[q])))
		default:
			out.F[i] = float32(f.float(float64(a.F[p]), float64(b.F[q])))
		}
		i++
	})
	return out
}

// foldMap applies a function to every element; the result has the same type.
func (c *ctx) foldMap(t *Tensor, f func(float64) float64) *Tensor {
	out := c.fresh(t.DType, t.Shape)
	for i := range t.F {
		out.F[i] = float32(f(float64(t.F[i])))
	}
	for i := range t.I {
		out.I[i] = int64(f(float64(t.I[i])))
	}
	return out
}

// foldCast converts element types: to integer truncates and saturates, to
// boolean tests for zero.
func (c *ctx) foldCast(t *Tensor, to DType) *Tensor {
	if t.DType == to || t.DType.IsFloat() && to.IsFloat() {
		return &Tensor{Name: t.Name, DType: to, Shape: t.Shape, F: t.F, I: t.I}
	}
	if to.IsFloat() {
		return &Tensor{Name: t.Name, DType: to, Shape: t.Shape, F: t.Floats()}
	}
	out := c.fresh(to, t.Shape)
	lo, hi := to.intRange()
	for i := range out.I {
		if to == Bool {
			if t.at(i) != 0 {
				out.I[i] = 1
			}
		} else if t.I != nil {
			out.I[i] = min(max(t.I[i], lo), hi)
		} else {
			out.I[i] = saturate(float64(t.F[i]), lo, hi)
		}
	}
	return out
}

func saturate(x float64, lo, hi int64) int64 {
	switch {
	case x >= float64(hi):
		return hi
	case x <= float64(lo):
		return lo
	case x != x:
		return 0
	}
	return int64(x)
}

// foldReduce combines elements along axes, starting from init.
func (c *ctx) foldReduce(t *Tensor, axes []int, keep bool, init float64, f func(acc, x float64) float64) *Tensor {
	kept := slices.Clone(t.Shape)
	for _, a := range axes {
		kept[a] = 1
	}
	n, err := numel(kept)
	if err != nil {
		c.fail(err)
	}
	acc := make([]float64, n)
	for i := range acc {
		acc[i] = init
	}
	i := 0
	offsets(t.Shape, broadcastStrides(kept, t.Shape), 0, func(at int) { acc[at] = f(acc[at], t.at(i)); i++ })
	out := c.fresh(t.DType, kept)
	for i, v := range acc {
		if out.I != nil {
			out.I[i] = saturate(v, -1<<63, 1<<63-1)
		} else {
			out.F[i] = float32(v)
		}
	}
	if !keep {
		out.Shape = dropAxes(t.Shape, axes)
	}
	return out
}

func dropAxes(shape, axes []int) []int {
	out := []int{}
	for d, n := range shape {
		if !slices.Contains(axes, d) {
			out = append(out, n)
		}
	}
	return out
}

// maxFoldWork bounds the multiplications of one folded product; what takes more is
// left to the compiler, which does it once for all.
const maxFoldWork = 1 << 28

// evaluated computes an operator of the ir on constants by its definition; nil
// where that would take too much.
func (c *ctx) evaluated(op ir.Op, attrs any, d DType, args []*operand) *Tensor {
	g, vals, ins := new(ir.Graph), make([]*ir.Value, len(args)), make([]*num.Tensor, len(args))
	for i, a := range args {
		if a.N() == 0 {
			return nil
		}
		ins[i] = ir.NewReal(a.shape, a.con.Floats())
		v, err := g.Const(a.name, ins[i])
		if err != nil {
			c.fail(innermost(err))
		}
		vals[i] = v
	}
	v, err := g.New(op, c.name, attrs, vals...)
	if err != nil {
		c.fail(innermost(err))
	}
	if foldWork(v) > maxFoldWork || c.im.spend(d, v.Type.N()) != nil {
		return nil
	}
	out, err := ir.EvalValue(v, ins...)
	if err != nil {
		c.fail(innermost(err))
	}
	t := &Tensor{DType: d, Shape: v.Type.Shape, F: ir.Floats(out)}
	if d.IsInt() {
		t = c.foldCast(&Tensor{DType: Float, Shape: t.Shape, F: t.F}, d)
		for i, x := range t.I {
			if x >= 1<<24 || x <= -1<<24 {
				c.refuse("element %d is %d: integers beyond 2^24 are not computed exactly", i, x)
			}
		}
	}
	return t
}

// foldWork is how many multiplications or so an operator takes.
func foldWork(v *ir.Value) int {
	each := 1
	switch v.Op {
	case ir.OpMatMul:
		each = v.Args[0].Type.Shape[len(v.Args[0].Type.Shape)-1]
	case ir.OpConv:
		each = ir.Numel(v.Args[1].Type.Shape[1:])
	case ir.OpMaxPool, ir.OpAvgPool, ir.OpSumPool:
		each = ir.Numel(v.Attrs.(*ir.PoolAttrs).Kernel)
	}
	if n := v.Type.N(); each < maxFoldWork/n {
		return each * n
	}
	return maxFoldWork + 1
}
