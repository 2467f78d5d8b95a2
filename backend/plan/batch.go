package plan

import "iter"

// Batches groups the steps of a round into calls: elementwise steps with equal
// attributes and no server weights run as one wide call, their operands joined
// end to end in step order; every other step is a call of its own. A batch
// stands where its first step stands. The cost model and the runtime both go by
// this, and by Waves.
func (p *Plan) Batches(round int) [][]int {
	var all [][]int
	steps := p.Rounds[round]
	for i := range steps {
		joined := false
		for b := range all {
			if p.mergeable(&steps[all[b][0]], &steps[i]) {
				all[b], joined = append(all[b], i), true
				break
			}
		}
		if !joined {
			all = append(all, []int{i})
		}
	}
	return all
}

// mergeable reports whether two steps may run as one wide call.
func (p *Plan) mergeable(a, b *Step) bool {
	if a.Proto != b.Proto || a.W != "" || b.W != "" {
		return false
	}
	return a.does().Merges(p, a, b)
}

// width is the number of elements of the wide call: of its outputs.
func (p *Plan) width(batch []*Step) int {
	n := 0
	for _, s := range batch {
		n += p.Slots[s.Out[0]].N()
	}
	return n
}

// Limits of what runs side by side, beside the largest call of a wave: a call's
// correlated OTs are set apart before the wave starts, and its buffers add to the others'.
const (
	MaxLanes   = 8
	asideCOTs  = 1 << 20 // a direction
	asideBytes = 128 << 20
)

// Waves groups the calls of the plan, in order, into waves: calls of one round
// that run side by side, each on a lane of its own, so that the wave takes as many
// rounds as its longest call. Local calls are waves of one.
func (p *Plan) Waves() [][][]*Step {
	var waves [][][]*Step
	for r := range p.Rounds {
		var now [][]*Step
		for _, batch := range p.Batches(r) {
			call := make([]*Step, len(batch))
			for i, at := range batch {
				call[i] = &p.Rounds[r][at]
			}
			if now != nil && !p.sideBySide(append(now, call)) {
				waves, now = append(waves, now), nil
			}
			now = append(now, call)
		}
		if now != nil {
			waves = append(waves, now)
		}
	}
	return waves
}

// sideBySide reports whether two calls or more may be one wave.
func (p *Plan) sideBySide(calls [][]*Step) bool {
	var all, most COTs
	var bytes, top int64
	for _, call := range calls {
		if protocols[call[0].Proto].Local || len(calls) > MaxLanes {
			return false
		}
		c, mem := p.CallCost(call).COTs, p.sideMemory(call)
		if c.All() > most.All() {
			most = c
		}
		all, bytes, top = all.add(c), bytes+mem, max(top, mem)
	}
	return all.ServerSends-most.ServerSends <= asideCOTs && all.ClientSends-most.ClientSends <= asideCOTs && bytes-top <= asideBytes
}

func (n COTs) add(m COTs) COTs {
	return COTs{n.ServerSends + m.ServerSends, n.ClientSends + m.ClientSends}
}

// All are those of both directions.
func (n COTs) All() int64 { return n.ServerSends + n.ClientSends }

// Largest is the call of a wave that takes the most correlated OTs, the first of
// them: it takes them as they are made, the others from what was set apart.
func (p *Plan) Largest(wave [][]*Step) int {
	at, most := 0, int64(-1)
	for i, call := range wave {
		if n := p.CallCost(call).COTs.All(); n > most {
			at, most = i, n
		}
	}
	return at
}

// Lanes is the width of the widest wave, at least 1.
func (p *Plan) Lanes() int {
	n := 1
	for _, w := range p.Waves() {
		n = max(n, len(w))
	}
	return n
}

// Walk gives the calls in order with the wave each belongs to.
func (p *Plan) Walk() iter.Seq2[int, []*Step] {
	return func(yield func(int, []*Step) bool) {
		for i, w := range p.Waves() {
			for _, call := range w {
				if !yield(i, call) {
					return
				}
			}
		}
	}
}
