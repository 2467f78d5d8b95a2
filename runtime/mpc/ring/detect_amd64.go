//go:build !purego

package ring

import "golang.org/x/sys/cpu"

var hasKernels = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ

// accelerated says whether the assembly kernels run here.
func accelerated() bool { return hasKernels }
