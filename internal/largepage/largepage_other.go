//go:build !linux

package largepage

// Bytes allocates n zero bytes.
func Bytes(n int) []byte { return make([]byte, n) }

// Heap has the heap's next n bytes on large pages, where the system has them.
func Heap(int) {}
