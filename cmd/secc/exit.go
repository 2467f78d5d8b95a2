package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"

	"secc.example/secc"
	"secc.example/secc/frontend/input"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/runtime/transport"
)

// The exit codes. They are part of the interface.
const (
	exitOK          = 0
	exitOther       = 1
	exitUsage       = 2 // flags, files and inputs that cannot be used
	exitUnsupported = 3 // the model is malformed or not supported
	exitTolerance   = 4 // an answer is outside the tolerance
	exitMismatch    = 5 // the parties do not run the same plan
	exitNetwork     = 6
	exitAuth        = 7
	exitViolation   = 8 // the peer sent what the protocol does not allow
	exitResources   = 9
	exitInterrupted = 130 // Ctrl-C or SIGTERM
)

// codedError carries an exit code that cannot be read off the error itself.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func coded(code int, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{code, err}
}

// usage is an error of the user's command line or files.
func usage(format string, args ...any) error {
	return &codedError{exitUsage, fmt.Errorf(format, args...)}
}

// hintedError adds a line that says what to do.
type hintedError struct {
	error
	text string
}

func (e *hintedError) Unwrap() error { return e.error }

func hint(err error, text string) error { return &hintedError{err, text} }

func hintOf(err error) string {
	var h *hintedError
	if errors.As(err, &h) {
		return h.text
	}
	if way := input.Hint(err); way != "" {
		return way
	}
	switch {
	case errors.Is(err, transport.ErrMismatch):
		return "both parties need the same .plan file, and the server the .weights file made with it"
	case errors.Is(err, transport.ErrBusy):
		return "try again later; the server's --max-sessions says how many it serves at once"
	case errors.Is(err, transport.ErrAuth):
		return "check --tls-cert, --tls-key and --tls-ca on both sides"
	}
	return ""
}

// exitCode classifies an error.
func exitCode(err error) int {
	var c *codedError
	var bad *secc.ModelError
	var model *onnx.UnsupportedError
	var node *onnx.NodeError
	var netErr net.Error
	var file *fs.PathError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &c):
		return c.code
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return exitResources
	case errors.As(err, &bad):
		return exitUnsupported
	case errors.As(err, &file):
		return exitUsage // before the network: the errors of files can be told from its only by their type
	case errors.As(err, &model), errors.As(err, &node):
		return exitUnsupported
	case errors.Is(err, transport.ErrMismatch):
		return exitMismatch
	case errors.Is(err, transport.ErrAuth):
		return exitAuth
	case errors.Is(err, transport.ErrViolation):
		return exitViolation
	case errors.Is(err, transport.ErrResources):
		return exitResources
	case errors.Is(err, transport.ErrPeerClosed), errors.Is(err, transport.ErrTimeout), errors.Is(err, transport.ErrPeerFailed), errors.Is(err, transport.ErrBusy),
		errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr):
		return exitNetwork
	}
	return exitOther
}
