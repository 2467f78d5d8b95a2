//go:build !purego

package ot

import "secc.example/secc/internal/kernel"

func gatherAhead(_ kernel.Variant, dst, leaves, x *uint64, mask uint32, index *uint64, n int) {
	gatherNEONAhead(dst, leaves, x, mask, index, n)
}

func gatherNear(_ kernel.Variant, dst, leaves, x *uint64, mask uint32, index *uint64, n int) {
	gatherNEON(dst, leaves, x, mask, index, n)
}

// gatherNEON is gather512 of amd64.
//
//go:noescape
func gatherNEON(dst, leaves, x *uint64, mask uint32, index *uint64, n int)

// gatherNEONAhead asks for lines ahead: it reads the indices of ahead groups more.
//
//go:noescape
func gatherNEONAhead(dst, leaves, x *uint64, mask uint32, index *uint64, n int)
