//go:build !amd64 || purego

package ot

// accelerated says whether the assembly kernels run here. They do not exist in
// this build, and none of the functions below is reached.
func accelerated() bool { return false }

const unreachable = "BUG: ot: assembly kernel in a portable build"

func gatherAsm(dst, leaves, x *uint64, mask uint32, index *uint64, n int) { panic(unreachable) }
func transposeAsm(rows, cols *uint64, stride int, tmp *uint64)            { panic(unreachable) }
func xorAsm(dst, a, b *uint64, n int)                                     { panic(unreachable) }
func xorWireAsm(dst *byte, a, b *uint64, n int)                           { panic(unreachable) }
func addMaskedAsm(dst *uint64, src *byte, mask uint64, n int)             { panic(unreachable) }
