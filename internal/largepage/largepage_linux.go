package largepage

import (
	"math/bits"
	"runtime"
	"sync"
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
// before others. A system that does not give such addresses away keeps small pages. Once a process:
// to the heap what it had before is used memory.
//
// They are taken in pieces: the first may begin in memory that was used before, and all of an
// allocation that does is cleared, hence touched.
func Heap(n int) {
	grown.Do(func() {
		if bits.UintSize < 64 || !available(n) {
			return
		}
		pieces := make([]*byte, n/piece)
		for i := range pieces {
			pieces[i] = untouched(piece)
		}
		runtime.KeepAlive(pieces)
		pieces = nil
		runtime.GC()
	})
}

var grown sync.Once

// piece is how much may be touched where memory was used before.
const piece = 16 << 20

//go:noinline
func untouched(n int) *byte { // of a size that the compiler does not know, hence on the heap
	x := unsafe.SliceData(make([]byte, n))
	at := uintptr(unsafe.Pointer(x))
	from, to := at&^(Size-1), (at+uintptr(n)+Size-1)&^(Size-1) // whole pages, with what of the heap lies before and behind
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_HUGEPAGE)
	return x
}

// available tells whether so many bytes of addresses can be had, of which the heap itself could only find out by
// ending the process.
func available(n int) bool {
	x, err := unix.Mmap(-1, 0, 2*n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	return err == nil && unix.Munmap(x) == nil
}
