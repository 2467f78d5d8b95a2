//go:build !purego

package ir

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd _asm && go run . -out ../tile_amd64.s -stubs ../tile_amd64.go -pkg ir"

var hasTiles = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasFMA

// microFloat is the fastest kernel for real numbers on this machine.
func microFloat() micro[float32] {
	if hasTiles {
		return microFloatAsm()
	}
	return microGo[float32]()
}

// microInt is the fastest kernel for these ring elements on this machine: the
// vector kernel multiplies 32-bit numbers only, which activations and weights
// of any practical format are.
func microInt(in [][]int64) micro[int64] {
	if hasTiles && fits32(in[0]) && fits32(in[1]) {
		return microIntAsm()
	}
	return microGo[int64]()
}

func fits32(x []int64) bool {
	var bad int64
	for _, y := range x {
		bad |= y ^ int64(int32(y))
	}
	return bad == 0
}

func microFloatAsm() micro[float32] {
	return micro[float32]{8, 32, func(k int, a, b, c []float32) {
		_, _, _ = a[8*k-1], b[32*k-1], c[8*32-1]
		tileFloatAsm(k, &a[0], &b[0], &c[0])
	}}
}

func microIntAsm() micro[int64] {
	return micro[int64]{8, 16, func(k int, a, b, c []int64) {
		_, _, _ = a[8*k-1], b[16*k-1], c[8*16-1]
		tileIntAsm(k, &a[0], &b[0], &c[0])
	}}
}

func (r rounding) round(acc []int64, first int) { r.roundGo(acc, first) }

func (c signer) shared(out, x []int64, from, step uint64) { c.sharedGo(out, x, from, step) }
