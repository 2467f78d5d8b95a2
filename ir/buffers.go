package ir

import (
	"math/bits"
	"sync"
)

// buffers hands out the memory of tensors again that nobody reads any more:
// zeroed pages cost as much as many an operator. It belongs to one evaluation
// at a time.
type buffers[T number] struct {
	pool *sync.Pool
	free map[int][][]T // by capacity
}

// Evaluations of the same network follow each other, so that their buffers do
// too. What operators need in passing is kept apart.
var tensorPools, scratchPools sync.Map // by a zero of the element's type

func buffersFrom[T number](pools *sync.Map) *buffers[T] {
	var zero T
	p, ok := pools.Load(zero)
	if !ok {
		p, _ = pools.LoadOrStore(zero, new(sync.Pool))
	}
	if b, ok := p.(*sync.Pool).Get().(*buffers[T]); ok {
		return b
	}
	return &buffers[T]{p.(*sync.Pool), map[int][][]T{}}
}

// close leaves the buffers to whoever comes next.
func (b *buffers[T]) close() { b.pool.Put(b) }

// sizeClass rounds n up to three significant bits, so that tensors of about the
// same size share buffers.
func sizeClass(n int) int {
	low := max(0, bits.Len(uint(max(n, 1)-1))-3)
	return (n + 1<<low - 1) >> low << low
}

// get gives n elements of any content.
func (b *buffers[T]) get(n int) []T {
	c := sizeClass(n)
	free := b.free[c]
	if len(free) == 0 {
		return make([]T, n, c)
	}
	b.free[c] = free[:len(free)-1]
	return free[len(free)-1][:n]
}

// zeroed gives n zeros.
func (b *buffers[T]) zeroed(n int) []T {
	x := b.get(n)
	clear(x)
	return x
}

// put takes back what get gave.
func (b *buffers[T]) put(x []T) { b.free[cap(x)] = append(b.free[cap(x)], x) }
