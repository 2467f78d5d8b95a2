// Package guard turns a panic of one session into that session's error. A trace prints
// arguments, and those of this program's functions are keys and shares; an unguarded
// goroutine also ends everybody else's session.
package guard

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// Error is a bug that was met: what the panic said, and where. It holds nothing else of
// what was on the stack.
type Error struct {
	Message string
	File    string // with its folder only
	Line    int
}

func (e *Error) Error() string {
	return fmt.Sprintf("internal error (a bug in secc): %s, at %s:%d", e.Message, e.File, e.Line)
}

// Do runs f and gives its error, or an *Error if it panics.
func Do(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
	}()
	return f()
}

// Go runs f on a goroutine of its own; end learns its error.
func Go(f func() error, end func(error)) { go func() { end(Do(f)) }() }

// caught describes a panic. Values that are neither texts nor the runtime's own errors are
// not printed: they could be anything.
func caught(v any) *Error {
	e := &Error{Message: fmt.Sprintf("panic with a %T", v)}
	switch v := v.(type) {
	case string:
		e.Message = v
	case runtime.Error:
		e.Message = v.Error()
	}
	e.File, e.Line = origin()
	return e
}

// origin is the innermost line outside the Go runtime below the panic.
func origin() (file string, line int) {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for panicking := false; ; {
		f, more := frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		if panicking && !inRuntime {
			dir, name := path.Split(f.File)
			return path.Join(path.Base(dir), name), f.Line
		}
		panicking = panicking || f.Function == "runtime.gopanic"
		if !more {
			return "unknown", 0
		}
	}
}
