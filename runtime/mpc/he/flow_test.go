package he

import (
	"errors"
	"testing"

	"secc.example/secc/runtime/guard"
)

// A worker that panics ends its flow with an error, and nobody waits for it.
func TestFlowsSurvivePanics(t *testing.T) {
	var bug *guard.Error
	err := produce(t.Context(), 9, 2, func(_, job int) ([]byte, error) {
		if job == 3 {
			panic("BUG: job")
		}
		return nil, nil
	}, func(int, []byte) error { return nil })
	if !errors.As(err, &bug) {
		t.Errorf("produce: %v", err)
	}
	err = consume(t.Context(), 9, 2, func(int) ([]byte, error) { return nil, nil }, func(_, job int, _ []byte) error {
		if job == 3 {
			panic("BUG: job")
		}
		return nil
	})
	if !errors.As(err, &bug) {
		t.Errorf("consume: %v", err)
	}
}
