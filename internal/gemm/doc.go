// Package gemm multiplies matrices, and convolves, over numbers whose sums and
// products wrap (Z_2^32, Z_2^64): blocked for the caches, over register tiles that exist in
// several variants (see internal/kernel).
//
// A convolution is a product whose right operand is read through offsets: its columns are
// never written out. Strided ones read their input split by the remainder of the
// position, so that what neighbouring outputs read stands side by side.
//
// It knows no graph, no party and no secret: time and memory access depend on shapes only.
package gemm
