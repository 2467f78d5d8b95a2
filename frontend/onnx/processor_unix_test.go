//go:build unix

package onnx

import (
	"syscall"
	"time"
)

// processorTime is what this process has used of the processors: unlike the
// clock, it does not depend on what else the machine does.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
