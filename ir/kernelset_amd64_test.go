//go:build !purego && amd64

package ir

func machineKernels() []kernelSet {
	if !hasTiles {
		return nil
	}
	return []kernelSet{{"avx512", microFloatAsm(), microIntAsm()}}
}

// elementKernels are the simulator's vector kernels; each reports how many
// elements it did.
func elementKernels() *elementSet {
	if !hasTiles {
		return nil
	}
	return &elementSet{rounding.roundVectors, signer.sharedVectors, largestVectors}
}
