package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"secc.example/secc/ir"
)

// operand is an ONNX tensor during import: a constant, a value of the graph, or
// (blind) something unknown behind a node that could not be imported.
type operand struct {
	name    string
	dtype   DType
	shape   []int
	con     *Tensor   // set for constants
	val     *ir.Value // set for values, and for constants once they were needed as one
	public  bool      // constant that follows from the architecture: shapes, attributes, scalars of Constant nodes
	blind   bool
	seq     *sequence
	nothing bool   // an optional that holds nothing
	odd     string // what makes it a tensor we cannot hold

	graphInput string     // name of the graph input this is, if it is one
	order      *ordering  // what a boolean compares; see recognise
	quant      *quantised // set, in place of con and val, between QuantizeLinear and DequantizeLinear
	pool       *pooled    // set, in place of con and val, for the indices of a MaxPool
	why        string     // or why they cannot be had
}

// N is the number of elements.
func (o *operand) N() int { return ir.Numel(o.shape) }

// errBlind says that a node could not be looked at, because an input is unknown.
var errBlind = errors.New("an input is not known")

// bailout carries an error out of an importer function, so that the functions
// read as straight definitions. Only build recovers it.
type bailout struct{ err error }

// ctx is what an importer function sees: one node with its operands, and the
// primitives (prim.go) that build or fold.
type ctx struct {
	*node
	im *importer
	in []*operand // nil where an optional input is absent
}

func (c *ctx) fail(err error)                 { panic(bailout{err}) }
func (c *ctx) failf(format string, a ...any)  { c.fail(fmt.Errorf(format, a...)) }
func (c *ctx) refuse(format string, a ...any) { c.fail(refuse(format, a...)) }

// build runs the importer function of one node.
func (im *importer) build(n *node) (outs []*operand, err error) {
	row, err := lookup(n)
	if err != nil {
		return nil, err
	}
	c := &ctx{node: n, im: im}
	if c.in, err = im.operands(n, row.sequences); err != nil {
		return nil, err
	}
	if present := c.present(); present < row.min && !row.gaps || len(c.in) > row.max {
		return nil, fmt.Errorf("it has %d inputs, the operator takes %d to %d", len(c.in), row.min, row.max)
	}
	if outs, err = c.try(func() []*operand { return row.build(c) }); err != nil {
		return nil, err
	}
	for i, name := range n.outputs {
		if im.m.used[name] && (i >= len(outs) || outs[i] == nil) {
			return nil, refuse("output %d (%q) is not supported", i, name)
		}
	}
	return outs, nil
}

// operands are what a node reads.
func (im *importer) operands(n *node, takesSequences bool) ([]*operand, error) {
	var in []*operand
	for _, name := range n.inputs {
		o := im.env[name]
		switch {
		case o == nil && name == "": // an optional input that is absent
		case o == nil || name != "" && o.blind:
			return nil, errBlind
		case o.odd != "":
			return nil, refuse("initialiser %q is %s: not supported", name, o.odd)
		case o.nothing && !takesSequences:
			return nil, fmt.Errorf("input %q is an optional that holds nothing", name)
		case o.seq != nil && !takesSequences:
			return nil, refuseHint(hints[sequences], "input %q is a sequence", name)
		}
		in = append(in, o)
	}
	return in, nil
}

// try runs an importer function, or what it calls, to its end or its failure.
func (c *ctx) try(f func() []*operand) (outs []*operand, err error) {
	defer func() {
		if p := recover(); p != nil {
			b, ours := p.(bailout)
			if !ours {
				panic(p)
			}
			outs, err = nil, b.err
		}
	}()
	return f(), nil
}

// present counts inputs up to the first that is absent.
func (c *ctx) present() int {
	for i, o := range c.in {
		if o == nil {
			return i
		}
	}
	return len(c.in)
}

// arg is an optional input, nil where absent.
func (c *ctx) arg(i int) *operand {
	if i < len(c.in) {
		return c.in[i]
	}
	return nil
}

// constant is an input that must be known at compile time; nil where absent.
func (c *ctx) constant(i int, what string) *Tensor {
	o := c.arg(i)
	if o == nil {
		return nil
	}
	return c.constantOf(o, what)
}

func (c *ctx) constantOf(o *operand, what string) *Tensor {
	if o.con == nil {
		r := &refusal{
			reason: fmt.Sprintf("%s (%q) must be known at compile time", what, o.name), bind: o.graphInput,
			hint: "export the model so that it is computed from constants and shapes alone",
		}
		if o.graphInput != "" {
			r.hint = setHint(o.graphInput)
		}
		c.fail(r)
	}
	return o.con
}

// indices is a constant integer list input; nil where absent.
func (c *ctx) indices(i int, what string) []int {
	t := c.constant(i, what)
	if t == nil {
		return nil
	}
	if len(t.Shape) > 1 {
		c.failf("%s has shape %v, want a list", what, t.Shape)
	}
	v, err := t.Ints()
	if err != nil {
		c.failf("%s: %w", what, err)
	}
	out := make([]int, len(v))
	for j, x := range v {
		out[j] = clamped(x)
	}
	return out
}

// indicesOr reads a list that moved from an attribute to an input at some opset.
func (c *ctx) indicesOr(input int, attrName string) []int {
	if c.arg(input) != nil {
		return c.indices(input, attrName)
	}
	return c.ints(attrName)
}

// scalar is a constant one-element input; missing where absent.
func (c *ctx) scalar(i int, what string, missing float64) float64 {
	t := c.constant(i, what)
	if t == nil {
		return missing
	}
	if t.N() != 1 {
		c.failf("%s has shape %v, want one number", what, t.Shape)
	}
	return t.at(0)
}

// axis normalises a possibly negative axis.
func (c *ctx) axis(a, rank int) int {
	if a = c.axisOrEnd(a, rank); a == rank {
		c.failf("axis %d is out of range for rank %d", a, rank)
	}
	return a
}

// axisOrEnd is axis where the end, one past the last, may be meant.
func (c *ctx) axisOrEnd(a, rank int) int {
	if a < 0 {
		a += rank
	}
	if a < 0 || a > rank {
		c.failf("axis %d is out of range for rank %d", a, rank)
	}
	return a
}

// axes normalises a list of axes and refuses repeated ones.
func (c *ctx) axes(list []int, rank int) []int {
	out := make([]int, len(list))
	for i, a := range list {
		if a < -rank { // so that axis can not turn it into a valid one
			c.failf("axis %d is out of range for rank %d", a, rank)
		}
		out[i] = c.axis(a, rank)
		if slices.Contains(out[:i], out[i]) {
			c.failf("axes %v repeat", list)
		}
	}
	return out
}

// rankOf insists on a rank.
func (c *ctx) rankOf(o *operand, lo, hi int) int {
	if n := len(o.shape); n < lo || n > hi {
		c.failf("input %q has shape %v, want rank %d to %d", o.name, o.shape, lo, hi)
	}
	return len(o.shape)
}

// realOnly refuses integer data where integer arithmetic differs from real arithmetic.
func (c *ctx) realOnly(o *operand) {
	if o.con == nil && !o.dtype.IsFloat() {
		c.refuse("%v input %q: this operator is supported on floating point only", o.dtype, o.name)
	}
}

// hasOutputs reports whether the file names an output from a given one on.
func (c *ctx) hasOutputs(from int) bool {
	for _, name := range c.outputs[min(from, len(c.outputs)):] {
		if !strings.HasPrefix(name, unusedOutput) {
			return true
		}
	}
	return false
}

// trainingMode refuses what computes with the batch's own statistics or at random.
func (c *ctx) trainingMode() {
	c.fail(refuseHint("call model.eval() before the model is exported (torch.onnx.export: training=TrainingMode.EVAL)", "it is in training mode"))
}
