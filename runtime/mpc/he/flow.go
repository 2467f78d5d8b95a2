package he

import (
	"context"
	"sync"

	"secc.example/secc/runtime/guard"
)

// produce runs work(worker, job) for jobs 0..n-1 on several workers and hands
// the results to send in order, on the calling goroutine. At most window results
// wait. The first error ends it.
func produce(ctx context.Context, n, threads int, work func(worker, job int) ([]byte, error), send func(job int, b []byte) error) error {
	threads = max(1, min(threads, n))
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	type result struct {
		b   []byte
		err error
	}
	slots := make([]chan result, n)
	for i := range slots {
		slots[i] = make(chan result, 1)
	}
	jobs := make(chan int)
	tickets := make(chan struct{}, 2*threads+2)
	wg.Add(1)
	go func() {
		defer wg.Done()
		defer close(jobs)
		for i := range n {
			select {
			case tickets <- struct{}{}:
			case <-ctx.Done():
				return
			}
			select {
			case jobs <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	for w := range threads {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range jobs {
				var r result
				if err := guard.Do(func() (err error) { r.b, err = work(w, i); return err }); err != nil {
					r = result{err: err}
				}
				slots[i] <- r
			}
		}()
	}
	for i := range n {
		select {
		case r := <-slots[i]:
			if r.err != nil {
				return r.err
			}
			if err := send(i, r.b); err != nil {
				return err
			}
			<-tickets
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// consume reads jobs 0..n-1 in order on the calling goroutine and works on them
// with several workers. The first error ends it.
func consume(ctx context.Context, n, threads int, read func(job int) ([]byte, error), work func(worker, job int, b []byte) error) error {
	threads = max(1, min(threads, n))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type item struct {
		job int
		b   []byte
	}
	items := make(chan item, threads)
	var wg sync.WaitGroup
	for w := range threads {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for it := range items {
				if ctx.Err() != nil {
					continue
				}
				if err := guard.Do(func() error { return work(w, it.job, it.b) }); err != nil {
					cancel(err)
				}
			}
		}()
	}
	err := func() error {
		defer close(items)
		for i := range n {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b, err := read(i)
			if err != nil {
				return err
			}
			items <- item{i, b}
		}
		return nil
	}()
	wg.Wait()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}
