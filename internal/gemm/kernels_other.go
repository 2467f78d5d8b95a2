//go:build !amd64 || purego

package gemm

import "secc.example/secc/internal/kernel"

func ring32(kernel.Variant) Kernels[uint32] { return portable[uint32]() }
func ring64(kernel.Variant) Kernels[uint64] { return portable[uint64]() }
