//go:build !purego

package ot

import (
	"unsafe"

	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/prg"
)

func xorVectors(_ kernel.Variant, dst, a, b *uint64, n int) { xorNEON(dst, a, b, n) }

// Words in memory are in wire form.

func xorWireVectors(_ kernel.Variant, dst *byte, a, b *uint64, n int) {
	xorNEON((*uint64)(unsafe.Pointer(dst)), a, b, n)
}

func addMaskedVectors(_ kernel.Variant, dst *uint64, src *byte, mask uint64, n int) {
	addMaskedNEON(dst, src, mask, n)
}

func weighVectors(_ kernel.Variant, fours *[treeGroups][4]prg.Block, leaves []prg.Block) {
	n := len(leaves) / treeGroups
	for g := range fours {
		weighNEON(&fours[g][0][0], &leaves[g*n][0], n)
	}
}

func transposeVectors(kernel.Variant, []prg.Block, []prg.Block, int) {
	panic("BUG: ot: transposing has no variant with NEON")
}

// xorNEON sets n blocks, a multiple of 4, to a ^ b. None need be aligned.
//
//go:noescape
func xorNEON(dst, a, b *uint64, n int)

// addMaskedNEON adds n blocks of src, a multiple of 4, under the mask.
//
//go:noescape
func addMaskedNEON(dst *uint64, src *byte, mask uint64, n int)

// weighNEON weighs a group of n leaves.
//
//go:noescape
func weighNEON(dst, src *uint64, n int)
