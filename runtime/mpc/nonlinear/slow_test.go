//go:build slow

package nonlinear

import "testing"

// TestSignOfManyElements takes some minutes: 10^8 elements.
func TestSignOfManyElements(t *testing.T) { checkStatistics(t, 20, 1<<20) }

// TestDReLUEverySharePairUpToTenBits tries every pair of shares of every ring of
// 8 to 10 bits, on all bit ranges and in all shapes: half a billion signs.
func TestDReLUEverySharePairUpToTenBits(t *testing.T) {
	for bits := 8; bits <= 10; bits++ {
		x := allPairs(bits)
		for hi := 1; hi <= bits; hi++ {
			for lo := 0; lo < hi; lo++ {
				for _, tree := range trees {
					checkDReLU(t, x, Sign{bits, lo, hi, tree})
				}
			}
		}
	}
}
