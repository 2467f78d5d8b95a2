//go:build !amd64 || purego

package gemm

import "secc.example/secc/internal/kernel"

func ring32(kernel.Variant) Kernels[uint32]  { return portableRing[uint32]() }
func ring64(kernel.Variant) Kernels[uint64]  { return portableRing[uint64]() }
func small(kernel.Variant) Kernels[int64]    { return Portable[int64]() }
func real32(kernel.Variant) Kernels[float32] { return Portable[float32]() }
