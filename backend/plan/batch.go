package plan

import "reflect"

// Batches groups the steps of a round into calls: elementwise steps with equal
// attributes and no server weights run as one wide call, their operands joined
// end to end in step order; every other step is a call of its own. A batch
// stands where its first step stands. The cost model and the runtime both go by this.
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
	switch a.Proto {
	case ProtoRelu, ProtoClip:
		return reflect.DeepEqual(a.Compare, b.Compare)
	case ProtoExtend:
		return *a.Extend == *b.Extend
	case ProtoTruncate:
		return *a.Truncate == *b.Truncate
	case ProtoFunc:
		return reflect.DeepEqual(a.Func, b.Func) && p.Slots[a.In[0]].Bits == p.Slots[b.In[0]].Bits && p.Slots[a.In[0]].Frac == p.Slots[b.In[0]].Frac &&
			p.Slots[a.Out[0]].Bits == p.Slots[b.Out[0]].Bits && p.Slots[a.Out[0]].Frac == p.Slots[b.Out[0]].Frac
	}
	return false
}

// width is the number of elements of the wide call: of its outputs.
func (p *Plan) width(batch []*Step) int {
	n := 0
	for _, s := range batch {
		n += p.Slots[s.Out[0]].N()
	}
	return n
}
