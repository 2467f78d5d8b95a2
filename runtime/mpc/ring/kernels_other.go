//go:build !amd64 || purego

package ring

// accelerated says whether the assembly kernels run here. They do not exist in
// this build, and none of the functions below is reached.
func accelerated() bool { return false }

func sliceAsm(planes *[]uint64, count int, x *uint64, blocks int, lo uint64) {
	panic("BUG: ring: assembly kernel in a portable build")
}
