//go:build !purego

package ot

import "secc.example/secc/internal/kernel"

// gatherAhead reads the indices of ahead groups more than n.
func gatherAhead(v kernel.Variant, dst, leaves, x *uint64, mask uint32, index *uint64, n int) {
	if v == kernel.AVX512 {
		gather512Ahead(dst, leaves, x, mask, index, n)
		return
	}
	gather128Ahead(dst, leaves, x, mask, index, n)
}

func gatherNear(v kernel.Variant, dst, leaves, x *uint64, mask uint32, index *uint64, n int) {
	if v == kernel.AVX512 {
		gather512(dst, leaves, x, mask, index, n)
		return
	}
	gather128(dst, leaves, x, mask, index, n)
}
