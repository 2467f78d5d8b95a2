package ir

import (
	"math/bits"
	"sync"
)

// buffers hands out the memory of tensors again that nobody reads any more:
// zeroed pages cost as much as many an operator. It belongs to one evaluation
// at a time.
type buffers[T number] struct{ free map[int][][]T }

// Evaluations of the same network follow each other, so that their buffers do too.
var realBuffers, fixedBuffers sync.Pool

func buffersFrom[T number](p *sync.Pool) *buffers[T] {
	if b, ok := p.Get().(*buffers[T]); ok {
		return b
	}
	return &buffers[T]{map[int][][]T{}}
}

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
