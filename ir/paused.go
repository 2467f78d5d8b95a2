package ir

import (
	"maps"

	"secc.example/secc/ir/num"
)

// Paused is a simulation that has stopped before one of the graph's values. What
// follows can be simulated again and again while attributes of those values
// change (the low bits of comparisons, say); what was computed stays as it is.
type Paused struct {
	g      *Graph
	opt    SimOptions
	at     int // the value that comes next
	vals   map[*Value]*FixedTensor
	left   map[*Value]int // reads to come
	ranges map[*Value]Range

	factors map[*Value]bool // see factorsOnly
}

// Start takes in the inputs and stops before the first value.
func Start(g *Graph, inputs []*num.Tensor, opt SimOptions) (*Paused, error) {
	in, err := checkInputs(g, inputs)
	if err != nil {
		return nil, err
	}
	if opt.Noise == 0 {
		opt.Noise = DefaultNoise
	}
	p := &Paused{g: g, opt: opt, vals: map[*Value]*FixedTensor{}, left: g.Uses(), ranges: map[*Value]Range{}, factors: factorsOnly(g)}
	s := p.simulation()
	for i, v := range g.Inputs {
		p.vals[v] = s.input(v, in[i])
	}
	p.ranges = s.ranges
	return p, nil
}

// Advance simulates the values before number at of the graph. p stays where it
// is, and what both have computed they share.
func (p *Paused) Advance(at int) (*Paused, error) {
	q := *p
	q.at, q.vals, q.left = at, maps.Clone(p.vals), maps.Clone(p.left)
	s := p.simulation()
	s.memory, s.left = num.TensorMemory[int64](), q.left
	defer s.memory.Close()
	for _, v := range p.g.Values[p.at:at] {
		if err := asked(p.opt.Stop); err != nil {
			return nil, err
		}
		if err := s.next(v, q.vals); err != nil {
			return nil, err
		}
		if p.opt.Observe != nil {
			p.opt.Observe(v, q.vals[v])
			q.vals[v].loan = false // it may have been kept
		}
		release(v, q.left, func(x *Value) {
			if t := q.vals[x]; t.loan {
				s.memory.Put(t.Ints)
			}
			delete(q.vals, x)
		})
	}
	for _, t := range q.vals {
		if t.loan {
			t.loan = false
		}
	}
	q.ranges = s.ranges
	return &q, nil
}

// Finish simulates the rest. p stays where it is.
func (p *Paused) Finish() (*SimResult, error) {
	q, err := p.Advance(len(p.g.Values))
	if err != nil {
		return nil, err
	}
	res := &SimResult{Ranges: q.ranges}
	for _, o := range p.g.Outputs {
		res.Outputs = append(res.Outputs, q.vals[o])
	}
	return res, nil
}

// Size is the memory that the values take that are still to be read, in bytes.
func (p *Paused) Size() int {
	n := 0
	for _, t := range p.vals {
		n += 8*len(t.Ints) + 4*len(t.Real)
	}
	return n
}
