//go:build !amd64 || purego

package ot

// No kernel has any of these variants in this build.
const unreachable = "BUG: ot: assembly kernel in a portable build"

func gather512(dst, leaves, x *uint64, mask uint32, index *uint64, n int) { panic(unreachable) }
func gather512Ahead(dst, leaves, x *uint64, mask uint32, index *uint64, n int) {
	panic(unreachable)
}
func gather128Ahead(dst, leaves, x *uint64, mask uint32, index *uint64, n int) {
	panic(unreachable)
}
func gather128(dst, leaves, x *uint64, mask uint32, index *uint64, n int) { panic(unreachable) }
func transposeAsm(rows, cols *uint64, stride int, tmp *uint64)            { panic(unreachable) }
func xorAsm(dst, a, b *uint64, n int)                                     { panic(unreachable) }
func xorWireAsm(dst *byte, a, b *uint64, n int)                           { panic(unreachable) }
func addMaskedAsm(dst *uint64, src *byte, mask uint64, n int)             { panic(unreachable) }
