//go:build purego || !amd64

package num

// Kernels are the ways to multiply that this machine has, for tests to run over.
func Kernels() []Kernel { return []Kernel{{"go", microGo[float32](), microGo[int64]()}} }
