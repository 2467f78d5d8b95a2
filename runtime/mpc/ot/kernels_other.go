//go:build !amd64 || purego

package ot

// No kernel has any of these variants in this build.
const unreachable = "BUG: ot: assembly kernel in a portable build"

func transposeAsm(rows, cols *uint64, stride int, tmp *uint64) { panic(unreachable) }
func xorAsm(dst, a, b *uint64, n int)                          { panic(unreachable) }
func xorWireAsm(dst *byte, a, b *uint64, n int)                { panic(unreachable) }
func addMaskedAsm(dst *uint64, src *byte, mask uint64, n int)  { panic(unreachable) }
func transpose256(rows, cols *uint64, stride int, tmp *uint64) { panic(unreachable) }
func xor256(dst, a, b *uint64, n int)                          { panic(unreachable) }
func xorWire256(dst *byte, a, b *uint64, n int)                { panic(unreachable) }
func addMasked256(dst *uint64, src *byte, mask uint64, n int)  { panic(unreachable) }
func weigh512(dst, src *uint64, n int)                         { panic(unreachable) }
func weigh256(dst, src *uint64, n int)                         { panic(unreachable) }
