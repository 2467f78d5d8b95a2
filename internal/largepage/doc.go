// Package largepage allocates memory on large pages where the system has them: half of a read at
// random is finding a small page, and fresh memory costs the more to touch, the more pages it has.
package largepage

import "unsafe"

// Words allocates n zeros.
func Words(n int) []uint64 {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(Bytes(8*n)))), n)
}
