package main

import (
	"errors"

	"secc.example/secc"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/frontend/onnx"
	"secc.example/secc/passes"
)

// Short names of the exit codes.
const (
	exitOK          = exit.OK
	exitOther       = exit.Other
	exitUsage       = exit.Usage
	exitUnsupported = exit.Unsupported
	exitTolerance   = exit.Tolerance
	exitMismatch    = exit.Mismatch
	exitNetwork     = exit.Network
	exitAuth        = exit.Auth
	exitViolation   = exit.Violation
	exitResources   = exit.Resources
	exitInterrupted = exit.Interrupted
)

func coded(code int, err error) error { return exit.Coded(code, err) }

// usage is an error of the user's command line or files.
func usage(format string, args ...any) error { return exit.Usagef(format, args...) }

func hint(err error, text string) error { return exit.Hinted(err, text) }

func hintOf(err error) string {
	var remedied interface{ Remedy() string } // what the compiler refuses and knows a way out of
	if errors.As(err, &remedied) {
		return remedied.Remedy()
	}
	return exit.Hint(err)
}

// exitCode classifies an error: what the compiler says, then what everybody may.
func exitCode(err error) int {
	var bad *secc.ModelError
	var model *onnx.UnsupportedError
	var node *onnx.NodeError
	var poor *passes.PoorError
	var dear *passes.CostError
	switch {
	case errors.As(err, &poor):
		return exitTolerance
	case errors.As(err, &dear):
		return exitResources
	case errors.As(err, &bad), errors.As(err, &model), errors.As(err, &node):
		return exitUnsupported
	}
	return exit.Code(err)
}
