//go:build !amd64 || purego

package ring

func sliceAsm(planes *[]uint64, count int, x *uint64, blocks int, lo uint64) {
	panic("BUG: ring: assembly kernel in a portable build")
}

func sliceBytes(planes *[]uint64, count int, x *uint64, blocks int, lo uint64) {
	panic("BUG: ring: assembly kernel in a portable build")
}

func packIFMA(dst *byte, x *uint64, eights, bits uint64, layout *byte) {
	panic("BUG: ring: assembly kernel in a portable build")
}

func unpackIFMA(x *uint64, src *byte, eights, bits uint64, layout *byte) {
	panic("BUG: ring: assembly kernel in a portable build")
}

func unpackAVX2(x *uint64, src *byte, eights, bits uint64, layout *byte) {
	panic("BUG: ring: assembly kernel in a portable build")
}
