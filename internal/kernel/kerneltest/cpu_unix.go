//go:build unix

package kerneltest

import (
	"syscall"
	"time"
)

// CPU is the processor time that this process has taken.
func CPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
