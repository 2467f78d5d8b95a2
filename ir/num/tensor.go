// Package num is arithmetic on arrays: tensors, matrix products and convolutions over real
// numbers and over rings Z_2^k, sliding windows, and what the simulator does to every
// element, with kernels for processors with AVX-512. It knows no operators.
package num

import (
	"fmt"
	"slices"
)

// Tensor is an array of real numbers, row-major. A scalar has an empty shape.
type Tensor struct {
	Shape []int
	Data  []float32
}

// New makes a tensor around data, which is not copied.
func New(shape []int, data []float32) *Tensor {
	if len(data) != Numel(shape) {
		panic(fmt.Sprintf("BUG: num: %d elements for shape %v", len(data), shape))
	}
	return &Tensor{slices.Clone(shape), data}
}

// Numel is the product of the dimensions.
func Numel(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Wrap gives the signed representative of x in Z_2^bits.
func Wrap(x int64, bits int) int64 {
	s := uint(64 - bits)
	return x << s >> s
}
