package ask

import (
	"errors"
	"testing"
	"time"

	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/remote"
)

// What may pass is tried again, when the service says or a little later; what it may never have
// is not.
func TestPassing(t *testing.T) {
	const pause = 2 * time.Second
	for _, c := range []struct {
		err    error
		wait   time.Duration
		passes bool
	}{
		{&remote.StatusError{Status: 503, After: "7", Session: "s"}, 7 * time.Second, true},
		{&remote.StatusError{Status: 503, Session: "s"}, pause, true},
		{&remote.StatusError{Status: 429, After: "1", Session: "s"}, pause, true},
		{&remote.StatusError{Status: 429, Session: "s"}, pause, false},
		{&remote.StatusError{Status: 429}, pause, true}, // of a proxy
		{&remote.StatusError{Status: 429, After: "soon"}, 0, false},
		{&remote.StatusError{Status: 401}, pause, false},
		{&client.ConnectError{Err: errors.New("refused")}, pause, true},
		{errors.New("anything else"), pause, false},
	} {
		wait, passes := passing(c.err, pause)
		if passes != c.passes || passes && wait != c.wait {
			t.Errorf("%v: %v, %v", c.err, wait, passes)
		}
	}
}
