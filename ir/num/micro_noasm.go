//go:build purego || !amd64

package num

// MicroFloat is the kernel for real numbers.
func MicroFloat() Micro[float32] { return microGo[float32]() }

// MicroInt is the kernel for ring elements.
func MicroInt(_ func() bool) Micro[int64] { return microGo[int64]() }

// Round rounds elements number first and following.
func (r Rounding) Round(acc []int64, first int) { r.roundGo(acc, first) }

func (c Signer) shared(out, x []int64, from, step uint64) { c.sharedGo(out, x, from, step) }

// Largest is the largest magnitude; that of a negative y is -y-1.
func Largest(x []int64) int64 { return largestGo(x) }
