package fn

import "math"

// Row is the row of n that an index names; false if there is none. fromEnd says that
// negative ones count from the end.
func Row(x float32, n int, fromEnd bool) (row int, ok bool) {
	low := 0
	if fromEnd {
		low = -n
	}
	if !(x >= float32(low) && x < float32(n)) || x != float32(math.Trunc(float64(x))) {
		return 0, false
	}
	return (int(x) + n) % n, true
}
