package nonlinear

import (
	"os"
	"testing"
)

// Memory that nobody has used is full of bits here, since fresh pages would hide what is not
// cleared.
func TestMain(m *testing.M) {
	made := unused
	unused = func(n int) []uint64 {
		w := made(n)
		for i := range w {
			w[i] = 0x5eed_5eed_5eed_5eed
		}
		return w
	}
	os.Exit(m.Run())
}
