package ir

import (
	"errors"
	"testing"
)

// An evaluation, a simulation and one that is resumed end with what Stop says, before the
// value at which it says so.
func TestStopEnds(t *testing.T) {
	g, in := residual(t)
	q := quantize(t, g, in, 14, 8)
	enough := errors.New("enough")
	for name, run := range map[string]struct {
		values int
		with   func(stop func() error) error
	}{
		"evaluation": {len(g.Values), func(stop func() error) error {
			_, err := Eval(g, in, EvalOptions{Stop: stop})
			return err
		}},
		"simulation": {len(q.Values), func(stop func() error) error {
			_, err := Simulate(q, in, SimOptions{Stop: stop})
			return err
		}},
		"resumed simulation": {len(q.Values), func(stop func() error) error {
			p, err := Start(q, in, SimOptions{Stop: stop})
			if err != nil {
				return err
			}
			if p, err = p.Advance(len(q.Values) / 2); err != nil {
				return err
			}
			_, err = p.Finish()
			return err
		}},
	} {
		for at := range run.values + 1 {
			asked := 0
			err := run.with(func() error {
				if asked++; asked > at {
					return enough
				}
				return nil
			})
			if stopped := at < run.values; errors.Is(err, enough) != stopped || !stopped && err != nil {
				t.Errorf("%s of %d values, stopped before number %d: %v", name, run.values, at, err)
			}
			if asked > at+1 {
				t.Errorf("%s, stopped before number %d: went on to %d", name, at, asked)
			}
		}
	}
}
