package backend

import (
	"errors"
	"fmt"

	"secc/backend/plan"
)

// linearStep is a linear operator whose encoding is still to be chosen.
type linearStep struct {
	node    string
	linear  *plan.Linear
	weights []int64
}

// choosePackings fills in the encodings of all linear operators together, since
// they share the keys of a session, and proves that each decrypts correctly.
func (l *lowering) choosePackings() error {
	ls := make([]*plan.Linear, len(l.linear))
	for i, s := range l.linear {
		ls[i] = s.linear
	}
	if err := plan.ChoosePackings(ls, l.options.Profile.cost()); err != nil {
		var p *plan.PackingError
		if errors.As(err, &p) {
			return fmt.Errorf("backend: node %q: %w", l.linear[p.Index].node, err)
		}
		return fmt.Errorf("backend: %w", err)
	}
	for _, s := range l.linear {
		if err := plan.CheckNoise(s.linear, s.weights); err != nil {
			return fmt.Errorf("backend: node %q: %w", s.node, err)
		}
	}
	return nil
}
