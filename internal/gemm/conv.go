package gemm

import (
	"fmt"
	"math"
	"unsafe"
)

// Shape is a convolution of one input: groups of channels, each with its filters.
// Matrix products are convolutions too: In channels, Out filters, a window of ones
// for a vector and of its columns for a matrix.
type Shape struct {
	Groups, In, Out int // groups; channels and filters, of all groups together
	Window
}

// NumIn, NumOut and NumWeights are numbers of elements: x [In][spatial], weights
// [Out][In/Groups][kernel], out [Out][spatial].
func (s Shape) NumIn() int      { return s.In * numel(s.Window.In) }
func (s Shape) NumOut() int     { return s.Out * numel(s.Window.Out) }
func (s Shape) NumWeights() int { return s.Out * (s.In / s.Groups) * numel(s.Kernel) }

// validate also bounds what is multiplied at once, for offsets of 32 bits.
func (s Shape) validate() error {
	if s.Groups < 1 || s.In < 1 || s.Out < 1 || s.In%s.Groups != 0 || s.Out%s.Groups != 0 {
		return fmt.Errorf("gemm: %d channels, %d filters in %d groups", s.In, s.Out, s.Groups)
	}
	if err := s.Window.Validate(); err != nil {
		return err
	}
	if size := newLayout(s.Window).size; size > math.MaxInt32/(s.In/s.Groups) {
		return fmt.Errorf("gemm: a group of %d channels of %d elements is too large", s.In/s.Groups, size)
	}
	return nil
}

// Conv is a convolution modulo 2^bits with weights that are known beforehand,
// laid out for the kernels. It may be used by several goroutines at once, and then freed, which gives its
// memory to the next.
type Conv struct {
	shape  Shape
	narrow *conv[uint32] // at most 32 bits
	wide   *conv[uint64]
}

// NewConv lays weights out, signed numbers of 32 bits, which must stay what they are until c is freed.
func NewConv[W int32 | int64](s Shape, weights []W, bits int) (*Conv, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if len(weights) != s.NumWeights() || bits < 1 || bits > 64 {
		return nil, fmt.Errorf("gemm: %d weights for %d, %d bits", len(weights), s.NumWeights(), bits)
	}
	var beyond int64
	for _, w := range weights {
		beyond |= int64(w) ^ int64(int32(w))
	}
	if beyond != 0 {
		return nil, fmt.Errorf("gemm: weights of more than 32 bits")
	}
	c := &Conv{shape: s}
	if bits <= 32 {
		c.narrow = newConv[uint32](s, weights, Ring32())
	} else {
		c.wide = newConv[uint64](s, weights, Ring64())
	}
	return c, nil
}

// Free ends the use of c. It need not be called.
func (c *Conv) Free() {
	if c.wide != nil {
		giveBack(c.wide.memory)
	} else {
		giveBack(c.narrow.memory)
	}
	c.narrow, c.wide = nil, nil
}

// Add adds the convolution of x to out, on up to workers goroutines. Bits above those of the ring
// are without meaning.
func (c *Conv) Add(out, x []uint64, workers int) {
	if len(x) != c.shape.NumIn() || len(out) != c.shape.NumOut() {
		panic(fmt.Sprintf("BUG: gemm: %d inputs and %d outputs for %d and %d", len(x), len(out), c.shape.NumIn(), c.shape.NumOut()))
	}
	if c.wide != nil {
		c.wide.add(out, x, workers)
		return
	}
	memory := borrow[uint32](len(out))
	defer giveBack(memory)
	sum := *memory
	clear(sum)
	c.narrow.add(sum, x, workers)
	for i, v := range sum {
		out[i] += uint64(v)
	}
}

// conv is Conv over one type of words.
type conv[T uint32 | uint64] struct {
	shape   Shape
	layout  layout
	ks      Kernels[T]
	cols    columns
	spans   []span // where there are few rows
	off     []int32
	weights []T // [filter][k], or by groups as packLeft leaves them
	memory  *[]T
	packed  bool
}

func newConv[T uint32 | uint64, W int32 | int64](s Shape, weights []W, ks Kernels[T]) *conv[T] {
	c := &conv[T]{shape: s, layout: newLayout(s.Window), ks: ks}
	c.cols = c.layout.columns(c.layout.plane)
	c.off = c.layout.taps(s.In/s.Groups, c.layout.size, c.layout.plane)
	m := s.Out / s.Groups
	way := ks.wayOf(m, c.cols.n)
	c.packed = way == byTiles
	if way == byRows {
		c.spans = c.cols.spans(chunk)
	}
	if !c.packed && unsafe.Sizeof(*new(T)) == unsafe.Sizeof(*new(W)) { // residues of such numbers are what they are
		c.weights = unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(weights))), len(weights))
		return c
	}
	if !c.packed {
		c.take(len(weights))
		for i, w := range weights {
			c.weights[i] = T(w)
		}
		return c
	}
	n, size := m*len(c.off), packedLen(m, len(c.off), ks.rows)
	c.take(s.Groups * size)
	for g := range s.Groups {
		packLeft(c.weights[g*size:][:size], weights[g*n:][:n], m, ks.rows)
	}
	return c
}

// take takes memory for n weights.
func (c *conv[T]) take(n int) {
	c.memory = borrow[T](n)
	c.weights = *c.memory
}

// slack lets vectors read beyond the last element.
const slack = maxLanes

func (c *conv[T]) add(out []T, x []uint64, workers int) {
	size := c.shape.In * c.layout.size
	memory := borrow[T](size + slack)
	defer giveBack(memory)
	src := *memory
	Parallel(c.shape.In, workers, func(lo, hi int) {
		n := len(x) / c.shape.In
		fill(c.layout, src[lo*c.layout.size:hi*c.layout.size], x[lo*n:hi*n], hi-lo)
	})
	clear(src[size:])
	groups := c.shape.Groups
	if groups < 2*workers {
		for g := range groups {
			c.group(out, src, g, workers)
		}
		return
	}
	Parallel(groups, workers, func(lo, hi int) {
		for g := lo; g < hi; g++ {
			c.group(out, src, g, 1)
		}
	})
}

func (c *conv[T]) group(out, src []T, g, workers int) {
	groups := c.shape.Groups
	n, w := len(out)/groups, len(c.weights)/groups
	p := product[T]{
		out: out[g*n:][:n], src: src[g*(c.shape.In/groups)*c.layout.size:], m: c.shape.Out / groups, cols: c.cols, spans: c.spans, off: c.off,
	}
	if weights := c.weights[g*w:][:w]; c.packed {
		p.packed = weights
	} else {
		p.a = weights
	}
	p.run(c.ks, workers)
}
