package ot

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"secc.example/secc/runtime/mpc/prg"
)

// largePage is the size of a large page on amd64, and of most on arm64.
const largePage = 2 << 20

// alignedTo is the first block at a multiple of size.
func alignedTo(x []prg.Block, size uintptr) int {
	at := uintptr(unsafe.Pointer(&x[0]))
	return int((at+size-1)&^(size-1)-at) / prg.BlockSize
}

// advise asks for large pages. A system without them refuses, and nothing is lost.
func advise(x []prg.Block) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*prg.BlockSize)
	if whole := len(b) &^ (largePage - 1); whole > 0 {
		_ = unix.Madvise(b[:whole], unix.MADV_HUGEPAGE)
	}
}
