package main

import "testing"

// The machine that tests run on is slower or faster than the reference, but not
// beyond reason.
func TestSpeedOfThisMachine(t *testing.T) {
	s, err := measureSpeed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", s)
	if s.Linear < 0.2 || s.Nonlinear < 0.2 || s.Linear > 50 || s.Nonlinear > 50 {
		t.Errorf("%+v", s)
	}
}
