package gemm

import "secc.example/secc/internal/kernel"

// Number is what is multiplied.
type Number interface {
	uint32 | uint64
}

// Kernels is one way to multiply numbers of a type: what the loops below call.
type Kernels[T Number] struct {
	rows, cols int // of a tile

	// tile sets c = a*b, rows x cols, from a packed [k][rows] and b packed [k][cols].
	tile func(k int, a, b, c []T)

	// The following may be nil, and do whole vectors of lanes elements:
	// taps sets out[j] = sum_k w[k]*x[off[k]+j] for n vectors; dot returns the sum of
	// a[i]*b[i] over n vectors.
	lanes int
	taps  func(n int, off []int32, w, x, out []T)
	dot   func(n int, a, b []T) T
}

var avx2, avx512 = kernel.When(kernel.AVX2, kernel.X86.AVX2), kernel.When(kernel.AVX512, kernel.X86.AVX512)

// The hot loops, by what they multiply. Those for 64 bits take left operands that are
// signed 32-bit numbers.
var (
	KernelRing32 = kernel.New("gemm.ring32", avx2, avx512)
	KernelRing64 = kernel.New("gemm.ring64", avx2, avx512)
)

// Ring32 multiplies modulo 2^32.
func Ring32() Kernels[uint32] { return ring32(KernelRing32.Variant()) }

// Ring64 multiplies modulo 2^64; every left operand is a signed 32-bit number.
func Ring64() Kernels[uint64] { return ring64(KernelRing64.Variant()) }

// portable is Go for any number.
func portable[T Number]() Kernels[T] { return Kernels[T]{rows: 4, cols: 4, tile: tileGo[T]} }

func tileGo[T Number](k int, a, b, c []T) {
	var c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33 T
	for i := range k {
		p, q := a[4*i:4*i+4:4*i+4], b[4*i:4*i+4:4*i+4]
		a0, a1, a2, a3 := p[0], p[1], p[2], p[3]
		b0, b1, b2, b3 := q[0], q[1], q[2], q[3]
		c00, c01, c02, c03 = c00+a0*b0, c01+a0*b1, c02+a0*b2, c03+a0*b3
		c10, c11, c12, c13 = c10+a1*b0, c11+a1*b1, c12+a1*b2, c13+a1*b3
		c20, c21, c22, c23 = c20+a2*b0, c21+a2*b1, c22+a2*b2, c23+a2*b3
		c30, c31, c32, c33 = c30+a3*b0, c31+a3*b1, c32+a3*b2, c33+a3*b3
	}
	copy(c, []T{c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33})
}
