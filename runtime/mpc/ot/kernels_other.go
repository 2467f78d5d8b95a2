//go:build (!amd64 && !arm64) || purego

package ot

import (
	"secc.example/secc/internal/kernel"
	"secc.example/secc/runtime/mpc/prg"
)

// No kernel has any variant but the portable one in this build.

const unreachable = "BUG: ot: assembly kernel in a portable build"

func xorVectors(kernel.Variant, *uint64, *uint64, *uint64, int)             { panic(unreachable) }
func xorWireVectors(kernel.Variant, *byte, *uint64, *uint64, int)           { panic(unreachable) }
func addMaskedVectors(kernel.Variant, *uint64, *byte, uint64, int)          { panic(unreachable) }
func weighVectors(kernel.Variant, *[treeGroups][4]prg.Block, []prg.Block)   { panic(unreachable) }
func transposeVectors(v kernel.Variant, rows, cols []prg.Block, stride int) { panic(unreachable) }
