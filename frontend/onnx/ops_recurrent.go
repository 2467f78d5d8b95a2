package onnx

import (
	"slices"
	"strings"

	"secc.example/secc/ir"
)

// recurrentOps are unrolled: one copy of the cell for every step of a sequence of
// known length.
var recurrentOps = map[string]opRow{
	"LSTM": {min: 3, max: 8, build: recurrent(4, []string{"Sigmoid", "Tanh", "Tanh"}, (*recurrence).lstm), since: 7},
	"GRU":  {min: 3, max: 6, build: recurrent(3, []string{"Sigmoid", "Tanh"}, (*recurrence).gru), since: 7},
	"RNN":  {min: 3, max: 6, build: recurrent(1, []string{"Tanh"}, (*recurrence).rnn), since: 7},
}

// maxSteps bounds the copies of a cell.
const maxSteps = 2048

// recurrence is one direction of a recurrent operator.
type recurrence struct {
	*ctx
	hidden, gates int
	x             []*operand // for each step what the input gives to all gates, [batch, gates*hidden]
	weights       *operand   // [hidden, gates*hidden]
	bias          *operand   // of the state's product where it is added apart; may be nil
	peepholes     []*operand // three of [hidden]; nil without
	f             []func(*operand) *operand
	lens          []int // of each sequence; nil: all are of full length
}

// cell computes one step from the input's part, the state and the cell state, which
// are nil where they are zero.
type cell func(r *recurrence, x, h, memory *operand) (next, nextMemory *operand)

func recurrent(gates int, defaults []string, step cell) func(*ctx) []*operand {
	return func(c *ctx) []*operand {
		batchFirst := c.int("layout", 0) != 0
		if batchFirst { // everything but the weights has the batch in front
			for _, i := range []int{0, 5, 6} {
				if o := c.arg(i); o != nil {
					c.rankOf(o, 3, 3)
					c.in[i] = c.transpose(o, 1, 0, 2)
				}
			}
		}
		x := c.in[0]
		c.realOnly(x)
		c.rankOf(x, 3, 3)
		directions := c.directions()
		if x.shape[0]*len(directions) > maxSteps {
			c.fail(refuseHint("give a shorter sequence with --input-shape, or cut the model into pieces", "%d steps", x.shape[0]))
		}
		functions := c.activations(defaults, len(directions))
		var all, last, memories []*operand
		for d, backward := range directions {
			r := c.direction(d, gates)
			r.f = functions[d*len(defaults) : (d+1)*len(defaults)]
			states, h, memory := r.run(step, c.state(5, d, r.hidden), c.state(6, d, r.hidden), backward)
			all, last, memories = append(all, states), append(last, h), append(memories, memory)
		}
		outs := []*operand{c.concat(1, all...), c.concat(0, last...)}
		if gates == 4 {
			outs = append(outs, c.concat(0, memories...))
		}
		if batchFirst {
			outs[0] = c.transpose(outs[0], 2, 0, 1, 3)
			for i := range outs[1:] {
				outs[i+1] = c.transpose(outs[i+1], 1, 0, 2)
			}
		}
		return outs
	}
}

// directions says which ones run backward.
func (c *ctx) directions() []bool {
	switch how := c.str("direction", "forward"); how {
	case "forward":
		return []bool{false}
	case "reverse":
		return []bool{true}
	case "bidirectional":
		return []bool{false, true}
	default:
		c.failf("direction %q", how)
		return nil
	}
}

// ofDirection takes one direction's part of weights or states.
func (c *ctx) ofDirection(o *operand, d, rank int) *operand {
	c.rankOf(o, rank, rank)
	if d >= o.shape[0] {
		c.failf("%q has shape %v, direction %d is wanted", o.name, o.shape, d)
	}
	return c.reshape(c.part(o, 0, d, 1), o.shape[1:]...)
}

// state is an initial state, nil where it is zero.
func (c *ctx) state(i, d, hidden int) *operand {
	o := c.arg(i)
	if i == 6 && c.op != "LSTM" || o == nil || c.is(o, 0, "the initial state") {
		return nil
	}
	o = c.ofDirection(o, d, 3)
	if !slices.Equal(o.shape, []int{c.in[0].shape[1], hidden}) {
		c.failf("initial state %q has shape %v, want %v", o.name, o.shape, []int{c.in[0].shape[1], hidden})
	}
	return o
}

// direction multiplies the whole input by one direction's weights.
func (c *ctx) direction(d, gates int) *recurrence {
	x, w := c.in[0], c.ofDirection(c.in[1], d, 3)
	r := &recurrence{ctx: c, gates: gates, weights: c.transpose(c.ofDirection(c.in[2], d, 3), 1, 0), hidden: c.in[2].shape[2]}
	if given := c.int("hidden_size", r.hidden); given != r.hidden {
		c.failf("hidden_size %d, weights have shape %v", given, c.in[2].shape)
	}
	width := gates * r.hidden
	if w.shape[0] != width || r.weights.shape[1] != width || w.shape[1] != x.shape[2] {
		c.failf("weights %v and %v for data %v", c.in[1].shape, c.in[2].shape, x.shape)
	}
	steps, batch := x.shape[0], x.shape[1]
	y := c.matmul(c.reshape(x, steps*batch, x.shape[2]), c.transpose(w, 1, 0), r.biases(d))
	y = c.reshape(y, steps, batch, width)
	for t := range steps {
		r.x = append(r.x, c.reshape(c.part(y, 0, t, 1), batch, width))
	}
	if p := c.arg(7); p != nil {
		p = c.ofDirection(p, d, 2)
		if p.N() != 3*r.hidden {
			c.failf("peepholes have shape %v", p.shape)
		}
		for g := range 3 {
			r.peepholes = append(r.peepholes, c.part(p, 0, g*r.hidden, r.hidden))
		}
	}
	r.lens = c.lengths(steps, batch)
	return r
}

// biases gives what is added to the input's product. The state's part goes along
// where nothing stands between the two.
func (r *recurrence) biases(d int) *operand {
	b := r.arg(3)
	if b == nil {
		return nil
	}
	b = r.ofDirection(b, d, 2)
	width := r.gates * r.hidden
	if b.N() != 2*width {
		r.failf("biases have shape %v", r.in[3].shape)
	}
	input, state := r.part(b, 0, 0, width), r.part(b, 0, width, width)
	if r.op != "GRU" || !r.flag("linear_before_reset", false) {
		return r.add(input, state)
	}
	r.bias = r.part(state, 0, 2*r.hidden, r.hidden)
	both := r.add(r.part(input, 0, 0, 2*r.hidden), r.part(state, 0, 0, 2*r.hidden))
	return r.concat(0, both, r.part(input, 0, 2*r.hidden, r.hidden))
}

// lengths reads sequence_lens; nil where all are full.
func (c *ctx) lengths(steps, batch int) []int {
	o := c.arg(4)
	if o == nil {
		return nil
	}
	if o.con == nil {
		c.fail(&refusal{
			reason: "sequence lengths (\"" + o.name + "\") that depend on data", bind: o.graphInput,
			hint: "export without sequence_lens, for sequences of one length (--input-shape gives it)",
		})
	}
	lens := c.indices(4, "sequence_lens")
	if len(lens) != batch {
		c.failf("%d lengths for a batch of %d", len(lens), batch)
	}
	for _, n := range lens {
		if n < 0 || n > steps {
			c.failf("length %d of %d steps", n, steps)
		}
	}
	if len(lens) == 0 || slices.Min(lens) == steps {
		return nil
	}
	return lens
}

// run gives the states of all steps [steps, 1, batch, hidden] and the last ones
// [1, batch, hidden].
func (r *recurrence) run(step cell, h, memory *operand, backward bool) (states, last, lastMemory *operand) {
	batch := r.in[0].shape[1]
	zero := r.expand(r.number(0, Float), batch, r.hidden)
	if r.lens != nil { // a sequence that is over keeps its state
		if h == nil {
			h = zero
		}
		if memory == nil {
			memory = zero
		}
	}
	list := make([]*operand, len(r.x))
	for i := range r.x {
		t := i
		if backward {
			t = len(r.x) - 1 - i
		}
		next, nextMemory := step(r, r.x[t], h, memory)
		list[t] = r.reshape(r.active(next, zero, t), 1, 1, batch, r.hidden)
		h = r.active(next, h, t)
		if nextMemory != nil {
			memory = r.active(nextMemory, memory, t)
		}
	}
	shaped := func(o *operand) *operand {
		if o == nil {
			o = zero
		}
		return r.reshape(o, 1, batch, r.hidden)
	}
	return r.concat(0, list...), shaped(h), shaped(memory)
}

// active takes the rows of sequences that reach step t, and others' from elsewhere.
func (r *recurrence) active(new, other *operand, t int) *operand {
	if r.lens == nil || slices.Min(r.lens) > t {
		return new
	}
	index := make([]int, len(r.lens))
	for b, n := range r.lens {
		if index[b] = b; t >= n {
			index[b] += len(r.lens)
		}
	}
	return r.gather(r.concat(0, new, other), 0, index, []int{len(index)})
}

// fromState adds the state's product with some of the gates' weights.
func (r *recurrence) fromState(x, h *operand, gate, count int) *operand {
	if h == nil {
		return x
	}
	return r.add(x, r.matmul(h, r.part(r.weights, 1, gate*r.hidden, count*r.hidden), nil))
}

// gate cuts one gate out.
func (r *recurrence) gate(x *operand, i, count int) *operand {
	return r.part(x, 1, i*r.hidden, count*r.hidden)
}

// bounded clips what goes into an activation.
func (r *recurrence) bounded(x *operand) *operand {
	if limit := r.float("clip", 0); limit > 0 {
		return r.clip(x, -limit, limit)
	}
	return x
}

// lstm has the gates input, output, forget, cell.
func (r *recurrence) lstm(x, h, memory *operand) (next, nextMemory *operand) {
	x = r.fromState(x, h, 0, 4)
	peep := func(gate *operand, i int, memory *operand) *operand {
		if r.peepholes == nil || memory == nil {
			return gate
		}
		return r.add(gate, r.mul(memory, r.peepholes[i]))
	}
	var in, out, forget *operand
	if r.peepholes == nil { // one call for three gates
		gates := r.f[0](r.bounded(r.gate(x, 0, 3)))
		in, out, forget = r.gate(gates, 0, 1), r.gate(gates, 1, 1), r.gate(gates, 2, 1)
	} else {
		in = r.f[0](r.bounded(peep(r.gate(x, 0, 1), 0, memory)))
		forget = r.f[0](r.bounded(peep(r.gate(x, 2, 1), 2, memory)))
	}
	if r.flag("input_forget", false) {
		forget = r.sub(r.number(1, Float), in)
	}
	nextMemory = r.mul(in, r.f[1](r.bounded(r.gate(x, 3, 1))))
	if memory != nil {
		nextMemory = r.add(r.mul(forget, memory), nextMemory)
	}
	if out == nil {
		out = r.f[0](r.bounded(peep(r.gate(x, 1, 1), 1, nextMemory)))
	}
	return r.mul(out, r.f[2](nextMemory)), nextMemory
}

// gru has the gates update, reset, hidden.
func (r *recurrence) gru(x, h, _ *operand) (next, none *operand) {
	gates := r.f[0](r.bounded(r.fromState(r.gate(x, 0, 2), h, 0, 2)))
	update, reset := r.gate(gates, 0, 1), r.gate(gates, 1, 1)
	hidden := r.gate(x, 2, 1)
	switch {
	case !r.flag("linear_before_reset", false):
		if h != nil {
			hidden = r.fromState(hidden, r.mul(reset, h), 2, 1)
		}
	case h != nil:
		state := r.matmul(h, r.part(r.weights, 1, 2*r.hidden, r.hidden), r.bias)
		hidden = r.add(hidden, r.mul(reset, state))
	case r.bias != nil:
		hidden = r.add(hidden, r.mul(reset, r.bias))
	}
	hidden = r.f[1](r.bounded(hidden))
	if h == nil { // (1 - update) * hidden
		return r.sub(hidden, r.mul(update, hidden)), nil
	}
	return r.add(hidden, r.mul(update, r.sub(h, hidden))), nil
}

func (r *recurrence) rnn(x, h, _ *operand) (next, none *operand) {
	return r.f[0](r.bounded(r.fromState(x, h, 0, 1))), nil
}

// activations reads the functions of all directions. Parameters are taken in
// order by those that have any.
func (c *ctx) activations(defaults []string, directions int) []func(*operand) *operand {
	names := attr(c, "activations", []string(nil))
	if names == nil {
		names = slices.Repeat(defaults, directions)
	}
	if len(names) != len(defaults)*directions {
		c.failf("activations %q, want %d", names, len(defaults)*directions)
	}
	alphas, betas := attr(c, "activation_alpha", []float32(nil)), attr(c, "activation_beta", []float32(nil))
	take := func(list *[]float32, missing float64) float64 {
		if len(*list) == 0 {
			return missing
		}
		v := (*list)[0]
		*list = (*list)[1:]
		return float64(v)
	}
	all := make([]func(*operand) *operand, len(names))
	for i, name := range names {
		a, known := cellFunctions[strings.ToLower(name)]
		if !known {
			c.failf("activation %q", name)
		}
		var alpha, beta float64
		if a.params > 0 {
			alpha = take(&alphas, a.alpha)
		}
		if a.params > 1 {
			beta = take(&betas, a.beta)
		}
		all[i] = func(x *operand) *operand { return a.apply(c, x, alpha, beta) }
	}
	return all
}

// cellFunction is an activation of a cell with its parameters' defaults.
type cellFunction struct {
	params      int
	alpha, beta float64
	apply       func(c *ctx, x *operand, alpha, beta float64) *operand
}

func cellFn(name string, params int, alpha, beta float64) cellFunction {
	return cellFunction{params, alpha, beta, func(c *ctx, x *operand, alpha, beta float64) *operand {
		return c.fn(x, name, []float64{alpha, beta}[:params]...)
	}}
}

var cellFunctions = map[string]cellFunction{
	"sigmoid": cellFn("sigmoid", 0, 0, 0), "tanh": cellFn("tanh", 0, 0, 0), "softsign": cellFn("softsign", 0, 0, 0), "softplus": cellFn("softplus", 0, 0, 0),
	"hardsigmoid": cellFn("hard_sigmoid", 2, 0.2, 0.5), "elu": cellFn("elu", 1, 1, 0), "thresholdedrelu": cellFn("thresholded_relu", 1, 1, 0),
	"relu": {0, 0, 0, func(c *ctx, x *operand, _, _ float64) *operand {
		if x.con != nil {
			return c.fn(x, "relu")
		}
		return c.emit(ir.OpRelu, nil, x.dtype, x)
	}},
	"leakyrelu": {1, 0.01, 0, func(c *ctx, x *operand, alpha, _ float64) *operand { return c.prelu(x, c.number(alpha, Float)) }},
	"affine":    {2, 1, 0, func(c *ctx, x *operand, alpha, beta float64) *operand { return c.shifted(c.scaled(x, alpha), beta) }},
	"scaledtanh": {2, 1, 1, func(c *ctx, x *operand, alpha, beta float64) *operand {
		return c.scaled(c.fn(c.scaled(x, beta), "tanh"), alpha)
	}},
}
