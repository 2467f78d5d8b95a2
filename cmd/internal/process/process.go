// Package process sets up a process that runs sessions, and tells what it has used.
package process

import (
	"context"
	"os"
	"os/exec"
	goruntime "runtime"
	"runtime/debug"
	"syscall"
	"time"

	"secc.example/secc/internal/largepage"
)

// heap is of how many bytes the first ones are on large pages: what a few sessions hold. They
// are addresses; memory is taken as it is touched.
const heap = 1 << 30

// Tune makes this process one that runs sessions on so many cores (0: all), and says how
// many there are.
func Tune(threads int) int {
	debug.SetTraceback("none") // a trace prints arguments, which here are keys and shares
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // the most memory counts here, and there is little garbage
	}
	largepage.Heap(heap)
	if threads = min(threads, goruntime.NumCPU()); threads > 0 {
		goruntime.GOMAXPROCS(threads) // the correlated OTs are made on other goroutines than the plan's
	}
	return threads
}

// Again is this program with other arguments; it gets a chance to say goodbye when the
// context ends.
func Again(ctx context.Context, args ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd, nil
}
