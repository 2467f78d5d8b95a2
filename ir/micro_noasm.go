//go:build purego || !amd64

package ir

// microFloat is the kernel for real numbers.
func microFloat() micro[float32] { return microGo[float32]() }

// microInt is the kernel for ring elements.
func microInt(_ [][]int64) micro[int64] { return microGo[int64]() }
