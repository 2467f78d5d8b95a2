package largepage

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// lasting is memory that is held for long and is no garbage meanwhile.
var lasting struct {
	sync.Mutex
	bytes   int64
	percent int // what the collector was told before any was
}

const (
	// leastRest is what a process holds beside it at least: percentages of less say nothing.
	leastRest = 64 << 20
	// leastPercent bounds how often the collector runs.
	leastPercent = 5
)

// Keep says that n bytes more (fewer, if negative) of the heap are held for long. The collector lets
// what is dead grow to a part of what is alive, and what is alive is mostly this: it is told a smaller
// part, so that it waits for as much garbage as without. Fresh memory costs more to touch than
// garbage to be found.
func Keep(n int64) {
	if n == 0 {
		return
	}
	lasting.Lock()
	defer lasting.Unlock()
	if lasting.bytes == 0 {
		lasting.percent = debug.SetGCPercent(-1)
	}
	lasting.bytes += n
	debug.SetGCPercent(share(lasting.percent, alive()-max(lasting.bytes-n, 0), lasting.bytes))
}

// share is the part of rest and kept together that is as much as percent of rest.
func share(percent int, rest, kept int64) int {
	if percent < 0 || kept <= 0 { // the collector is off, or there is nothing to tell
		return percent
	}
	rest = max(rest, leastRest)
	return max(int(int64(percent)*rest/(rest+kept)), min(percent, leastPercent))
}

// alive is what the last collection found alive.
func alive() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}
