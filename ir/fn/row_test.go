package fn

import "testing"

// Beyond 2^24 not every count has a float32: an index is a row of as many as there are.
func TestRow(t *testing.T) {
	const big = 1<<24 + 3 // float32 rounds it up
	for _, c := range []struct {
		x       float32
		n       int
		fromEnd bool
		row     int
		ok      bool
	}{
		{0, 1, false, 0, true},
		{-1, 1, false, 0, false},
		{-1, 1, true, 0, true},
		{-3, 2, true, 0, false},
		{1.5, 4, false, 0, false},
		{1 << 24, 1<<24 + 1, false, 1 << 24, true},
		{1<<24 + 2, big, false, 1<<24 + 2, true},
		{1<<24 + 4, big, false, 0, false},
		{-(1<<24 + 2), big, true, 1, true},
		{-(1<<24 + 4), big, true, 0, false},
	} {
		if row, ok := Row(c.x, c.n, c.fromEnd); row != c.row || ok != c.ok {
			t.Errorf("%v of %d rows: %d, %v; want %d, %v", c.x, c.n, row, ok, c.row, c.ok)
		}
	}
}
