package backend

import "secc/backend/plan"

// choosePacking fills in the encoding that is fastest under the profile. The
// search takes a while, and networks repeat their shapes, so it remembers.
func (l *lowering) choosePacking(lin *plan.Linear) error {
	key := *lin
	if p, ok := l.packings[key]; ok {
		lin.Packing = p
		return nil
	}
	if err := plan.ChoosePacking(lin, l.options.Profile.cost()); err != nil {
		return err
	}
	l.packings[key] = lin.Packing
	return nil
}
