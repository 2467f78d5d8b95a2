package transport

import (
	"slices"
	"testing"
	"time"
)

// An alarm is never early, and waiting twice needs no second one.
func TestAlarm(t *testing.T) {
	a := newAlarm()
	defer a.close()
	var late []time.Duration
	for range 20 {
		const d = 300 * time.Microsecond
		start := time.Now()
		a.wait(d)
		took := time.Since(start)
		if took < d {
			t.Fatalf("waited %v, not %v", took, d)
		}
		late = append(late, took-d)
	}
	a.wait(-time.Second)
	slices.Sort(late)
	t.Logf("median delay beyond the time asked for: %v", late[len(late)/2])
}
