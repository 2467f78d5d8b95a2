//go:build !amd64 || purego

package ring

func sliceAsm(planes *[]uint64, count int, x *uint64, blocks int, lo uint64) {
	panic("BUG: ring: assembly kernel in a portable build")
}

func sliceBytes(planes *[]uint64, count int, x *uint64, blocks int, lo uint64) {
	panic("BUG: ring: assembly kernel in a portable build")
}
