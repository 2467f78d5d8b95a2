//go:build !purego

package ot

import "secc.example/secc/internal/kernel"

func gatherVectors(v kernel.Variant, dst, leaves, x *uint64, mask uint32, index *uint64, n int) {
	if v == kernel.AVX512 {
		gather512(dst, leaves, x, mask, index, n)
		return
	}
	gather128(dst, leaves, x, mask, index, n)
}
