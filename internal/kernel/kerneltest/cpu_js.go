package kerneltest

import (
	"syscall/js"
	"time"
)

// CPU is the processor time that Node has taken, its compiler's and collector's too; zero in
// a browser, which does not tell.
func CPU() time.Duration {
	process := js.Global().Get("process")
	if process.IsUndefined() || process.Get("cpuUsage").Type() != js.TypeFunction {
		return 0
	}
	used := process.Call("cpuUsage")
	return time.Duration(used.Get("user").Float()+used.Get("system").Float()) * time.Microsecond
}
