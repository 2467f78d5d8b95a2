package backend

import "secc/backend/plan"

// schedule sorts steps into rounds: a step stands in the first round in which
// everything it reads is there, so rounds are as many as the longest chain of
// interactive steps. Local steps come before the interactive ones of their
// round; the order of the steps is otherwise kept, so it is deterministic.
func schedule(steps []plan.Step) [][]plan.Step {
	ready := map[plan.Slot]int{} // the round that may read a slot
	var local, interactive [][]plan.Step
	for _, s := range steps {
		r := 0
		for _, x := range s.In {
			r = max(r, ready[x])
		}
		for len(local) <= r {
			local, interactive = append(local, nil), append(interactive, nil)
		}
		done := r
		if row, _ := plan.Lookup(s.Proto); row.Local {
			local[r] = append(local[r], s)
		} else {
			interactive[r] = append(interactive[r], s)
			done = r + 1
		}
		for _, x := range s.Out {
			ready[x] = done
		}
	}
	rounds := make([][]plan.Step, len(local))
	for r := range rounds {
		rounds[r] = append(local[r], interactive[r]...)
	}
	return rounds
}
