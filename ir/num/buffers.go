package num

import (
	"slices"
	"sync"
)

// Buffers hands out the memory of tensors again that nobody reads any more:
// zeroed pages cost as much as many an operator. It belongs to one evaluation
// at a time.
type Buffers[T Number] struct {
	pool *sync.Pool
	free [][]T // the smallest first
}

// Evaluations of the same network follow each other, so that their buffers do
// too. What operators need in passing is kept apart.
var tensorPools, scratchPools sync.Map // by a zero of the element's type

// TensorMemory hands out the memory of tensors.
func TensorMemory[T Number]() *Buffers[T] { return buffersFrom[T](&tensorPools) }

// scratch hands out what operators need in passing.
func scratch[T Number]() *Buffers[T] { return buffersFrom[T](&scratchPools) }

// Forget drops all memory that is kept, for tests.
func Forget() {
	tensorPools.Clear()
	scratchPools.Clear()
}

func buffersFrom[T Number](pools *sync.Map) *Buffers[T] {
	var zero T
	p, ok := pools.Load(zero)
	if !ok {
		p, _ = pools.LoadOrStore(zero, new(sync.Pool))
	}
	if b, ok := p.(*sync.Pool).Get().(*Buffers[T]); ok {
		return b
	}
	return &Buffers[T]{pool: p.(*sync.Pool)}
}

// Close leaves the buffers to whoever comes next.
func (b *Buffers[T]) Close() { b.pool.Put(b) }

// roomiest is how much larger a buffer may be than what is asked for: tensors
// that grow from layer to layer then share what the last of them needs.
const roomiest = 4

// Get gives n elements of any content. If there is nothing to fit, new memory
// takes the place of the largest that is too small.
func (b *Buffers[T]) Get(n int) []T {
	i := b.place(n)
	if i < len(b.free) && cap(b.free[i]) <= roomiest*n {
		x := b.free[i][:n]
		b.free = slices.Delete(b.free, i, i+1)
		return x
	}
	if i > 0 {
		b.free = slices.Delete(b.free, i-1, i)
	}
	return make([]T, n)
}

// Put takes back what Get gave.
func (b *Buffers[T]) Put(x []T) { b.free = slices.Insert(b.free, b.place(cap(x)), x) }

// place is that of the first buffer with room for n.
func (b *Buffers[T]) place(n int) int {
	i, _ := slices.BinarySearchFunc(b.free, n, func(x []T, n int) int { return cap(x) - n })
	return i
}
