package plan

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"secc.example/secc/ir/fn"
)

// The head of a network is what the client computes of its own inputs before it
// encodes anything: in the clear, in float32, without rounding to a format and
// without a message. Only numbers that are public take part.

// HeadOp is one value of the head. Values are numbered: the plan's inputs first, then
// the ops in order; In names values below its own number.
//
// Op is "const" (Data), "func" (Name, Alpha, Beta as in Func, of every element),
// "clip" (to Alpha..Beta), "add", "sub", "mul", "div", "max", "min" (of two, shapes
// broadcast as NumPy does), "sum" and "reduce_max" (over Axes, of the shape before),
// "softmax" and "log_softmax" (along Axes[0]), "reshape", "copy" (Regions of the
// values of In on a background of Alpha), "one_hot" (a last dimension that is 1 at the
// element's number; FromEnd: negative ones count from the end; Strict: an element without
// a number is an error) or "lookup" (rows of the second value by the numbers of the first,
// which must have one).
type HeadOp struct {
	Op          string
	Node        string // the model's node, for messages
	In          []int  `cbor:",omitempty"`
	Shape       []int
	Name        string    `cbor:",omitempty"`
	Alpha, Beta float64   `cbor:",omitempty"`
	Axes        []int     `cbor:",omitempty"`
	FromEnd     bool      `cbor:",omitempty"`
	Strict      bool      `cbor:",omitempty"`
	Regions     []Region  `cbor:",omitempty"`
	Data        []float32 `cbor:",omitempty"`
}

// Feed is a value of the head that enters the protocol.
type Feed struct {
	Value int  // its number
	Slot  Slot // the slot that ProtoInput fills
	Scaling
}

// Limits of a head: a client computes it for whoever made the plan.
const (
	maxHeadOps   = 1 << 12
	maxHeadElems = 1 << 26 // of all its values together
)

// Fed lists what the client encodes: the inputs that enter the protocol as they are,
// then the feeds. The runtime takes the client's vectors in this order.
func (p *Plan) Fed() []Feed {
	var all []Feed
	for i := range p.Inputs {
		if in := &p.Inputs[i]; in.Slot != HeadOnly {
			all = append(all, Feed{i, in.Slot, in.Scaling})
		}
	}
	return append(all, p.Feeds...)
}

// ValueName is what messages call a value: the input's name, or the node's.
func (p *Plan) ValueName(value int) string {
	if value < len(p.Inputs) {
		return p.Inputs[value].Name
	}
	return p.Head[value-len(p.Inputs)].Node
}

// valueShape is the shape of a value of the head.
func (p *Plan) valueShape(value int) []int {
	if value < len(p.Inputs) {
		return p.Inputs[value].Shape
	}
	return p.Head[value-len(p.Inputs)].Shape
}

// checkHead checks everything that EvalHead relies on.
func (p *Plan) checkHead() error {
	if len(p.Head) > maxHeadOps {
		return fmt.Errorf("plan: the client would compute %d values itself, limit %d", len(p.Head), maxHeadOps)
	}
	total, regions := 0, 0
	for i := range p.Head {
		op := &p.Head[i]
		n, err := checkShape(op.Shape)
		if err == nil {
			err = p.checkHeadOp(op, len(p.Inputs)+i, n)
		}
		if total, regions = total+n, regions+len(op.Regions); total > maxHeadElems || regions > MaxRegions {
			err = errors.Join(err, errors.New("too much for a client"))
		}
		if err != nil {
			return fmt.Errorf("plan: client's %.40q (%.40q): %w", op.Op, op.Node, err)
		}
	}
	return p.checkFeeds()
}

func (p *Plan) checkFeeds() error {
	read := make([]bool, len(p.Inputs))
	for i := range p.Head {
		for _, x := range p.Head[i].In {
			if x < len(p.Inputs) {
				read[x] = true
			}
		}
	}
	for i, in := range p.Inputs {
		if in.Slot == HeadOnly && (!read[i] || len(in.Shift) > 0 || in.Min != 0) {
			return fmt.Errorf("plan: input %.40q: the client computes nothing of it, and it enters no slot", in.Name)
		}
	}
	for _, f := range p.Feeds {
		if f.Value < len(p.Inputs) || f.Value >= len(p.Inputs)+len(p.Head) {
			return fmt.Errorf("plan: feed of value %d: the client computes %d to %d", f.Value, len(p.Inputs), len(p.Inputs)+len(p.Head)-1)
		}
	}
	return nil
}

// checkHeadOp checks the op that makes a value of n elements.
func (p *Plan) checkHeadOp(op *HeadOp, number, n int) error {
	f, known := headOperators[op.Op]
	if !known || len(op.Node) > maxName || f.arity >= 0 && len(op.In) != f.arity || f.arity < 0 && len(op.In) == 0 {
		return fmt.Errorf("unknown operator, or one of %d values", len(op.In))
	}
	from := make([][]int, len(op.In))
	for i, x := range op.In {
		if x < 0 || x >= number {
			return fmt.Errorf("reads value %d", x)
		}
		from[i] = p.valueShape(x)
	}
	if (op.Regions != nil) != (op.Op == "copy") || (op.Data != nil) != (op.Op == "const") || notFinite(op.Alpha) || notFinite(op.Beta) {
		return errors.New("bad attributes")
	}
	return f.check(op, from, n)
}

// broadcast is the shape of what two tensors make element by element.
func broadcast(a, b []int) ([]int, bool) {
	if len(a) < len(b) {
		a, b = b, a
	}
	to := slices.Clone(a)
	for i, d := range b {
		switch at := len(a) - len(b) + i; {
		case to[at] == 1:
			to[at] = d
		case d != 1 && d != to[at]:
			return nil, false
		}
	}
	return to, true
}

// headElems is how many numbers the head holds.
func (p *Plan) headElems() (n int64) {
	for i := range p.Head {
		m, _ := checkShape(p.Head[i].Shape)
		n += int64(m)
	}
	return n
}

func (op *HeadOp) post() PostOp {
	return PostOp{Op: "func", Name: op.Name, Alpha: op.Alpha, Beta: op.Beta}
}

// EvalHead gives what the client encodes, in the order of Fed, of its inputs. The plan
// must be valid and the inputs of its shapes. An index without a row is an error.
func (p *Plan) EvalHead(inputs [][]float32) ([][]float32, error) {
	values := append(slices.Clip(inputs), make([][]float32, len(p.Head))...)
	for i := range p.Head {
		op := &p.Head[i]
		if err := p.checkIndices(op, values); err != nil {
			return nil, err
		}
		values[len(inputs)+i] = p.evalHeadOp(op, values)
	}
	var fed [][]float32
	for _, f := range p.Fed() {
		fed = append(fed, values[f.Value])
	}
	return fed, nil
}

// rowsOf is how many rows an op chooses from, and whether negative numbers count from
// the end; 0 for an op that chooses none, or nothing where there is no row.
func (p *Plan) rowsOf(op *HeadOp) (rows int, fromEnd bool) {
	switch {
	case op.Op == "lookup":
		return p.valueShape(op.In[1])[0], true
	case op.Op == "one_hot" && op.Strict:
		return op.Shape[len(op.Shape)-1], op.FromEnd
	}
	return 0, false
}

// checkIndices refuses numbers that name no row.
func (p *Plan) checkIndices(op *HeadOp, values [][]float32) error {
	rows, fromEnd := p.rowsOf(op)
	if rows == 0 {
		return nil
	}
	for i, x := range values[op.In[0]] {
		if _, ok := fn.Row(x, rows, fromEnd); !ok {
			return fmt.Errorf("%s: element %d is %v, which is no index into %d rows (node %q): give whole numbers from 0 to %d",
				p.whence(op.In[0]), i, x, rows, op.Node, rows-1)
		}
	}
	return nil
}

// whence names where a value comes from: the input, if it was only put elsewhere.
func (p *Plan) whence(value int) string {
	for at := value; ; {
		if at < len(p.Inputs) {
			return fmt.Sprintf("input %q", p.Inputs[at].Name)
		}
		op := &p.Head[at-len(p.Inputs)]
		if op.Op != "reshape" && op.Op != "copy" || len(op.In) != 1 {
			return fmt.Sprintf("what the client computes of its inputs, node %q", p.ValueName(value))
		}
		at = op.In[0]
	}
}

// Indices is how many rows the numbers of an input choose from, 0 for an input that is
// no index.
func (p *Plan) Indices(input int) (rows int) {
	for i := range p.Head {
		op := &p.Head[i]
		if n, _ := p.rowsOf(op); n > 0 && p.whence(op.In[0]) == fmt.Sprintf("input %q", p.Inputs[input].Name) && (rows == 0 || n < rows) {
			rows = n
		}
	}
	return rows
}

func (p *Plan) evalHeadOp(op *HeadOp, values [][]float32) []float32 {
	from, in := make([][]int, len(op.In)), make([][]float32, len(op.In))
	for i, x := range op.In {
		from[i], in[i] = p.valueShape(x), values[x]
	}
	n, _ := checkShape(op.Shape)
	return headOperators[op.Op].eval(op, from, in, n)
}

// stridesTo are the strides of a tensor when it is read as if it had a larger shape.
func stridesTo(from, to []int) []int {
	s := make([]int, len(to))
	stride := 1
	for e := len(from) - 1; e >= 0; e-- {
		if from[e] > 1 {
			s[e+len(to)-len(from)] = stride
		}
		stride *= from[e]
	}
	return s
}

// walk visits the elements of a shape in order, with their offsets by two lists of strides.
func walk(shape, a, b []int, visit func(at, i, j int)) {
	at := 0
	var dim func(d, i, j int)
	dim = func(d, i, j int) {
		if d == len(shape) {
			visit(at, i, j)
			at++
			return
		}
		for range shape[d] {
			dim(d+1, i, j)
			i, j = i+a[d], j+b[d]
		}
	}
	dim(0, 0, 0)
}

// Softmax is the softmax along one axis, in place.
func Softmax(x []float64, shape []int, axis int) {
	LogSoftmax(x, shape, axis)
	for i, v := range x {
		x[i] = math.Exp(v)
	}
}

// LogSoftmax is the logarithm of the softmax along one axis, in place.
func LogSoftmax(x []float64, shape []int, axis int) {
	inner := 1
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	n := shape[axis]
	lane := make([]float64, n)
	for base := 0; base < len(x); base += n * inner {
		for k := range inner {
			for i := range lane {
				lane[i] = x[base+i*inner+k]
			}
			top, sum := slices.Max(lane), 0.0
			for _, v := range lane {
				sum += math.Exp(v - top)
			}
			for i, v := range lane {
				x[base+i*inner+k] = v - (top + math.Log(sum))
			}
		}
	}
}
