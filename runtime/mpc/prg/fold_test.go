package prg

import (
	"slices"
	"testing"

	"secc.example/secc/internal/kernel/kerneltest"
)

// TestFoldIsItsDefinition: sums of streams of crypto/aes.
func TestFoldIsItsDefinition(t *testing.T) { kerneltest.Each(t, testFold, Kernel) }

func testFold(t *testing.T) {
	for _, k := range []int{2, 4} {
		keys := randomBlocks(1 << k)
		seeds := make([]Cipher, len(keys))
		for i := range seeds {
			seeds[i].Reset(keys[i])
		}
		for _, n := range []int{4, 8, 12, 16, 20, 60, 64, 300, 520} {
			for _, first := range []uint64{0, 3, 240, 251, 256, 1<<32 - 2, 1 << 40} {
				before := randomBlocks(k*n + 1)
				want, wantSum := make([]Block, k*n), make([]Block, n)
				for x, key := range keys {
					for i, b := range wantStream(key, n, first) {
						wantSum[i] = wantSum[i].Xor(b)
						for j := range k {
							want[j*n+i] = want[j*n+i].Xor(b.And(-uint64(x >> j & 1)))
						}
					}
				}
				got, sum := slices.Clone(before), randomBlocks(n+1)
				after := sum[n]
				Fold(seeds, got[:k*n], sum[:n], first)
				if !slices.Equal(got[:k*n], want) || got[k*n] != before[k*n] || !slices.Equal(sum[:n], wantSum) || sum[n] != after {
					t.Fatalf("k = %d, n = %d, first = %d: sums differ", k, n, first)
				}
			}
		}
	}
}

// wantStream is the stream by its definition, AES of a big-endian counter.
func wantStream(key Block, n int, first uint64) (b []Block) {
	for i := range uint64(n) {
		b = append(b, aesOf(key, Block{0, swapBytes(first + i)}))
	}
	return b
}

func swapBytes(x uint64) (y uint64) {
	for range 8 {
		x, y = x>>8, y<<8|x&0xff
	}
	return y
}

func BenchmarkFold(b *testing.B) { kerneltest.Bench(b, benchFold, Kernel) }

func benchFold(b *testing.B) {
	for _, k := range []int{2, 4} {
		seeds := make([]Cipher, 1<<k)
		for i, key := range randomBlocks(1 << k) {
			seeds[i].Reset(key)
		}
		cols, sum := make([]Block, 64*k), make([]Block, 64)
		b.Run(map[int]string{2: "4", 4: "16"}[k], func(b *testing.B) {
			b.SetBytes(int64(64 * BlockSize << k))
			for b.Loop() {
				Fold(seeds, cols, sum, 0)
			}
		})
	}
}
