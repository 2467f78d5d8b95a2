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
// prices are of (IFMA, AVX-512): "secc bench speed" under SECC_KERNELS=vaes, avx2 and
// portable, over what it gave without a limit on the same machine, 2026-11-28. NEON has
// not been measured on a processor: it is taken for AVX2 and, in rings, for portable Go.
func kernelSpeed() choose.Speed {
	s := choose.Speed{Linear: 1, Nonlinear: 1}
	switch poly.Kernel.Variant() {
	case kernel.IFMA:
	case kernel.AVX2:
		s.Linear = 1.8
	default:
		s.Linear = 3.5
	}
	switch prg.Kernel.Variant() {
	case kernel.AVX512:
	case kernel.VAES:
		s.Nonlinear = 2
	case kernel.AVX2, kernel.NEON:
		s.Nonlinear = 2.2
	default:
		s.Nonlinear = 17
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
