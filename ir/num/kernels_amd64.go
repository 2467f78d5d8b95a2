//go:build !purego

package num

// Kernels are the ways to multiply that this machine has, for tests to run over.
func Kernels() []Kernel {
	all := []Kernel{{"go", microGo[float32](), microGo[int64]()}}
	if hasTiles {
		all = append(all, Kernel{"avx512", microFloatAsm(), microIntAsm()})
	}
	return all
}
