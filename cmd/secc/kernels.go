package main

import (
	"fmt"
	"io"

	"secc.example/secc/backend/choose"
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/mpc/prg"
)

// kernelSpeed is what work takes with the kernels that run here, beside those that
// prices are of (IFMA, AVX-512): fitted to scripts/bench-variants of 2026-11-29, idle (the
// page on performance has both). NEON has not been
// measured on a processor: its registers are half as wide as AVX2's.
func kernelSpeed() choose.Speed {
	s := choose.Speed{Linear: 1, Nonlinear: 1}
	switch poly.Kernel.Variant() {
	case kernel.IFMA:
	case kernel.AVX2:
		s.Linear = 1.45
	case kernel.NEON:
		s.Linear = 2.5
	default:
		s.Linear = 4.3
	}
	switch prg.Kernel.Variant() {
	case kernel.AVX512:
	case kernel.VAES:
		s.Nonlinear = 1.3
	case kernel.AVX2:
		s.Nonlinear = 1.5
	case kernel.NEON:
		s.Nonlinear = 2
	default:
		s.Nonlinear = 10.6
	}
	return s
}

// sayKernels warns of kernels without vector or AES instructions, which are what a
// run spends its time in; in detail it names all that run.
func sayKernels(w io.Writer, detail bool) {
	switch {
	case detail:
		fmt.Fprintf(w, "secc: kernels: %s\n", kernel.Summary())
	case prg.Kernel.Variant() == kernel.Portable:
		fmt.Fprintln(w, "secc: no AES instructions here (or in this build): this takes about ten times the processor time; see secc version")
	}
}
