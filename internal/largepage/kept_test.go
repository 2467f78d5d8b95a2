package largepage

import (
	"runtime/debug"
	"testing"
)

// What is dead may grow to the same part of all that is not kept for long.
func TestShare(t *testing.T) {
	for _, c := range []struct {
		percent    int
		rest, kept int64
		want       int
	}{
		{50, 100 << 20, 300 << 20, 12}, {50, 100 << 20, 0, 50}, {50, 0, 64 << 20, 25},
		{50, 100 << 20, 100 << 30, leastPercent}, {3, 100 << 20, 100 << 30, 3}, {-1, 100 << 20, 300 << 20, -1},
	} {
		if got := share(c.percent, c.rest, c.kept); got != c.want {
			t.Errorf("%d %% of %d, %d kept: %d, want %d", c.percent, c.rest, c.kept, got, c.want)
		}
	}
}

// The collector is told while memory is kept, and only then.
func TestKeep(t *testing.T) {
	percent := func() int {
		p := debug.SetGCPercent(-1)
		debug.SetGCPercent(p)
		return p
	}
	before := debug.SetGCPercent(80)
	defer debug.SetGCPercent(before)
	const n = leastRest
	Keep(n)
	one := percent()
	Keep(n)
	two := percent()
	Keep(-n)
	Keep(-n)
	if after := percent(); !(two < one && one < 80) || after != 80 {
		t.Errorf("percentages 80, %d, %d and then %d", one, two, after)
	}
}
