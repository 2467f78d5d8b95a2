// Command _asm writes the AVX-512 matrix kernels of package ir. Run go generate
// in that package; the output is committed.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A tile is rows x 2 vectors: 16 accumulators, which hides the latency of a
// fused multiply-add and leaves registers for one row of b.
const rows = 8

func main() {
	ConstraintExpr("!purego")
	tile("tileFloatAsm", "float32", 4,
		func(m Mem, v VecVirtual) { VBROADCASTSS(m, v) },
		func(a, b, acc VecVirtual) { VFMADD231PS(a, b, acc) })
	tile("tileIntAsm", "int64", 8,
		func(m Mem, v VecVirtual) { VPBROADCASTQ(m, v) },
		func(a, b, acc VecVirtual) {
			t := ZMM()
			VPMULDQ(a, b, t)
			VPADDQ(t, acc, acc)
		})
	Generate()
}

// tile writes one kernel for elements of size bytes.
func tile(name, elem string, size int, broadcast func(Mem, VecVirtual), multiply func(a, b, acc VecVirtual)) {
	TEXT(name, NOSPLIT, "func(k int, a, b, c *"+elem+")")
	Pragma("noescape")
	Doc(name + " computes an 8-row tile of a*b from packed operands; see micro.")
	k, a, b, c := Load(Param("k"), GP64()), Load(Param("a"), GP64()), Load(Param("b"), GP64()), Load(Param("c"), GP64())
	var acc [rows][2]VecVirtual
	for i := range acc {
		for j := range acc[i] {
			acc[i][j] = ZMM()
			VPXORQ(acc[i][j], acc[i][j], acc[i][j])
		}
	}
	Label("loop")
	TESTQ(k, k)
	JZ(LabelRef("done"))
	b0, b1, x := ZMM(), ZMM(), ZMM()
	VMOVDQU64(Mem{Base: b}, b0)
	VMOVDQU64(Mem{Base: b, Disp: 64}, b1)
	for i := range acc {
		broadcast(Mem{Base: a, Disp: i * size}, x)
		multiply(x, b0, acc[i][0])
		multiply(x, b1, acc[i][1])
	}
	ADDQ(I32(rows*size), a)
	ADDQ(I32(128), b)
	DECQ(k)
	JMP(LabelRef("loop"))
	Label("done")
	for i := range acc {
		for j := range acc[i] {
			VMOVDQU64(acc[i][j], Mem{Base: c, Disp: (2*i + j) * 64})
		}
	}
	VZEROUPPER()
	RET()
}
