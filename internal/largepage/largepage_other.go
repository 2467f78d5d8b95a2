//go:build !linux

package largepage

// Bytes allocates n zero bytes.
func Bytes(n int) []byte { return make([]byte, n) }
