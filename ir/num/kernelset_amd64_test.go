//go:build !purego && amd64

package num

// elementKernels are the simulator's vector kernels; each reports how many
// elements it did.
func elementKernels() *elementSet {
	if !hasTiles {
		return nil
	}
	return &elementSet{Rounding.roundVectors, Signer.sharedVectors, largestVectors}
}
