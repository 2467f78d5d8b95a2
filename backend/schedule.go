package backend

import (
	"slices"

	"secc.example/secc/backend/plan"
)

// schedule sorts steps into rounds. A step stands after everything it reads; the
// interactive steps of a round run side by side, so a round takes as many flights
// as its longest step, which length gives. Every step starts in the first round in which
// what it reads is there; then steps move to later rounds where that makes the sum of
// the rounds' lengths smaller (a long branch beside a chain of short steps).
// Local steps come before the interactive ones of their round; the order of the steps
// is otherwise kept, so it is deterministic.
func schedule(steps []plan.Step, length func(*plan.Step) int) [][]plan.Step {
	s := newScheduling(steps, length)
	for range passesOver {
		before := s.total()
		s.spread()
		if s.total() == before {
			break
		}
	}
	return s.rounds()
}

// passesOver bounds how often all steps are looked at again.
const passesOver = 8

// scheduling is steps and the rounds they stand in.
type scheduling struct {
	steps   []plan.Step
	length  []int   // 0 for a local step
	readers [][]int // by step: later steps that read what it makes
	round   []int
}

func newScheduling(steps []plan.Step, length func(*plan.Step) int) *scheduling {
	s := &scheduling{steps: steps, length: make([]int, len(steps)), readers: make([][]int, len(steps)), round: make([]int, len(steps))}
	maker := map[plan.Slot]int{}
	for i := range steps {
		if row, _ := plan.Lookup(steps[i].Proto); !row.Local {
			s.length[i] = max(length(&steps[i]), 1)
		}
		for _, x := range steps[i].In {
			w := maker[x]
			s.readers[w] = append(s.readers[w], i)
			s.round[i] = max(s.round[i], s.round[w]+s.takes(w))
		}
		for _, x := range steps[i].Out {
			maker[x] = i
		}
	}
	return s
}

// takes is 1 for a step whose result is there in the next round only.
func (s *scheduling) takes(i int) int { return min(s.length[i], 1) }

// lengths gives, for every round, the lengths of its interactive steps.
func (s *scheduling) lengths() [][]int {
	all := make([][]int, slices.Max(append([]int{0}, s.round...))+1)
	for i, r := range s.round {
		if s.length[i] > 0 {
			all[r] = append(all[r], s.length[i])
		}
	}
	return all
}

func longest(lengths []int) int { return slices.Max(append([]int{0}, lengths...)) }

func (s *scheduling) total() (n int) {
	for _, l := range s.lengths() {
		n += longest(l)
	}
	return n
}

// spread moves every step, the last first, to the round where it adds least, the
// latest of several: that leaves room for what it reads.
func (s *scheduling) spread() {
	rounds := s.lengths()
	for i := len(s.steps) - 1; i >= 0; i-- {
		last := s.latest(i, len(rounds)-1)
		if s.length[i] == 0 {
			s.round[i] = last
			continue
		}
		from := s.round[i]
		rounds[from] = without(rounds[from], s.length[i])
		best, least := from, s.length[i]+1
		for r := from; r <= last; r++ {
			if adds := max(s.length[i]-longest(rounds[r]), 0); adds <= least {
				best, least = r, adds
			}
		}
		s.round[i] = best
		rounds[best] = append(rounds[best], s.length[i])
	}
}

// latest is the last round that step i may stand in; what nobody reads (an output) ends the plan.
func (s *scheduling) latest(i, end int) int {
	for _, r := range s.readers[i] {
		end = min(end, s.round[r]-s.takes(i))
	}
	return end
}

// without removes one of some equal lengths.
func without(lengths []int, n int) []int {
	at := slices.Index(lengths, n)
	return slices.Delete(lengths, at, at+1)
}

// rounds lays the steps out; local ones as early as they can be, rounds in which
// nothing happens left out.
func (s *scheduling) rounds() [][]plan.Step {
	ready := map[plan.Slot]int{}
	var local, interactive [][]plan.Step
	for i, step := range s.steps {
		r := 0
		for _, x := range step.In {
			r = max(r, ready[x])
		}
		if s.length[i] > 0 {
			r = s.round[i]
		}
		for len(local) <= r {
			local, interactive = append(local, nil), append(interactive, nil)
		}
		if s.length[i] == 0 {
			local[r] = append(local[r], step)
		} else {
			interactive[r] = append(interactive[r], step)
		}
		for _, x := range step.Out {
			ready[x] = r + s.takes(i)
		}
	}
	var rounds [][]plan.Step
	for r := range local {
		if both := append(local[r], interactive[r]...); len(both) > 0 {
			rounds = append(rounds, both)
		}
	}
	return rounds
}
