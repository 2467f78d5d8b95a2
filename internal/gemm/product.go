package gemm

import "sync"

// kBlock and panels size the packed block of the right operand, so that it
// stays in the second-level cache while the left one streams past.
const (
	kBlock = 256
	panels = 4
)

// run is n columns that stand side by side in the right operand, from element at on.
type run struct{ at, n int32 }

// columns is where the columns of a right operand stand.
type columns struct {
	runs []run
	n    int
}

// product describes out[m][p] += sum_k a[m][k] * src[at[p]+off[k]]: a matrix product
// whose right operand is read through offsets, so that a convolution never writes its
// columns out.
type product[T Number] struct {
	out, a, src []T
	m           int
	cols        columns
	off         []int32
	packed      []T    // by tiles: a as packLeft leaves it
	spans       []span // by rows: of cols
}

// way is how a product is made.
type way int

const (
	byTiles  way = iota
	byRows       // few rows: packing would cost more than it saves
	byColumn     // few columns: most of a tile would be wasted
)

// wayOf chooses for products of m rows and n columns.
func (ks Kernels[T]) wayOf(m, n int) way {
	switch {
	case m < leastRows(ks.rows):
		return byRows
	case n <= ks.cols/4:
		return byColumn
	}
	return byTiles
}

// leastRows is how many rows it takes for packing to pay.
func leastRows(rows int) int { return rows / 2 }

// run multiplies, side by side on up to workers goroutines.
func (g product[T]) run(ks Kernels[T], workers int) {
	switch ks.wayOf(g.m, g.cols.n) {
	case byRows:
		g.byRows(ks, workers)
	case byColumn:
		g.byColumn(ks, workers)
	default:
		g.byTiles(ks, workers)
	}
}

// byTiles packs the right operand. Workers take blocks of columns, and where there are
// fewer of those than workers, a part of the rows each.
func (g product[T]) byTiles(ks Kernels[T], workers int) {
	blocks := g.cols.blocks(ks.cols * panels)
	tiles := (g.m + ks.rows - 1) / ks.rows
	parts := min(tiles, max(1, workers/max(1, len(blocks))))
	Parallel(len(blocks)*parts, workers, func(lo, hi int) {
		memory := borrow[T](kBlock*ks.cols*panels + ks.rows*ks.cols)
		defer giveBack(memory)
		b, tile := (*memory)[:kBlock*ks.cols*panels], (*memory)[kBlock*ks.cols*panels:]
		for i := lo; i < hi; i++ {
			part := i % parts
			g.block(ks, b, tile, blocks[i/parts], ks.rows*(tiles*part/parts), min(g.m, ks.rows*(tiles*(part+1)/parts)))
		}
	})
}

// block is a range of columns and the runs that they stand in.
type block struct {
	from, to int
	runs     []run // cut to the range
}

// blocks cuts the columns into ranges of wide.
func (c columns) blocks(wide int) []block {
	all := make([]block, 0, (c.n+wide-1)/wide)
	b := block{}
	for _, r := range c.runs {
		for r.n > 0 {
			n := min(r.n, int32(wide-(b.to-b.from)))
			b.runs = append(b.runs, run{r.at, n})
			b.to += int(n)
			r.at, r.n = r.at+n, r.n-n
			if b.to-b.from == wide {
				all = append(all, b)
				b = block{from: b.to, to: b.to}
			}
		}
	}
	if b.to > b.from {
		all = append(all, b)
	}
	return all
}

// block computes some columns of rows [m0, m1) of the result.
func (g product[T]) block(ks Kernels[T], b, tile []T, c block, m0, m1 int) {
	k := len(g.off)
	for k0 := 0; k0 < k; k0 += kBlock {
		k1 := min(k0+kBlock, k)
		g.packRight(b, c.runs, ks.cols, k0, k1)
		for m := m0; m < m1; m += ks.rows {
			a := g.packed[m*k+k0*ks.rows:]
			for p, j := c.from, 0; p < c.to; p, j = p+ks.cols, j+1 {
				ks.tile(k1-k0, a, b[j*kBlock*ks.cols:], tile)
				g.add(tile, ks, m, p, c.to)
			}
		}
	}
}

// add puts a tile in its place; rows and columns beyond the edge are padding.
func (g product[T]) add(tile []T, ks Kernels[T], m, p, p1 int) {
	n := g.cols.n
	for i := 0; i < ks.rows && m+i < g.m; i++ {
		t := tile[i*ks.cols:][:min(ks.cols, p1-p)]
		addTo(g.out[(m+i)*n+p:][:len(t)], t)
	}
}

func addTo[T Number](dst, src []T) {
	dst = dst[:len(src)]
	for i, x := range src {
		dst[i] += x
	}
}

// packLeft lays the left operand a[m][k] out as [block of rows][k][rows]. What stands
// in rows beyond the last does not matter: nobody reads their products.
func packLeft[T Number, S int32 | int64](packed []T, a []S, m, rows int) {
	k := len(a) / m
	const cols = 64 // of all rows of a block at a time, so that what is written stays in the cache
	for m0 := 0; m0 < m; m0 += rows {
		block := packed[m0*k:][:rows*k]
		for k0 := 0; k0 < k; k0 += cols {
			for r := range min(rows, m-m0) {
				dst := block[k0*rows+r:]
				for i, x := range a[(m0+r)*k:][k0:min(k0+cols, k)] {
					dst[i*rows] = T(x)
				}
			}
		}
	}
}

func packedLen(m, k, rows int) int { return (m + rows - 1) / rows * rows * k }

// packRight lays columns of rows [k0, k1) of the right operand out in panels
// [k][cols], kBlock rows apart.
func (g product[T]) packRight(b []T, runs []run, cols, k0, k1 int) {
	at := 0 // of the panel's columns
	for _, r := range runs {
		for r.n > 0 {
			n := min(r.n, int32(cols-at))
			packRun(b[at:], g.src[r.at:], int(n), cols, g.off[k0:k1])
			r.at, r.n, at = r.at+n, r.n-n, at+int(n)
			if at == cols {
				b, at = b[kBlock*cols:], 0
			}
		}
	}
	if at > 0 {
		for i := range k1 - k0 {
			clear(b[i*cols+at:][:cols-at])
		}
	}
}

// packRun writes n elements of every row.
func packRun[T Number](b, src []T, n, cols int, off []int32) {
	switch n {
	case 32:
		for i, o := range off {
			*(*[32]T)(b[i*cols:]) = [32]T(src[o:])
		}
	case 16:
		for i, o := range off {
			*(*[16]T)(b[i*cols:]) = [16]T(src[o:])
		}
	case 1:
		for i, o := range off {
			b[i*cols] = src[o]
		}
	default:
		for i, o := range off {
			copy(b[i*cols:][:n], src[o:])
		}
	}
}

// byColumn makes every column a vector, and its products with the rows.
func (g product[T]) byColumn(ks Kernels[T], workers int) {
	k := len(g.off)
	memory := borrow[T](k)
	defer giveBack(memory)
	x := *memory
	p := 0
	for _, r := range g.cols.runs {
		for i := range int(r.n) {
			packRun(x, g.src[int(r.at)+i:], 1, 1, g.off)
			Parallel(g.m, workers, func(lo, hi int) {
				for m := lo; m < hi; m++ {
					g.out[m*g.cols.n+p] += ks.dotProduct(g.a[m*k:][:k], x)
				}
			})
			p++
		}
	}
}

func (ks Kernels[T]) dotProduct(a, b []T) (s T) {
	if n := len(a) / max(1, ks.lanes); n > 0 && ks.dot != nil {
		s = ks.dot(n, a, b)
		a, b = a[n*ks.lanes:], b[n*ks.lanes:]
	}
	b = b[:len(a)]
	for i, x := range a {
		s += x * b[i]
	}
	return s
}

// Chunks of columns that rows are made of: what they read stays in the cache.
const chunk = 1024

// byRows goes along the right operand as it lies. Where runs stand close, what is
// between them is computed too, and dropped.
func (g product[T]) byRows(ks Kernels[T], workers int) {
	reach := 0
	for _, o := range g.off {
		reach = max(reach, int(o))
	}
	Parallel(len(g.spans), workers, func(lo, hi int) {
		memory := borrow[T](2*chunk + maxLanes)
		defer giveBack(memory)
		for _, s := range g.spans[lo:hi] {
			g.span(ks, s, reach, *memory)
		}
	})
}

// span is some runs and what lies between them.
type span struct {
	runs  []run
	at, n int // in the right operand, with what lies between
	first int // column
}

// spans cuts the columns into spans of at most 2*most elements, at most half of them between runs.
func (c columns) spans(most int) (all []span) {
	s, used, col := span{}, 0, 0
	for _, r := range c.runs {
		for r.n > 0 {
			n := min(int(r.n), most)
			reach := int(r.at) + n - s.at
			if s.n > 0 && (int(r.at) < s.at+s.n || reach > 2*(used+n) || used+n > most) {
				all = append(all, s)
				s = span{}
			}
			if s.n == 0 {
				s, used = span{at: int(r.at), first: col}, 0
			}
			s.runs = append(s.runs, run{r.at, int32(n)})
			s.n, used, col = int(r.at)+n-s.at, used+n, col+n
			r.at, r.n = r.at+int32(n), r.n-int32(n)
		}
	}
	if s.n > 0 {
		all = append(all, s)
	}
	return all
}

// span computes a span of all rows; reach is the largest offset.
func (g product[T]) span(ks Kernels[T], s span, reach int, acc []T) {
	k, n := len(g.off), g.cols.n
	for m := range g.m {
		g.taps(ks, acc, s, g.a[m*k:][:k], reach)
		out := g.out[m*n+s.first:]
		for _, r := range s.runs {
			addTo(out[:r.n], acc[int(r.at)-s.at:][:r.n])
			out = out[r.n:]
		}
	}
}

const maxLanes = 16

// taps sets acc[j] = sum_k w[k]*src[at+off[k]+j]. Vectors go beyond the last element
// where src does.
func (g product[T]) taps(ks Kernels[T], acc []T, s span, w []T, reach int) {
	src, done := g.src[s.at:], 0
	if ks.taps != nil {
		n := (s.n + ks.lanes - 1) / ks.lanes
		if reach+n*ks.lanes > len(src) {
			n = s.n / ks.lanes
		}
		if n > 0 {
			ks.taps(n, g.off, w, src, acc)
		}
		done = min(s.n, n*ks.lanes)
	}
	rest := acc[done:s.n]
	if len(rest) == 0 {
		return
	}
	clear(rest)
	for i, x := range w {
		from := src[int(g.off[i])+done:][:len(rest)]
		for j, y := range from {
			rest[j] += x * y
		}
	}
}

// Parallel splits [0, n) among workers.
func Parallel(n, workers int, f func(lo, hi int)) {
	workers = min(workers, n)
	if workers <= 1 {
		if n > 0 {
			f(0, n)
		}
		return
	}
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { f(i*n/workers, (i+1)*n/workers) })
	}
	wg.Wait()
}

// scratch keeps memory that products need in passing, by a zero of the element's type.
var scratch sync.Map

// borrow gives n elements of any content.
func borrow[T Number](n int) *[]T {
	var zero T
	p, ok := scratch.Load(zero)
	if !ok {
		p, _ = scratch.LoadOrStore(zero, new(sync.Pool))
	}
	m, ok := p.(*sync.Pool).Get().(*[]T)
	if !ok || cap(*m) < n {
		fresh := make([]T, n)
		return &fresh
	}
	*m = (*m)[:n]
	return m
}

func giveBack[T Number](m *[]T) {
	var zero T
	if m == nil {
		return
	}
	if p, ok := scratch.Load(zero); ok {
		p.(*sync.Pool).Put(m)
	}
}
