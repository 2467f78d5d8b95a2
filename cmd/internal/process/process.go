// Package process sets up a process that runs sessions.
package process

import (
	"os"
	goruntime "runtime"
	"runtime/debug"
)

// Tune makes this process one that runs sessions on so many cores (0: all), and says how
// many there are.
func Tune(threads int) int {
	debug.SetTraceback("none") // a trace prints arguments, which here are keys and shares
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // the most memory counts here, and there is little garbage
	}
	if threads = min(threads, goruntime.NumCPU()); threads > 0 {
		goruntime.GOMAXPROCS(threads) // the correlated OTs are made on other goroutines than the plan's
	}
	return threads
}
