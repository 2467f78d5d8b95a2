//go:build !purego

package ot

import "secc.example/secc/internal/kernel"

func gatherVectors(_ kernel.Variant, dst, leaves, x *uint64, mask uint32, index *uint64, n int) {
	gatherNEON(dst, leaves, x, mask, index, n)
}

// gatherNEON is gather512 of amd64.
//
//go:noescape
func gatherNEON(dst, leaves, x *uint64, mask uint32, index *uint64, n int)
