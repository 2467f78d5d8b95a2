package largepage

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Size is that of a large page on amd64, and of most on arm64.
const Size = 2 << 20

// Bytes allocates n zero bytes. What is never touched takes no memory.
func Bytes(n int) []byte {
	if n < Size {
		return make([]byte, n)
	}
	x := make([]byte, n+Size)
	at := uintptr(unsafe.Pointer(&x[0]))
	x = x[(at+Size-1)&^(Size-1)-at:][:n:n]
	_ = unix.Madvise(x[:n&^(Size-1)], unix.MADV_HUGEPAGE) // a system without them refuses, and nothing is lost
	return x
}
