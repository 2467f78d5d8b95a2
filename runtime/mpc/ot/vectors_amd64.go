//go:build !purego

package ot

import (
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/prg"
)

func xorVectors(v kernel.Variant, dst, a, b *uint64, n int) {
	if v == kernel.AVX2 {
		xor256(dst, a, b, n)
		return
	}
	xorAsm(dst, a, b, n)
}

func xorWireVectors(v kernel.Variant, dst *byte, a, b *uint64, n int) {
	if v == kernel.AVX2 {
		xorWire256(dst, a, b, n)
		return
	}
	xorWireAsm(dst, a, b, n)
}

func addMaskedVectors(v kernel.Variant, dst *uint64, src *byte, mask uint64, n int) {
	if v == kernel.AVX2 {
		addMasked256(dst, src, mask, n)
		return
	}
	addMaskedAsm(dst, src, mask, n)
}

func weighVectors(v kernel.Variant, fours *[treeGroups][4]prg.Block, leaves []prg.Block) {
	n := len(leaves) / treeGroups
	if v == kernel.AVX2 {
		for g := 0; g < treeGroups; g += 2 {
			weigh256(&fours[g][0][0], &leaves[g*n][0], n)
		}
		return
	}
	for g := 0; g < treeGroups; g += 4 {
		weigh512(&fours[g][0][0], &leaves[g*n][0], n)
	}
}

func transposeVectors(v kernel.Variant, rows, cols []prg.Block, stride int) {
	if v == kernel.AVX2 {
		var tmp [256]prg.Block
		for at := 0; at < len(rows); at += 256 {
			transpose256(&rows[at][0], &cols[at/128][0], stride, &tmp[0][0])
		}
		return
	}
	var tmp [512]prg.Block
	for at := 0; at < len(rows); at += 512 {
		transposeAsm(&rows[at][0], &cols[at/128][0], stride, &tmp[0][0])
	}
}
