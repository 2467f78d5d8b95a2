package ot

import (
	"unsafe"

	"secc.example/secc/internal/largepage"
	"secc.example/secc/runtime/mpc/prg"
)

// table allocates n blocks that will be read at random.
func table(n int) []prg.Block {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*prg.Block)(unsafe.Pointer(unsafe.SliceData(largepage.Bytes(n*prg.BlockSize)))), n)
}
