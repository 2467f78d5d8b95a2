// Package backend turns a graph whose values have formats and protocols into a
// plan and the server's weights, and prices plans for a given network and machine.
//
// It knows the IR and plans. It knows neither ONNX nor how a protocol computes.
package backend

import (
	"errors"
	"fmt"
	"slices"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/ir"
)

// Options for lowering.
type Options struct {
	Profile    choose.Profile
	Labels     []string
	Preprocess []plan.Preprocess // of each input, in order
	Head       *Head             // what the client computes in front of the graph; nil: its inputs are the client's
	Reveal     plan.Reveal
	OverOT     bool         // products of shared matrices run over OT, whatever they take
	Outputs    []string     // names of the outputs; nil: those of their values
	Lines      *Lines       // what other plans found; may be nil
	Stop       func() error // asked before every value: an error ends the lowering with it; may be nil
}

// Weights are the server's tensors, in the order of the plan's steps.
type Weights []plan.WeightTensor

// Lower translates a graph in phase Selected. It is deterministic.
func Lower(g *ir.Graph, o Options) (*plan.Plan, Weights, error) {
	if err := ir.Verify(g, ir.Selected); err != nil {
		return nil, nil, fmt.Errorf("backend: %w", err)
	}
	if o.Reveal == "" {
		o.Reveal = plan.RevealValues
	}
	if o.Lines == nil {
		o.Lines = NewLines()
	}
	l := &lowering{options: o, plan: &plan.Plan{Version: plan.Version, Model: g.Name, Labels: o.Labels, Reveal: o.Reveal}, slot: map[*ir.Value]plan.Slot{}, owned: map[plan.Slot]bool{}}
	if err := l.chooseProducts(g); err != nil {
		return nil, nil, fmt.Errorf("backend: %w", err)
	}
	if err := l.graph(g); err != nil {
		return nil, nil, err
	}
	if err := l.choosePackings(); err != nil {
		return nil, nil, err
	}
	l.plan.Remember() // every tree that is tried asks what all steps cost
	if err := l.chooseTrees(); err != nil {
		return nil, nil, err
	}
	l.widen()
	if err := l.finish(); err != nil {
		return nil, nil, fmt.Errorf("backend: BUG: %w", err)
	}
	return l.plan, l.weights, nil
}

// graph lowers all values, inputs and outputs.
func (l *lowering) graph(g *ir.Graph) error {
	o := l.options
	if o.Head != nil {
		l.plan.Inputs, l.plan.Head = slices.Clone(o.Head.Inputs), o.Head.Ops
		l.order = g.Inputs
	}
	for _, v := range g.Values {
		if err := l.stopped(); err != nil {
			return err
		}
		if err := l.value(v); err != nil {
			return fmt.Errorf("backend: node %q (%s): %w", v.Name, v.Op, err)
		}
	}
	for i := range min(len(l.plan.Inputs), len(o.Preprocess)) {
		l.plan.Inputs[i].Preprocess = o.Preprocess[i]
	}
	for i, out := range g.Outputs {
		if err := l.output(out); err != nil {
			return fmt.Errorf("backend: output %q: %w", out.Name, err)
		}
		if len(o.Outputs) == len(g.Outputs) {
			l.plan.Outputs[i].Name = o.Outputs[i]
		}
	}
	return nil
}

// finish schedules the steps and gives the plan what all of them together need.
func (l *lowering) finish() error {
	l.plan.Rounds = schedule(l.steps, l.flights)
	keys, err := l.plan.LinearKeys()
	if err != nil {
		return err
	}
	if keys.N != 0 {
		l.plan.Modulus = Modulus()
	}
	l.plan.OT = l.options.Profile.OT(l.plan.COTs())
	return l.plan.Validate()
}

func (l *lowering) stopped() error {
	if l.options.Stop == nil {
		return nil
	}
	return l.options.Stop()
}

// flights is the length of a step that runs alone.
func (l *lowering) flights(s *plan.Step) int { return len(l.plan.CallCost([]*plan.Step{s}).Flights) }

type lowering struct {
	options Options
	plan    *plan.Plan
	steps   []plan.Step
	weights Weights
	slot    map[*ir.Value]plan.Slot
	linear  []linearStep

	overRLWE map[*ir.Value]*plan.Mul // the products of shared matrices that run over RLWE
	order    []*ir.Value             // the inputs, where a head makes them
	owned    map[plan.Slot]bool      // the server's share is zero
}

// newSlot adds a slot of v's format.
func (l *lowering) newSlot(shape []int, e ir.Elem) plan.Slot {
	l.plan.Slots = append(l.plan.Slots, plan.SlotType{Shape: append([]int{}, shape...), Bits: e.Bits, Frac: e.Frac})
	return plan.Slot(len(l.plan.Slots) - 1)
}

// emit appends a step that makes v from slots.
func (l *lowering) emit(v *ir.Value, s plan.Step, in ...plan.Slot) plan.Slot {
	return l.emitAs(v, v.Type.Shape, v.Type.Elem, s, in...)
}

// emitAs appends a step whose result has another shape or format than v.
func (l *lowering) emitAs(v *ir.Value, shape []int, e ir.Elem, s plan.Step, in ...plan.Slot) plan.Slot {
	out := l.newSlot(shape, e)
	s.Op, s.Name, s.In, s.Out = string(v.Op), v.Name, in, []plan.Slot{out}
	l.owned[out] = s.OwnedByClient(func(x plan.Slot) bool { return l.owned[x] })
	l.steps = append(l.steps, s)
	return out
}

// keep stores one of the server's tensors under the prefix of the step that
// comes next.
func (l *lowering) keep(suffix string, shape []int, data []int64) string {
	prefix := fmt.Sprint(len(l.steps))
	l.weights = append(l.weights, plan.WeightTensor{Name: prefix + suffix, Shape: append([]int{}, shape...), Data: data})
	return prefix
}

// in gives the slot of an argument. A constant that takes part as a tensor gets
// one that the server fills.
func (l *lowering) in(v *ir.Value) (plan.Slot, error) {
	if s, ok := l.slot[v]; ok {
		return s, nil
	}
	c, ok := v.Attrs.(*ir.ConstAttrs)
	if !ok || c.Ints == nil {
		return 0, fmt.Errorf("argument %q (%s) has no slot", v.Name, v.Op)
	}
	n := len(c.Ints)
	a := &plan.Affine{Server: true, Spread: plan.Spread{Channels: n, Inner: 1}}
	w := l.keep("/b", []int{n}, c.Ints)
	l.slot[v] = l.emit(v, plan.Step{Proto: plan.ProtoAffine, Attrs: a, W: w})
	return l.slot[v], nil
}

// value lowers one value; constants and what the client computes have no slot.
func (l *lowering) value(v *ir.Value) error {
	if v.Op == ir.OpConst || v.Type.Elem.IsReal() {
		return nil
	}
	s, err := l.lower(v)
	l.slot[v] = s
	return err
}

func (l *lowering) lower(v *ir.Value) (plan.Slot, error) {
	f, ok := operators[v.Op]
	if !ok {
		return 0, errors.New("no protocol")
	}
	return f(l, v)
}

func (l *lowering) input(v *ir.Value) (plan.Slot, error) {
	s := l.emit(v, plan.Step{Proto: plan.ProtoInput})
	a := v.Attrs.(*ir.InputAttrs)
	scaling := plan.Scaling{Min: a.Min, Shift: slices.Clone(a.Shift), Inner: a.Inner}
	if l.options.Head == nil {
		l.plan.Inputs = append(l.plan.Inputs, plan.Input{Name: v.Name, Shape: append([]int{}, v.Type.Shape...), Slot: s, Scaling: scaling})
		return s, nil
	}
	switch from := l.options.Head.From[slices.Index(l.order, v)]; {
	case from < len(l.plan.Inputs):
		l.plan.Inputs[from].Slot, l.plan.Inputs[from].Scaling = s, scaling
	default:
		l.plan.Feeds = append(l.plan.Feeds, plan.Feed{Value: from, Slot: s, Scaling: scaling})
	}
	return s, nil
}

// output follows the client's own computation back to what is revealed.
func (l *lowering) output(v *ir.Value) error {
	o := plan.Output{Name: v.Name, Shape: append([]int{}, v.Type.Shape...)}
	for v.Type.Elem.IsReal() && v.Op != ir.OpToReal {
		f, err := postOp(v)
		if err != nil {
			return err
		}
		o.Post = append([]plan.PostOp{f}, o.Post...)
		v = v.Args[0]
	}
	if v.Op == ir.OpToReal {
		v = v.Args[0]
	}
	s, err := l.in(v)
	if err != nil {
		return err
	}
	o.Slot = s
	if shape := l.plan.Slots[s].Shape; !equalShape(shape, v.Type.Shape) { // reshapes have no slot of their own
		o.Post = append([]plan.PostOp{{Op: "reshape", Shape: append([]int{}, v.Type.Shape...)}}, o.Post...)
	}
	l.plan.Outputs = append(l.plan.Outputs, o)
	return nil
}

func equalShape(a, b []int) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// postOp describes a function that the client evaluates in the clear.
func postOp(v *ir.Value) (plan.PostOp, error) {
	f := plan.PostOp{Op: string(v.Op)}
	switch a := v.Attrs.(type) {
	case *ir.AxisAttrs:
		f.Axis = a.Axis
	case *ir.ReshapeAttrs:
		f.Shape = append([]int{}, a.Shape...)
	case *ir.TransposeAttrs:
		f.Perm, f.Shape = append([]int{}, a.Perm...), append([]int{}, v.Type.Shape...)
	case *ir.FuncAttrs:
		f.Name, f.Alpha, f.Beta = a.Name, a.Alpha, a.Beta
	default:
		return f, fmt.Errorf("the client cannot compute %s", v.Op)
	}
	return f, nil
}
