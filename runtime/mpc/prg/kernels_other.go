//go:build !amd64 || purego

package prg

// accelerated says whether the assembly kernels run here. They do not exist in
// this build, and none of the functions below is reached.
func accelerated() bool { return false }

const unreachable = "BUG: prg: assembly kernel in a portable build"

func expandKeyAsm(key, rounds *uint64)                { panic(unreachable) }
func ctrAsm(rounds, dst *uint64, n int, first uint64) { panic(unreachable) }
func hashWordsAsm(rounds, dst, x *uint64, n int, off *uint64, index uint64) {
	panic(unreachable)
}
func expandAsm(rounds, nodes *uint64, n int, fix *uint64, at, m uint64, sum *uint64) {
	panic(unreachable)
}
func finishAsm(nodes *uint64, n int, fix *uint64, at, m, leaf, mark uint64) { panic(unreachable) }
func fold4Asm(rounds *uint64, stride int, cols *uint64, size int, sum *uint64, n int, first uint64) {
	panic(unreachable)
}
func fold16Asm(rounds *uint64, stride int, cols *uint64, size int, sum *uint64, n int, first uint64) {
	panic(unreachable)
}
