//go:build purego || !amd64

package num

func elementKernels() *elementSet { return nil }
