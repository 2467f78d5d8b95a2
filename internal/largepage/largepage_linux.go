package largepage

import (
	"math/bits"
	"runtime"
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

// Heap has the next n bytes that the process's heap grows by on large pages: it takes addresses of which it
// touches none, gives advice on them, and hands them to the heap as garbage, which takes them again
// before others. A system that does not give such addresses away keeps small pages.
func Heap(n int) {
	if bits.UintSize < 64 || !available(n) {
		return
	}
	_ = untouched(n)
	runtime.GC()
}

//go:noinline
func untouched(n int) *byte { return unsafe.SliceData(Bytes(n)) } // of a size that the compiler does not know, hence on the heap

// available tells whether so many bytes of addresses can be had, of which the heap itself could only find out by
// ending the process.
func available(n int) bool {
	x, err := unix.Mmap(-1, 0, 2*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	return err == nil && unix.Munmap(x) == nil
}
