package passes

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// overInputs calls f for each of n inputs, as many at once as there are cores,
// in order. f may use the given number of workers itself. What f finds must not
// depend on which others are done: the answer is the same on any number of
// cores. Of several errors it gives that of the first input.
func overInputs(n int, f func(i, workers int) error) error {
	cores := runtime.GOMAXPROCS(0)
	at := min(n, cores)
	errs := make([]error, n)
	var next atomic.Int64
	var failed atomic.Bool
	var wg sync.WaitGroup
	for range at {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !failed.Load(); i = int(next.Add(1)) - 1 {
				if errs[i] = f(i, max(1, cores/at)); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
