//go:build purego || !amd64

package ir

// microFloat is the kernel for real numbers.
func microFloat() micro[float32] { return microGo[float32]() }

// microInt is the kernel for ring elements.
func microInt(_ *Value, _ [][]int64) micro[int64] { return microGo[int64]() }

func (r rounding) round(acc []int64, first int) { r.roundGo(acc, first) }

func (c signer) shared(out, x []int64, from, step uint64) { c.sharedGo(out, x, from, step) }

func largestOf(x []int64) int64 { return largestGo(x) }
