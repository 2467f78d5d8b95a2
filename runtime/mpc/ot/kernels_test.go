package ot

import (
	"math/rand/v2"
	"slices"
	"testing"

	"secc.example/secc/runtime/mpc/prg"
)

func randomVector(n int) []prg.Block {
	r := rand.New(rand.NewPCG(uint64(n), 3))
	b := make([]prg.Block, n)
	for i := range b {
		b[i] = prg.Block{r.Uint64(), r.Uint64()}
	}
	return b
}

func TestTranspose(t *testing.T) {
	for _, n := range []int{512, 1024, 8192} {
		cols := randomVector(n)
		rows, portable := make([]prg.Block, n), make([]prg.Block, n)
		transpose(rows, cols)
		transposeGeneric(portable, cols)
		w := n / 128
		for i := range rows {
			var want prg.Block
			for c := range 128 {
				bit := cols[c*w+i/128][i/64%2] >> (i % 64) & 1
				want[c/64] |= bit << (c % 64)
			}
			if rows[i] != want || portable[i] != want {
				t.Fatalf("n = %d: row %d is %x, portable %x, want %x", n, i, rows[i], portable[i], want)
			}
		}
	}
}

func TestGather(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 8, 9, 60, 64, 126, rowsAtOnce} {
		for _, k := range []int{16, 1 << 12, 1 << 16} {
			x, leaves := randomVector(k), randomVector(n)
			index := randomVector(indexBlocks(n))
			dst, portable := make([]prg.Block, n), make([]prg.Block, n)
			gather(dst, leaves, x, index)
			gatherGeneric(portable, leaves, x, index, 0)
			for i := range n {
				want := leaves[i]
				for j := range lpnWeight {
					at := i/4*lpnWeight + j
					word := index[at/4][at%4/2] >> (32 * (at % 2)) & 0xffffffff
					line, turn := int(word/64)%(k/4), int(word>>30)
					want = want.Xor(x[4*line+(i+turn)%4])
				}
				if dst[i] != want || portable[i] != want {
					t.Fatalf("n = %d, k = %d: row %d is %x, portable %x, want %x", n, k, i, dst[i], portable[i], want)
				}
			}
		}
	}
}

func TestXor(t *testing.T) {
	for _, n := range []int{4, 12, 64} {
		a, b := randomVector(n), randomVector(n + 1)[:n]
		got, want := make([]prg.Block, n), make([]prg.Block, n)
		xorInto(got, a, b)
		xorGeneric(want, a, b)
		if !slices.Equal(got, want) || want[n-1] != a[n-1].Xor(b[n-1]) {
			t.Fatalf("n = %d: sum differs", n)
		}
		p, q := make([]byte, 16*n), make([]byte, 16*n)
		xorWire(p, a, b)
		xorWireGeneric(q, a, b)
		if !slices.Equal(p, q) || prg.Load(p[16*n-16:]) != want[n-1] {
			t.Fatalf("n = %d: sum in wire form differs", n)
		}
		for _, mask := range []uint64{0, ^uint64(0)} {
			got, want := slices.Clone(a), slices.Clone(a)
			addMasked(got, p, mask)
			addMaskedGeneric(want, p, mask)
			if !slices.Equal(got, want) || want[0] != a[0].Xor(prg.Load(p).And(mask)) {
				t.Fatalf("n = %d, mask = %x: masked sum differs", n, mask)
			}
		}
	}
}
