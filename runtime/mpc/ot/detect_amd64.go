//go:build !purego

package ot

import "golang.org/x/sys/cpu"

var hasKernels = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512GFNI

// accelerated says whether the assembly kernels run here.
func accelerated() bool { return hasKernels }
