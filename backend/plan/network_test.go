package plan

import (
	"slices"
	"testing"
)

// What a pool compares is worked out once, however many pools there are.
func TestLevelsAreRemembered(t *testing.T) {
	first := &Pool{C: 1, H: 4, W: 4, OH: 2, OW: 2, KH: 2, KW: 2, SH: 2, SW: 2, DH: 1, DW: 1}
	if a, b := first.LevelSizes(), first.LevelSizes(); &a[0] != &b[0] || !slices.Equal(a, []int{8, 4}) {
		t.Errorf("%v and %v", a, b)
	}
	for n := range mostLevels + 1 {
		w := &Pool{C: 1, H: 1, W: n + 2, OH: 1, OW: 1, KH: 1, KW: n + 2, SH: 1, SW: 1, DH: 1, DW: 1}
		if got := sum(w.LevelSizes()); got != n+1 {
			t.Errorf("%d comparisons for the largest of %d", got, n+2)
		}
	}
	if n := len(levels.of); n > mostLevels {
		t.Errorf("%d pools are remembered", n)
	}
}
