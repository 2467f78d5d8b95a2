//go:build !purego

package gemm

import "secc.example/secc/internal/kernel"

//go:generate sh -c "cd _asm && go run . -out ../gemm_amd64.s -stubs ../gemm_amd64.go -pkg gemm"

func ring32(v kernel.Variant) Kernels[uint32] {
	switch v {
	case kernel.AVX512:
		return Kernels[uint32]{
			rows: 8, cols: 32, lanes: 16,
			tile: func(k int, a, b, c []uint32) {
				checkTile(k, 8, 32, a, b, c)
				ring32Tile512(k, &a[0], &b[0], &c[0])
			},
			taps: func(n int, off []int32, w, x, out []uint32) {
				ring32Taps512(n, len(w), &off[0], &w[0], &x[0], &out[0])
			},
			dot: func(n int, a, b []uint32) uint32 {
				var lanes [16]uint32
				ring32Dot512(n, &a[0], &b[0], &lanes[0])
				return sum(lanes[:])
			},
		}
	case kernel.AVX2:
		return Kernels[uint32]{
			rows: 4, cols: 16, lanes: 8,
			tile: func(k int, a, b, c []uint32) {
				checkTile(k, 4, 16, a, b, c)
				ring32Tile256(k, &a[0], &b[0], &c[0])
			},
			taps: func(n int, off []int32, w, x, out []uint32) {
				ring32Taps256(n, len(w), &off[0], &w[0], &x[0], &out[0])
			},
			dot: func(n int, a, b []uint32) uint32 {
				var lanes [8]uint32
				ring32Dot256(n, &a[0], &b[0], &lanes[0])
				return sum(lanes[:])
			},
		}
	}
	return portable[uint32]()
}

func ring64(v kernel.Variant) Kernels[uint64] {
	switch v {
	case kernel.AVX512:
		return Kernels[uint64]{
			rows: 8, cols: 16, lanes: 8,
			tile: func(k int, a, b, c []uint64) {
				checkTile(k, 8, 16, a, b, c)
				ring64Tile512(k, &a[0], &b[0], &c[0])
			},
			taps: func(n int, off []int32, w, x, out []uint64) {
				ring64Taps512(n, len(w), &off[0], &w[0], &x[0], &out[0])
			},
			dot: func(n int, a, b []uint64) uint64 {
				var lanes [8]uint64
				ring64Dot512(n, &a[0], &b[0], &lanes[0])
				return sum(lanes[:])
			},
		}
	case kernel.AVX2:
		return Kernels[uint64]{
			rows: 4, cols: 4, lanes: 4,
			tile: func(k int, a, b, c []uint64) {
				checkTile(k, 4, 4, a, b, c)
				ring64Tile256(k, &a[0], &b[0], &c[0])
			},
			taps: func(n int, off []int32, w, x, out []uint64) {
				ring64Taps256(n, len(w), &off[0], &w[0], &x[0], &out[0])
			},
			dot: func(n int, a, b []uint64) uint64 {
				var lanes [4]uint64
				ring64Dot256(n, &a[0], &b[0], &lanes[0])
				return sum(lanes[:])
			},
		}
	}
	return portable[uint64]()
}

func checkTile[T Number](k, rows, cols int, a, b, c []T) {
	_, _, _ = a[rows*k-1], b[cols*k-1], c[rows*cols-1]
}

func sum[T Number](x []T) (s T) {
	for _, v := range x {
		s += v
	}
	return s
}
