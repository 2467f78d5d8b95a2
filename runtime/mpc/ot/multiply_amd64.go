//go:build !purego

package ot

import "secc.example/secc/internal/kernel"

func multiply(v kernel.Variant, dst, a, b *uint64, n int) {
	if v == kernel.AVX512 {
		multiply512(dst, a, b, n)
		return
	}
	multiply128(dst, a, b, n)
}
