//go:build !js && !wasip1

package plan

import "syscall"

// nonBlocking opens a pipe that nobody writes to without waiting for one who does.
const nonBlocking = syscall.O_NONBLOCK
