//go:build !purego

package prg

import "golang.org/x/sys/cpu"

var hasKernels = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512VAES && cpu.X86.HasBMI2 && cpu.X86.HasAES

// accelerated says whether the assembly kernels run here.
func accelerated() bool { return hasKernels }
