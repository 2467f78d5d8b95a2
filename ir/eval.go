package ir

import (
	"fmt"
	"runtime"
	"slices"

	"secc.example/secc/ir/num"
)

// EvalOptions says how to evaluate.
type EvalOptions struct {
	Workers int                           // parallel workers; 0: one a core
	Observe func(v *Value, t *num.Tensor) // sees every value once, constants too; must not change or keep t
	Stop    func() error                  // asked before every value: an error ends the evaluation with it; nil: nothing does
}

// asked gives what a Stop function says.
func asked(stop func() error) error {
	if stop == nil {
		return nil
	}
	return stop()
}

func workersOf(n int) int {
	if n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

// Eval computes the outputs of a real graph: the reference that everything else
// is measured against. inputs are float32, in the order and shapes of g.Inputs.
func Eval(g *Graph, inputs []*num.Tensor, opt EvalOptions) ([]*num.Tensor, error) {
	outs, err := EvalVariants(g, inputs, nil, opt)
	if err != nil {
		return nil, err
	}
	return outs[0], nil
}

// Variant is a graph in which the elements of some values are changed before anybody
// reads them.
type Variant struct {
	Changes func(v *Value) bool
	Change  func(v *Value, x []float32)
}

// EvalVariants computes the outputs of a real graph, and then those of variants of it,
// all on the way: what does not differ is computed once. Values of the graph itself are
// what is observed.
func EvalVariants(g *Graph, inputs []*num.Tensor, variants []Variant, opt EvalOptions) ([][]*num.Tensor, error) {
	in, err := checkInputs(g, inputs)
	if err != nil {
		return nil, err
	}
	e := evaluation{variants: variants, vals: make([]map[*Value]realTensor, 1+len(variants)), memory: num.TensorMemory[float32](), workers: workersOf(opt.Workers)}
	defer e.memory.Close()
	for i := range e.vals {
		e.vals[i] = map[*Value]realTensor{}
	}
	for i, v := range g.Inputs {
		e.vals[0][v] = realTensor{in[i], false}
	}
	left := g.Uses()
	for _, v := range g.Values {
		if err := asked(opt.Stop); err != nil {
			return nil, err
		}
		if err := e.next(v); err != nil {
			return nil, err
		}
		if opt.Observe != nil {
			opt.Observe(v, NewReal(v.Type.Shape, e.vals[0][v].data))
		}
		release(v, left, e.forget)
	}
	outs := make([][]*num.Tensor, len(e.vals))
	for i := range outs {
		for _, o := range g.Outputs {
			outs[i] = append(outs[i], NewReal(o.Type.Shape, slices.Clone(e.of(i, o).data)))
		}
	}
	return outs, nil
}

// release forgets v and its arguments as soon as nothing will read them.
func release(v *Value, left map[*Value]int, forget func(*Value)) {
	for _, a := range v.Args {
		if left[a]--; left[a] == 0 {
			forget(a)
		}
	}
	if left[v] == 0 {
		forget(v)
	}
}

// realTensor is a value of the evaluation; what is on loan goes back to its
// memory once nobody reads it.
type realTensor struct {
	data []float32
	loan bool
}

// evaluation is of a graph, number 0, and of its variants.
type evaluation struct {
	variants []Variant
	vals     []map[*Value]realTensor // of a variant: what differs from the graph
	memory   *num.Buffers[float32]
	workers  int
}

// of is a value of the graph or of a variant.
func (e *evaluation) of(i int, v *Value) realTensor {
	if t, ok := e.vals[i][v]; ok {
		return t
	}
	return e.vals[0][v]
}

func (e *evaluation) forget(v *Value) {
	for _, vals := range e.vals {
		if t := vals[v]; t.loan {
			e.memory.Put(t.data)
		}
		delete(vals, v)
	}
}

// next computes v, and its elements in variants where they may differ.
func (e *evaluation) next(v *Value) error {
	if v.Op != OpInput {
		if err := e.compute(0, v); err != nil {
			return err
		}
	}
	for j, variant := range e.variants {
		i, changes := j+1, variant.Changes(v)
		switch {
		case slices.ContainsFunc(v.Args, func(a *Value) bool { _, differs := e.vals[i][a]; return differs }):
			if err := e.compute(i, v); err != nil {
				return err
			}
		case changes:
			x := e.memory.Get(v.Type.N())
			copy(x, e.vals[0][v].data)
			e.vals[i][v] = realTensor{x, true}
		}
		if changes {
			variant.Change(v, e.vals[i][v].data)
		}
	}
	return nil
}

func (e *evaluation) compute(i int, v *Value) error {
	args := make([][]float32, len(v.Args))
	for k, a := range v.Args {
		if args[k] = e.of(i, a).data; args[k] == nil {
			return v.errorf("argument %s is not computed before it", a.where())
		}
	}
	out, err := evalReal(v, args, e.memory.Get, e.workers)
	e.vals[i][v] = realTensor{out, v.Op != OpConst}
	return err
}

// evalReal computes one real value from its arguments' elements, in memory that
// get gives. A constant is returned as it is.
func evalReal(v *Value, args [][]float32, get func(n int) []float32, workers int) ([]float32, error) {
	info, ok := table[v.Op]
	if !ok || !v.Type.Elem.IsReal() {
		return nil, v.errorf("cannot be evaluated on real numbers")
	}
	switch {
	case v.Op == OpConst:
		return Floats(v.Attrs.(*ConstAttrs).Real), nil
	case info.Real == nil:
		return nil, v.errorf("cannot be evaluated on real numbers")
	}
	out := get(v.Type.N())
	info.Real(v, args, out, workers)
	return out, nil
}

// fresh is memory that nobody else holds.
func fresh[T num.Number](n int) []T { return make([]T, n) }

// EvalValue computes one value from its arguments' tensors: for folding constants.
func EvalValue(v *Value, args ...*num.Tensor) (*num.Tensor, error) {
	if len(args) != len(v.Args) {
		return nil, v.errorf("%d tensors for %d arguments", len(args), len(v.Args))
	}
	in := make([][]float32, len(args))
	for i, t := range args {
		x, err := elements(t, v.Args[i].Type.Shape)
		if err != nil {
			return nil, v.errorf("argument %d: %w", i, err)
		}
		in[i] = x
	}
	out, err := evalReal(v, in, fresh[float32], workersOf(0))
	if err != nil {
		return nil, err
	}
	return NewReal(v.Type.Shape, slices.Clone(out)), nil
}

func checkInputs(g *Graph, inputs []*num.Tensor) ([][]float32, error) {
	if len(inputs) != len(g.Inputs) {
		return nil, fmt.Errorf("ir: %d input tensors, the graph has %d inputs", len(inputs), len(g.Inputs))
	}
	in := make([][]float32, len(inputs))
	for i, t := range inputs {
		x, err := elements(t, g.Inputs[i].Type.Shape)
		if err != nil {
			return nil, fmt.Errorf("ir: input %q: %w", g.Inputs[i].Name, err)
		}
		in[i] = g.Inputs[i].Attrs.(*InputAttrs).Apply(x)
	}
	return in, nil
}

// elements checks that t is a tensor of the shape.
func elements(t *num.Tensor, shape []int) ([]float32, error) {
	if t == nil {
		return nil, fmt.Errorf("no tensor")
	}
	if !slices.Equal(t.Shape, shape) {
		return nil, fmt.Errorf("tensor of shape %v, want %v", t.Shape, shape)
	}
	if len(t.Data) != Numel(shape) {
		return nil, fmt.Errorf("tensor of shape %v with %d elements", t.Shape, len(t.Data))
	}
	return t.Data, nil
}
