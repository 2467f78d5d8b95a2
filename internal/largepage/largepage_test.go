package largepage

import (
	"runtime"
	"testing"
	"unsafe"
)

// Memory is as long as asked, zero, and where it matters on large pages' bounds.
func TestBytes(t *testing.T) {
	const page = 2 << 20
	for _, n := range []int{0, 1, page - 1, page, 5<<20 + 3} {
		b := Bytes(n)
		if len(b) != n || cap(b) > n+8 {
			t.Fatalf("%d bytes: got %d, room for %d", n, len(b), cap(b))
		}
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("%d bytes: byte %d is %d", n, i, b[i])
			}
			b[i] = 1
		}
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(b))); runtime.GOOS == "linux" && n >= page && at%page != 0 {
			t.Errorf("%d bytes do not begin at a large page", n)
		}
	}
}
