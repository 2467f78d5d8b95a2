//go:build !purego

package ir

import (
	"slices"

	"golang.org/x/sys/cpu"
)

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
func microInt(v *Value, in [][]int64) micro[int64] {
	if hasTiles && fits32(v.Args[0], in[0]) && fits32(v.Args[1], in[1]) {
		return microIntAsm()
	}
	return microGo[int64]()
}

func fits32(v *Value, x []int64) bool {
	if v.Type.Elem.Bits <= 32 {
		return true
	}
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

// round rounds elements number first and following: eight at a time where the
// machine can.
func (r rounding) round(acc []int64, first int) {
	n := 0
	if hasTiles {
		n = r.roundVectors(acc, first)
	}
	r.roundGo(acc[n:], first+n)
}

func (r rounding) roundVectors(acc []int64, first int) int {
	n := len(acc) &^ 7
	if n > 0 {
		roundAsm(n, &acc[0], uint64(r.draw)+uint64(first)*golden, golden, uint64(r.draw), 1<<r.shift-1, uint64(r.shift), r.scale, r.noise)
	}
	return n
}

// shared is sharedGo, eight at a time where the machine can.
func (c signer) shared(out, x []int64, from, step uint64) {
	n := 0
	if hasTiles {
		n = c.sharedVectors(out, x, from, step)
	}
	c.sharedGo(out[n:], x[n:], from+uint64(n)*step, step)
}

func (c signer) sharedVectors(out, x []int64, from, step uint64) int {
	n := len(x) &^ 7
	if n > 0 {
		_ = out[n-1]
		signsAsm(n, &out[0], &x[0], from, step, 1<<c.hi-1, uint64(c.lo), uint64(64-c.hi+c.lo))
	}
	return n
}

// largestOf is the largest magnitude; that of a negative y is -y-1.
func largestOf(x []int64) int64 {
	if !hasTiles {
		return largestGo(x)
	}
	top, n := largestVectors(x)
	return max(top, largestGo(x[n:]))
}

func largestVectors(x []int64) (top int64, n int) {
	var tops [8]int64
	if n = len(x) &^ 7; n > 0 {
		largestAsm(n, &x[0], &tops[0])
	}
	return slices.Max(tops[:]), n
}
