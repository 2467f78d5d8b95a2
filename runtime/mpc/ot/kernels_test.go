package ot

import (
	"math/rand/v2"
	"slices"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/internal/kernel/kerneltest"
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

func TestTranspose(t *testing.T) { kerneltest.Each(t, testTranspose, transposing) }

func testTranspose(t *testing.T) {
	for _, part := range []struct{ n, first, rows int }{{512, 0, 512}, {1024, 0, 1024}, {8192, 0, 8192}, {1024, 512, 512}, {8192, 1536, 3072}} {
		n := part.n
		cols := randomVector(n)
		made := make([]prg.Block, part.rows)
		transpose(made, cols, part.first)
		w := n / 128
		rows := append(make([]prg.Block, part.first), made...)
		for i := part.first; i < len(rows); i++ {
			var want prg.Block
			for c := range 128 {
				bit := cols[c*w+i/128][i/64%2] >> (i % 64) & 1
				want[c/64] |= bit << (c % 64)
			}
			if rows[i] != want {
				t.Fatalf("n = %d: row %d is %x, want %x", n, i, rows[i], want)
			}
		}
	}
}

func TestGather(t *testing.T) { kerneltest.Each(t, testGather, gathering) }

func testGather(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 8, 9, 60, 64, 68, 72, 73, 126, rowsAtOnce - 4, rowsAtOnce} {
		for _, k := range []int{16, 1 << 12, 1 << 16} {
			x, leaves := randomVector(k), randomVector(n)
			index := randomVector(indexBlocks(n))
			dst := make([]prg.Block, n)
			gather(dst, leaves, x, index)
			for i := range n {
				want := leaves[i]
				for j := range wire.LPNWeight {
					at := i/4*wire.LPNWeight + j
					word := index[at/4][at%4/2] >> (32 * (at % 2)) & 0xffffffff
					line, turn := int(word/64)%(k/4), int(word>>30)
					want = want.Xor(x[4*line+(i+turn)%4])
				}
				if dst[i] != want {
					t.Fatalf("n = %d, k = %d: row %d is %x, want %x", n, k, i, dst[i], want)
				}
			}
		}
	}
}

// A table is as long as asked, and zero.
func TestTable(t *testing.T) {
	for _, n := range []int{0, 1, 1 << 10, 200_000} {
		x := table(n)
		if len(x) != n || cap(x) != n {
			t.Fatalf("%d blocks, room for %d, want %d", len(x), cap(x), n)
		}
		for i, b := range x {
			if b != (prg.Block{}) {
				t.Fatalf("block %d of %d is %x", i, n, b)
			}
			x[i] = prg.Block{1, 2}
		}
	}
}

func TestXor(t *testing.T) { kerneltest.Each(t, testXor, adding) }

func testXor(t *testing.T) {
	for _, n := range []int{4, 12, 64} {
		a, b := randomVector(n), randomVector(n + 1)[:n]
		got, want := make([]prg.Block, n), make([]prg.Block, n)
		for i := range want {
			want[i] = prg.Block{a[i][0] ^ b[i][0], a[i][1] ^ b[i][1]}
		}
		if xorInto(got, a, b); !slices.Equal(got, want) {
			t.Fatalf("n = %d: sum differs", n)
		}
		p := make([]byte, 16*n)
		xorWire(p, a, b)
		for i := range want {
			if prg.Load(p[16*i:]) != want[i] {
				t.Fatalf("n = %d: sum in wire form differs at %d", n, i)
			}
		}
		for _, mask := range []uint64{0, ^uint64(0)} {
			got, want := slices.Clone(a), slices.Clone(a)
			for i := range want {
				x := prg.Load(p[16*i:])
				want[i] = prg.Block{a[i][0] ^ x[0]&mask, a[i][1] ^ x[1]&mask}
			}
			if addMasked(got, p, mask); !slices.Equal(got, want) {
				t.Fatalf("n = %d, mask = %x: masked sum differs", n, mask)
			}
		}
	}
}

func TestWeigh(t *testing.T) { kerneltest.Each(t, testWeigh, weighing) }

// testWeigh also sees that no two leaves of a group have the same factor.
func testWeigh(t *testing.T) {
	for _, n := range []int{4, 8, 64, 512} { // leaves of a group
		leaves := randomVector(n * treeGroups)
		var got, want [treeGroups]prg.Block
		weigh(&got, leaves)
		factors := map[uint64]bool{}
		for i := range n {
			factor := uint64(1)
			for range n/4 - 1 - i/4 {
				factor = double(factor)
			}
			for range i % 4 {
				factor ^= double(factor)
			}
			factors[factor] = true
			for g := range want {
				for bit := range 64 {
					f := -(factor >> bit & 1)
					x := leaves[g*n+i]
					for range bit {
						x = prg.Block{double(x[0]), double(x[1])}
					}
					want[g] = want[g].Xor(x.And(f))
				}
			}
		}
		if got != want {
			t.Fatalf("n = %d: %x, want %x", n, got, want)
		}
		if len(factors) != n {
			t.Errorf("%d leaves have %d factors", n, len(factors))
		}
	}
}
