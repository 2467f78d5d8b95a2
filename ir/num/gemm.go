package num

import "sync"

// Number is what tensors are made of: float32 for real numbers, int64 for ring
// elements (products and sums wrap mod 2^64, which any ring Z_2^k divides).
type Number interface{ float32 | float64 | int64 }

// Micro is a register-blocked matrix product: Run computes the Rows x Cols tile
// c = a*b from a packed [k][Rows] and b packed [k][Cols].
type Micro[T Number] struct {
	Rows, Cols int
	Run        func(k int, a, b, c []T)
}

// Kernel is one way to multiply.
type Kernel struct {
	Name  string
	Float Micro[float32]
	Int   Micro[int64]
}

// kBlock and panels size the packed block of the right operand, so that it
// stays in the second-level cache while the left one streams past.
const (
	kBlock = 256
	panels = 4
)

// microGo is the portable kernel.
func microGo[T Number]() Micro[T] { return Micro[T]{4, 4, tileGo[T]} }

func tileGo[T Number](k int, a, b, c []T) {
	var c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33 T
	for i := 0; i < k; i++ {
		p, q := a[4*i:4*i+4:4*i+4], b[4*i:4*i+4:4*i+4]
		a0, a1, a2, a3 := p[0], p[1], p[2], p[3]
		b0, b1, b2, b3 := q[0], q[1], q[2], q[3]
		c00, c01, c02, c03 = c00+a0*b0, c01+a0*b1, c02+a0*b2, c03+a0*b3
		c10, c11, c12, c13 = c10+a1*b0, c11+a1*b1, c12+a1*b2, c13+a1*b3
		c20, c21, c22, c23 = c20+a2*b0, c21+a2*b1, c22+a2*b2, c23+a2*b3
		c30, c31, c32, c33 = c30+a3*b0, c31+a3*b1, c32+a3*b2, c33+a3*b3
	}
	copy(c, []T{c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33})
}

// gemm describes out[m][p] += sum_k a[m][k] * src[base[p]+off[k]]: a matrix
// product whose right operand is read through an index map, so that a
// convolution never writes its columns out.
type gemm[T Number] struct {
	out, a, src []T
	m           int
	base, off   []int32
	packed      []T // a as packA leaves it, where somebody has it already
}

// run multiplies, in parallel over columns of the result.
func (g gemm[T]) run(mk Micro[T], workers int) {
	if g.m < leastRows(mk.Rows) {
		g.runRows(workers)
		return
	}
	memory := scratch[T]()
	defer memory.Close()
	packed := g.packed
	if packed == nil {
		packed = memory.Get(packedLen(g.m, len(g.off), mk.Rows))
		defer memory.Put(packed)
		packA(packed, g.a, g.m, mk.Rows)
	}
	wide := mk.Cols * panels
	blocks := (len(g.base) + wide - 1) / wide
	Parallel(blocks, workers, func(lo, hi int) {
		memory := scratch[T]()
		defer memory.Close()
		b, tile := memory.Get(kBlock*wide), memory.Get(mk.Rows*mk.Cols)
		defer memory.Put(b)
		defer memory.Put(tile)
		for i := lo; i < hi; i++ {
			g.block(mk, packed, b, tile, i*wide, min((i+1)*wide, len(g.base)))
		}
	})
}

// leastRows is how many rows it takes for packing to pay.
func leastRows(rows int) int { return rows / 2 }

// block computes columns [p0, p1) of the result.
func (g gemm[T]) block(mk Micro[T], packed, b, tile []T, p0, p1 int) {
	k := len(g.off)
	for k0 := 0; k0 < k; k0 += kBlock {
		k1 := min(k0+kBlock, k)
		for p, j := p0, 0; p < p1; p, j = p+mk.Cols, j+1 {
			g.packB(b[j*kBlock*mk.Cols:], p, min(p+mk.Cols, p1), mk.Cols, k0, k1)
		}
		for m := 0; m < g.m; m += mk.Rows {
			a := packed[m*k+k0*mk.Rows:]
			for p, j := p0, 0; p < p1; p, j = p+mk.Cols, j+1 {
				mk.Run(k1-k0, a, b[j*kBlock*mk.Cols:], tile)
				g.add(tile, mk, m, p, p1)
			}
		}
	}
}

// add puts a tile in its place; rows and columns beyond the edge are padding.
func (g gemm[T]) add(tile []T, mk Micro[T], m, p, p1 int) {
	n := len(g.base)
	for i := 0; i < mk.Rows && m+i < g.m; i++ {
		t := tile[i*mk.Cols:][:min(mk.Cols, p1-p)]
		o := g.out[(m+i)*n+p:][:len(t)]
		for j, x := range t {
			o[j] += x
		}
	}
}

// MatMul adds to out the product of a (m x k) and b (k x n).
func MatMul[T Number](out, a, b []T, m, k, n int, mk Micro[T], workers int) {
	base, off := grid([]int{n}, []int{1}, []int{n}), grid([]int{k}, []int{1}, []int{k, n})
	gemm[T]{out: out, a: a, src: b, m: m, base: base, off: off}.run(mk, workers)
}

// Pack lays weights [groups*m][k] out, by group, as kernels with so many rows want them;
// nil where m is too small for that to pay.
func Pack[T Number](w []T, groups, m, rows int) [][]T {
	if m < leastRows(rows) {
		return nil
	}
	n := len(w) / groups
	packed := make([][]T, groups)
	for g := range packed {
		packed[g] = make([]T, packedLen(m, n/m, rows))
		packA(packed[g], w[g*n:][:n], m, rows)
	}
	return packed
}

// PackedLen is how many elements Pack makes of n weights; 0 where it gives nil.
func PackedLen(n, groups, m, rows int) int {
	if m < leastRows(rows) {
		return 0
	}
	return groups * packedLen(m, n/groups/m, rows)
}

// packA lays the left operand a[m][k] out as [block of rows][k][rows]. What stands
// in rows beyond the last does not matter: nobody reads their products.
func packA[T Number](packed, a []T, m, rows int) {
	k := len(a) / m
	const cols = 64 // of all rows of a block at a time, so that what is written stays in the cache
	for m0 := 0; m0 < m; m0 += rows {
		block := packed[m0*k:][:rows*k]
		for k0 := 0; k0 < k; k0 += cols {
			for r := range min(rows, m-m0) {
				dst := block[k0*rows+r:]
				for i, x := range a[(m0+r)*k:][k0:min(k0+cols, k)] {
					dst[i*rows] = x
				}
			}
		}
	}
}

func packedLen(m, k, rows int) int { return (m + rows - 1) / rows * rows * k }

// packB lays columns [p, p1) of rows [k0, k1) of the right operand out as [k][cols].
func (g gemm[T]) packB(b []T, p, p1, cols, k0, k1 int) {
	base := g.base[p:p1]
	n := len(base)
	contiguous := n == cols && int(base[n-1]-base[0]) == n-1
	for _, off := range g.off[k0:k1] {
		if contiguous && cols == 16 {
			*(*[16]T)(b) = [16]T(g.src[base[0]+off:])
		} else if contiguous {
			copy(b[:cols], g.src[base[0]+off:])
		} else {
			src := g.src[off:]
			for j, x := range base {
				b[j] = src[x]
			}
			clear(b[n:cols])
		}
		b = b[cols:]
	}
}

// runRows is for few rows (a vector, a depthwise filter): packing would cost
// more than it saves.
func (g gemm[T]) runRows(workers int) {
	n, k := len(g.base), len(g.off)
	const chunk = 1024
	chunks := (n + chunk - 1) / chunk
	Parallel(chunks, workers, func(lo, hi int) {
		p0, p1 := lo*chunk, min(hi*chunk, n)
		for p := p0; p < p1; p += chunk {
			q := min(p+chunk, p1)
			for m := 0; m < g.m; m++ {
				g.row(g.out[m*n+p:m*n+q], g.a[m*k:][:k], g.base[p:q])
			}
		}
	})
}

func (g gemm[T]) row(out, a []T, base []int32) {
	contiguous := int(base[len(base)-1]-base[0]) == len(base)-1
	for i, w := range a {
		if contiguous {
			src := g.src[base[0]+g.off[i]:][:len(out)]
			for j, x := range src {
				out[j] += w * x
			}
			continue
		}
		src := g.src[g.off[i]:]
		for j, p := range base[:len(out)] {
			out[j] += w * src[p]
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
