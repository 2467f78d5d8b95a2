//go:build !purego

package num

import "slices"

//go:generate sh -c "cd _asm && go run . -out ../tile_amd64.s -stubs ../tile_amd64.go -pkg num"

var hasTiles = hasAVX512()

// MicroFloat is the fastest kernel for real numbers on this machine.
func MicroFloat() Micro[float32] {
	if hasTiles {
		return microFloatAsm()
	}
	return microGo[float32]()
}

// MicroInt is the fastest kernel for ring elements on this machine: the vector kernel
// multiplies 32-bit numbers only, which activations and weights of any practical format
// are. fit32 says whether these do.
func MicroInt(fit32 func() bool) Micro[int64] {
	if hasTiles && fit32() {
		return microIntAsm()
	}
	return microGo[int64]()
}

func microFloatAsm() Micro[float32] {
	return Micro[float32]{8, 32, func(k int, a, b, c []float32) {
		_, _, _ = a[8*k-1], b[32*k-1], c[8*32-1]
		tileFloatAsm(k, &a[0], &b[0], &c[0])
	}}
}

func microIntAsm() Micro[int64] {
	return Micro[int64]{8, 16, func(k int, a, b, c []int64) {
		_, _, _ = a[8*k-1], b[16*k-1], c[8*16-1]
		tileIntAsm(k, &a[0], &b[0], &c[0])
	}}
}

// Round rounds elements number first and following: eight at a time where the
// machine can.
func (r Rounding) Round(acc []int64, first int) {
	n := 0
	if hasTiles {
		n = r.roundVectors(acc, first)
	}
	r.roundGo(acc[n:], first+n)
}

func (r Rounding) roundVectors(acc []int64, first int) int {
	n := len(acc) &^ 7
	if n > 0 {
		roundAsm(n, &acc[0], uint64(r.Draw)+uint64(first)*golden, golden, uint64(r.Draw), 1<<r.Shift-1, uint64(r.Shift), r.Scale, r.Noise)
	}
	return n
}

// shared is sharedGo, eight at a time where the machine can.
func (c Signer) shared(out, x []int64, from, step uint64) {
	n := 0
	if hasTiles {
		n = c.sharedVectors(out, x, from, step)
	}
	c.sharedGo(out[n:], x[n:], from+uint64(n)*step, step)
}

func (c Signer) sharedVectors(out, x []int64, from, step uint64) int {
	n := len(x) &^ 7
	if n > 0 {
		_ = out[n-1]
		signsAsm(n, &out[0], &x[0], from, step, 1<<c.Hi-1, uint64(c.Lo), uint64(64-c.Hi+c.Lo))
	}
	return n
}

// Largest is the largest magnitude; that of a negative y is -y-1.
func Largest(x []int64) int64 {
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
