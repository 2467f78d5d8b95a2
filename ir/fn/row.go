package fn

import "math"

// Row is the row of n that an index names; false if there is none. fromEnd says that
// negative ones count from the end.
func Row(x float32, n int, fromEnd bool) (row int, ok bool) {
	low, at := 0.0, float64(x) // float32 does not hold every n
	if fromEnd {
		low = -float64(n)
	}
	if !(at >= low && at < float64(n)) || at != math.Trunc(at) {
		return 0, false
	}
	return (int(at) + n) % n, true
}
