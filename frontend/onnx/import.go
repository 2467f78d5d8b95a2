package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"secc.example/secc/ir"
)

// Options say what the file leaves open.
type Options struct {
	InputShapes map[string][]int     // shapes of graph inputs, "" being the only one; needed where the file has symbolic ones beyond the batch
	Batch       int                  // first dimension of every input; 0: as in the file, or 1 where it is symbolic
	Set         map[string][]float64 // scalars and short lists in place of graph inputs that are the same in every run
	Constants   map[string]*Tensor   // graph inputs that are constants of this compilation, not data
	Dir         string               // where external data lies; ImportFile sets it
	Name        string               // name of the graph; default: the file's

	PublishConstants bool              // initialisers may stand in the plan where an operator has no other form
	PublishEmbedding bool              // tables that are chosen from by indices stand in the plan
	Inputs           func([]string)    // is told the names of the file's data inputs, those that are set included; may be nil
	Published        func(what string) // is told what each initialiser is that will; may be nil

	Stop func() error // asked often: an error ends the import with it; may be nil
}

// maxFile bounds the model file; larger weights are external data.
const maxFile = 2 << 30

// ImportFile reads a model and the external data beside it.
func ImportFile(path string, opts Options) (*ir.Graph, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("onnx: %s is larger than 2 GiB", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if opts.Dir == "" {
		opts.Dir = filepath.Dir(path)
	}
	return Import(data, opts)
}

// Import builds the real-phase graph of a serialised ONNX model. A malformed
// model gives an error that names the place; a well-formed one that we cannot
// compile gives an *UnsupportedError that lists everything at once.
func Import(data []byte, opts Options) (*ir.Graph, error) {
	ext, err := openExternal(opts.Dir)
	if err != nil {
		return nil, err
	}
	defer ext.close()
	m, err := decodeModel(data, ext, opts.Stop)
	if err != nil {
		return nil, err
	}
	nodes, err := m.walk()
	if err != nil {
		return nil, err
	}
	im := &importer{
		g: &ir.Graph{Name: opts.Name}, m: m, opts: opts, env: map[string]*operand{},
		consts: map[materialised]*ir.Value{},
		report: &UnsupportedError{Nodes: len(nodes), Supported: len(nodes)},
	}
	if im.g.Name == "" {
		im.g.Name = m.name
	}
	return im.run(nodes)
}

// importer is the state of one import.
type importer struct {
	g      *ir.Graph
	m      *model
	opts   Options
	env    map[string]*operand // ONNX tensor name -> what it is here
	consts map[materialised]*ir.Value
	report *UnsupportedError
	sizes  map[string]int // what the symbols in shapes stand for
	stored int            // bytes of constants the file holds, or ConstantOfShape made
	made   int            // bytes that ConstantOfShape made
	folded int            // bytes of constants computed from others so far

	unrolled int // nodes of subgraphs, once for each time they run
}

func (im *importer) run(nodes []*node) (*ir.Graph, error) {
	im.stored += im.m.memory()
	im.constants(im.m, im.env)
	if im.opts.Inputs != nil {
		im.opts.Inputs(im.m.inputNames())
	}
	if err := im.checkShapes(); err != nil {
		return nil, err
	}
	if err := im.bindSymbols(); err != nil {
		return nil, err
	}
	for _, v := range im.m.inputs {
		if err := im.input(v); err != nil {
			return nil, err
		}
	}
	for _, n := range nodes {
		if err := im.node(n); err != nil {
			return nil, err
		}
	}
	if err := asked(im.opts.Stop); err != nil { // the last node may have taken it for its own
		return nil, err
	}
	if len(im.report.Entries) == 0 {
		if err := im.outputs(); err != nil {
			return nil, err
		}
	}
	if len(im.report.Entries) > 0 {
		return nil, im.report
	}
	im.g.RemoveDead()
	return im.g, nil
}

// asked gives what a Stop function says.
func asked(stop func() error) error {
	if stop == nil {
		return nil
	}
	return stop()
}

func (m *model) inputNames() []string {
	names := make([]string, len(m.inputs))
	for i, v := range m.inputs {
		names[i] = v.name
	}
	return names
}

// memory is what the constants of a graph take.
func (m *model) memory() (bytes int) {
	for _, t := range m.tensors {
		bytes += memory(t.DType, t.N())
	}
	for _, t := range m.consts {
		bytes += memory(t.DType, t.N())
	}
	return bytes
}

// constants declares the initialisers of a graph.
func (im *importer) constants(m *model, env map[string]*operand) {
	for name, t := range m.consts {
		env[name] = &operand{name: name, dtype: t.DType, shape: t.Shape, con: t}
	}
	for name, what := range m.odd {
		env[name] = &operand{name: name, odd: what}
	}
}

// input declares a graph input, or binds it to a constant.
func (im *importer) input(v valueInfo) error {
	t, err := im.given(v)
	if err != nil {
		return err
	}
	if t != nil {
		im.env[v.name] = &operand{name: v.name, dtype: t.DType, shape: t.Shape, con: t}
		return nil
	}
	if v.kind != "" || !(v.dtype.IsFloat() || v.dtype.IsInt()) {
		what := v.kind
		if what == "" {
			what = v.dtype.String() + " tensor"
		}
		im.refuse(&node{name: v.name, op: "input"}, &refusal{
			reason: "graph inputs of type " + what + " are not supported", hint: "export the model with tensors of numbers as inputs",
		})
		im.env[v.name] = &operand{name: v.name, blind: true}
		return nil
	}
	shape, err := im.inputShape(v)
	if r := asRefusal(err); r != nil {
		im.refuse(&node{name: v.name, op: "input"}, r)
		im.env[v.name] = &operand{name: v.name, blind: true}
		return nil
	}
	if err != nil {
		return err
	}
	in, err := newInput(im.g, v.name, shape)
	if err != nil {
		return fmt.Errorf("onnx: input %q: %w", v.name, err)
	}
	o := &operand{name: v.name, dtype: v.dtype, shape: shape, val: in, graphInput: v.name}
	if n, _ := numel(shape); n == 0 {
		o.val, o.con = nil, emptyTensor(v.dtype, shape) // nothing secret in it
	}
	im.env[v.name] = o
	return nil
}

// node imports one node, or files it under what is not supported and goes on
// with the declared types of its outputs, so that the list becomes complete.
func (im *importer) node(n *node) error {
	if err := asked(im.opts.Stop); err != nil {
		return err
	}
	outs, err := im.build(n)
	if r := asRefusal(err); r != nil {
		im.refuse(n, r)
		im.report.Supported--
		im.guessOutputs(n)
		return nil
	}
	if errors.Is(err, errBlind) {
		im.guessOutputs(n)
		return nil
	}
	if err != nil && len(im.report.Entries) > 0 { // it may only follow from what is missing
		im.guessOutputs(n)
		return nil
	}
	if inner := (*NodeError)(nil); errors.As(err, &inner) { // in a subgraph
		return inner
	}
	if err != nil {
		return &NodeError{n.name, n.label(), err}
	}
	for i, name := range n.outputs {
		if i < len(outs) && outs[i] != nil {
			o := *outs[i]
			o.name = name
			im.env[name] = &o
		}
	}
	return nil
}

func (im *importer) refuse(n *node, r *refusal) {
	if r.hint == "" {
		r.hint = lastResort
	}
	im.report.Entries = append(im.report.Entries, Unsupported{
		Node: n.name, Op: n.op, Domain: n.domain, Opset: n.opset, Reason: r.reason, Hint: r.hint, Bind: r.bind,
	})
}

// guessOutputs stands in for the outputs of a node that was not imported. Where
// the file declares a static shape the nodes after it can still be checked.
func (im *importer) guessOutputs(n *node) {
	for _, name := range n.outputs {
		im.env[name] = &operand{name: name, blind: true}
		vi, ok := im.m.info[name]
		if !ok || !(vi.dtype.IsFloat() || vi.dtype.IsInt()) {
			continue
		}
		if _, err := numel(vi.dims); err != nil {
			continue
		}
		if v, err := newInput(im.g, name, vi.dims); err == nil {
			im.env[name] = &operand{name: name, dtype: vi.dtype, shape: vi.dims, val: v}
		}
	}
}

func (n *node) label() string {
	if n.domain != "" {
		return n.domain + "." + n.op
	}
	return n.op
}

// output is the value of a graph's output. A quantised one has the numbers that the
// file's type holds, not rounded to whole ones.
func (im *importer) output(o *operand, name string) (*ir.Value, error) {
	if q := o.quant; q != nil {
		c := &ctx{node: &node{name: name, op: "output"}, im: im}
		outs, err := c.try(func() []*operand { return one(c.counted(q)) })
		if err != nil {
			return nil, err
		}
		o = outs[0]
	}
	return im.materialise(o, name)
}

// counted divides by the scale and adds the zero point.
func (c *ctx) counted(q *quantised) *operand {
	steps := make([]float32, q.scale.N())
	for i, s := range q.scale.Floats() {
		steps[i] = 1 / s
	}
	y := c.mul(q.real, c.spread(steps, q.real, q.axis))
	if q.zero != nil {
		y = c.add(y, c.spread(q.zero.Floats(), q.real, q.axis))
	}
	return y
}

// outputs makes the graph's outputs. They keep the ONNX output names.
func (im *importer) outputs() error {
	for _, v := range im.m.outputs {
		o := im.env[v.name]
		if o == nil {
			return fmt.Errorf("onnx: output %q: that output of its node is not supported", v.name)
		}
		val, err := im.output(o, v.name)
		if r := asRefusal(err); r != nil {
			im.refuse(&node{name: v.name, op: "output", opset: im.m.opsets[""]}, r)
			continue
		}
		if err != nil {
			return fmt.Errorf("onnx: output %q: %w", v.name, err)
		}
		im.g.Outputs = append(im.g.Outputs, val)
		im.g.OutputNames = append(im.g.OutputNames, v.name)
	}
	return nil
}
