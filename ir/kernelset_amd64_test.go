//go:build !purego && amd64

package ir

func machineKernels() []kernelSet {
	if !hasTiles {
		return nil
	}
	return []kernelSet{{"avx512", microFloatAsm(), microIntAsm()}}
}
