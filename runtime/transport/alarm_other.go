//go:build !linux

package transport

import "time"

// alarm waits as exactly as the runtime's timers do.
type alarm struct{}

func newAlarm() *alarm { return &alarm{} }

func (*alarm) wait(d time.Duration) { time.Sleep(d) }

func (*alarm) close() {}
