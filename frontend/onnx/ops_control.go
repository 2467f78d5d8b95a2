package onnx

import (
	"errors"
	"fmt"
	"slices"

	"secc.example/secc/ir"
)

// controlOps choose and repeat. A condition that is known at compile time leaves one
// branch; one that is data has both computed and the result selected, so that
// nothing tells which. Loops are unrolled.
var controlOps = map[string]opRow{
	"If":   {min: 1, max: 1, build: ifElse, graphs: []string{"then_branch", "else_branch"}},
	"Loop": {min: 0, max: many, build: loop, graphs: []string{"body"}, sequences: true, gaps: true},
	"Scan": {min: 1, max: many, build: scan, graphs: []string{"body"}, since: 9},
}

const (
	maxIterations = 4096    // of one loop
	maxUnrolled   = 1 << 17 // nodes in iterations, all loops together
)

func ifElse(c *ctx) []*operand {
	cond := c.in[0]
	if cond.N() != 1 {
		c.failf("the condition has shape %v, want one truth value", cond.shape)
	}
	if cond.con != nil {
		if cond.con.at(0) != 0 {
			return c.call(c.graphs["then_branch"])
		}
		return c.call(c.graphs["else_branch"])
	}
	before := len(c.im.report.Entries)
	a, b := c.branch(cond, "then_branch"), c.branch(cond, "else_branch")
	if len(c.im.report.Entries) > before || a == nil || b == nil { // something in them is not supported
		c.fail(errBlind)
	}
	if len(a) != len(b) {
		c.failf("its branches have %d and %d outputs", len(a), len(b))
	}
	out := make([]*operand, len(a))
	for i := range a {
		out[i] = c.selected(cond, a[i], b[i])
	}
	return out
}

// branch computes one branch of a condition that is data.
func (c *ctx) branch(cond *operand, name string) []*operand {
	outs, err := c.try(func() []*operand { return c.call(c.graphs[name]) })
	if err == nil || errors.Is(err, errBlind) {
		return outs
	}
	c.undecided(cond, fmt.Sprintf("%s cannot be computed: %v", name, err))
	return nil
}

// undecided refuses a condition that had to be known.
func (c *ctx) undecided(cond *operand, why string) {
	r := &refusal{reason: fmt.Sprintf("the condition (%q) is data, and %s", cond.name, why), hint: hints[controlFlow]}
	if name := c.decidedBy(cond); name != "" {
		r.bind, r.hint = name, setHint(name)
	}
	c.fail(r)
}

// setHint says how an input becomes a constant.
func setHint(name string) string {
	return fmt.Sprintf("if it is the same number in every run, fix it with --set %s=NUMBER", name)
}

// selected is a where the condition holds, else b.
func (c *ctx) selected(cond, a, b *operand) *operand {
	if a == b {
		return a
	}
	if a.seq != nil || b.seq != nil || !slices.Equal(a.shape, b.shape) {
		c.undecided(cond, fmt.Sprintf("the results have shapes %v and %v", a.shape, b.shape))
	}
	return where(c.with(nil, c.typed(c.reshape(cond), Bool), a, b))[0]
}

// decidedBy names the graph input that an operand is computed from, if it is one
// number.
func (c *ctx) decidedBy(o *operand) string {
	if o.graphInput != "" {
		return o.graphInput
	}
	if o.val == nil {
		return ""
	}
	name, seen := "", map[*ir.Value]bool{}
	for todo := []*ir.Value{o.val}; len(todo) > 0; {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[v] {
			continue
		}
		seen[v] = true
		if v.Op == ir.OpInput && v.Type.N() == 1 {
			name = v.Name
		}
		todo = append(todo, v.Args...)
	}
	return name
}

// iteration is the state of a loop that is being unrolled.
type iteration struct {
	*ctx
	state   []*operand
	active  *operand     // data that says whether the loop still runs; nil while it surely does
	scanned [][]*operand // for each output that collects one element an iteration, these
}

func loop(c *ctx) []*operand {
	trips := maxIterations + 1
	if len(c.in) > 0 && c.in[0] != nil {
		trips = min(trips, int(c.scalar(0, "the number of iterations", 0)))
	}
	cond := c.arg(1)
	if cond == nil {
		cond = c.known(&Tensor{DType: Bool, Shape: []int{}, I: []int64{1}})
	}
	body := c.graphs["body"]
	it := &iteration{ctx: c, state: slices.Clone(c.in[min(2, len(c.in)):])}
	if slices.Contains(it.state, nil) {
		c.failf("an initial value is left out")
	}
	count := len(body.results) - 1 - len(it.state)
	if count < 0 {
		c.failf("its body has %d outputs for %d values that are carried", len(body.results), len(it.state))
	}
	it.scanned = make([][]*operand, count)
	for i := 0; i < trips && it.goesOn(cond); i++ {
		if i == maxIterations {
			c.tooLong(cond)
		}
		number := c.known(&Tensor{DType: Int64, Shape: []int{}, I: []int64{int64(i)}})
		outs := c.call(body, append([]*operand{number, cond}, it.state...)...)
		cond = outs[0]
		it.carry(outs[1:])
	}
	return append(it.state, it.collected(body, 1+len(it.state))...)
}

// tooLong refuses a loop that does not come to its end.
func (c *ctx) tooLong(cond *operand) {
	if cond.con == nil {
		c.fail(&refusal{
			reason: fmt.Sprintf("the condition (%q) is data, and the number of iterations is not bounded by %d", cond.name, maxIterations), bind: c.decidedBy(cond),
			hint: "give the loop a trip count that is known at compile time; " + hints[controlFlow],
		})
	}
	c.fail(refuseHint("run fewer iterations, or cut the model into pieces", "it runs for more than %d iterations, which are unrolled", maxIterations))
}

// goesOn reports whether there is a next iteration, as far as that is known.
func (it *iteration) goesOn(cond *operand) bool {
	if cond.N() != 1 {
		it.failf("the condition has shape %v, want one truth value", cond.shape)
	}
	switch {
	case cond.con != nil:
		return cond.con.at(0) != 0
	case it.active == nil:
		it.active = it.reshape(cond)
	default:
		it.active = and(it.ctx, it.active, it.reshape(cond))
	}
	return true
}

// carry takes the results of an iteration. Those of one that may not have run any
// more are selected.
func (it *iteration) carry(outs []*operand) {
	for j := range it.state {
		if it.active == nil {
			it.state[j] = outs[j]
		} else {
			it.state[j] = it.selected(it.active, outs[j], it.state[j])
		}
	}
	for j := range it.scanned {
		if it.active != nil {
			it.fail(refuseHint(hints[dataShaped], "it collects elements, and their number depends on data"))
		}
		it.scanned[j] = append(it.scanned[j], outs[len(it.state)+j])
	}
}

// collected stacks what iterations gave.
func (it *iteration) collected(body *subgraph, first int) []*operand {
	outs := make([]*operand, len(it.scanned))
	for j, list := range it.scanned {
		if len(list) > 0 {
			outs[j] = it.stack(list, 0)
			continue
		}
		declared := body.outputs[first+j]
		if _, err := numel(declared.dims); err == nil && declared.known && declared.dtype.bits() != 0 {
			outs[j] = it.known(emptyTensor(declared.dtype, slices.Concat([]int{0}, declared.dims)))
		}
	}
	return outs
}

// stack concatenates along a new axis.
func (c *ctx) stack(list []*operand, axis int) *operand {
	rows := make([]*operand, len(list))
	for i, o := range list {
		if o.seq != nil {
			c.refuse(sequences)
		}
		rows[i] = c.reshape(o, slices.Insert(slices.Clone(o.shape), c.axis(axis, len(o.shape)+1), 1)...)
	}
	return c.concat(c.axis(axis, len(rows[0].shape)), rows...)
}

// scan runs its body once for every element along an axis.
func scan(c *ctx) []*operand {
	inputs, body := c.int("num_scan_inputs", 0), c.graphs["body"]
	states := len(c.in) - inputs
	collects := len(body.results) - states
	if inputs < 1 || states < 0 || collects < 0 {
		c.failf("%d scan inputs of %d, its body has %d outputs", inputs, len(c.in), len(body.results))
	}
	inAxes, outAxes := c.each("scan_input_axes", inputs), c.each("scan_output_axes", collects)
	backward, prepend := c.each("scan_input_directions", inputs), c.each("scan_output_directions", collects)
	it := &iteration{ctx: c, state: slices.Clone(c.in[:states]), scanned: make([][]*operand, collects)}
	steps := -1
	for i, x := range c.in[states:] {
		inAxes[i] = c.axis(inAxes[i], len(x.shape))
		if n := x.shape[inAxes[i]]; steps >= 0 && n != steps {
			c.failf("scan inputs have %d and %d elements", steps, n)
		}
		steps = x.shape[inAxes[i]]
	}
	if steps > maxIterations {
		c.fail(refuseHint("give a shorter sequence with --input-shape, or cut the model into pieces", "%d iterations, more than %d", steps, maxIterations))
	}
	for t := range steps {
		args := slices.Clone(it.state)
		for i, x := range c.in[states:] {
			at := t
			if backward[i] != 0 {
				at = steps - 1 - t
			}
			args = append(args, c.reshape(c.part(x, inAxes[i], at, 1), dropAxes(x.shape, []int{inAxes[i]})...))
		}
		it.carry(c.call(body, args...))
	}
	outs := it.state
	for j, list := range it.scanned {
		if len(list) == 0 {
			c.refuse("no elements to scan")
		}
		if prepend[j] != 0 {
			slices.Reverse(list)
		}
		outs = append(outs, c.stack(list, outAxes[j]))
	}
	return outs
}

// each reads a list attribute of n numbers, zeros where it is absent.
func (c *ctx) each(name string, n int) []int {
	list := c.ints(name)
	if list == nil {
		return make([]int, n)
	}
	if len(list) != n {
		c.failf("%s has %d numbers, want %d", name, len(list), n)
	}
	return list
}
