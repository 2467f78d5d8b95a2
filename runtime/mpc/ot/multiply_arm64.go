//go:build !purego

package ot

import "secc.example/secc/internal/kernel"

func multiply(_ kernel.Variant, dst, a, b *uint64, n int) { multiplyNEON(dst, a, b, n) }

// multiplyNEON is multiply512 of amd64; n is not 0.
//
//go:noescape
func multiplyNEON(dst, a, b *uint64, n int)
