//go:build (!amd64 && !arm64) || purego

package ot

import "secc.example/secc/internal/kernel"

func gatherVectors(kernel.Variant, *uint64, *uint64, *uint64, uint32, *uint64, int) {
	panic(unreachable)
}

func multiply(kernel.Variant, *uint64, *uint64, *uint64, int) { panic(unreachable) }
