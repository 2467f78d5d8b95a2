// Command _asm writes the AVX-512 kernels of package ring. Run go generate in
// that package; the output is committed.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("!purego")
	slice()
	Generate()
}

// slice transposes blocks of 64 words: of each of the wanted bits, one test
// instruction collects eight words' worth.
func slice() {
	TEXT("sliceAsm", NOSPLIT, "func(planes *[]uint64, count int, x *uint64, blocks int, lo uint64)")
	Pragma("noescape")
	Doc("sliceAsm sets bit i of planes[j][b] to bit lo+j of x[64*b+i] for j < count, b < blocks.")
	planes, x := Load(Param("planes"), GP64()), Load(Param("x"), GP64())
	count, blocks := Load(Param("count"), GP64()), Load(Param("blocks"), GP64())
	lo := Load(Param("lo"), GP64())

	first, shift, at := ZMM(), XMM(), GP64()
	one := GP64()
	MOVQ(U32(1), one)
	VPBROADCASTQ(one, first)
	MOVQ(lo, shift)
	VPSLLQ(shift, first, first)
	XORQ(at, at)

	Label("block")
	var rows [8]VecVirtual
	for i := range rows {
		rows[i] = ZMM()
		VMOVDQU64(Mem{Base: x, Disp: 64 * i}, rows[i])
	}
	bit, header, left := ZMM(), GP64(), GP64()
	VMOVDQA64(first, bit)
	MOVQ(planes, header)
	MOVQ(count, left)

	Label("plane")
	base := GP64()
	MOVQ(Mem{Base: header}, base)
	for i, row := range rows {
		k := K()
		VPTESTMQ(bit, row, k)
		KMOVB(k, Mem{Base: base, Index: at, Scale: 8, Disp: i})
	}
	VPADDQ(bit, bit, bit)
	ADDQ(Imm(24), header)
	DECQ(left)
	JNZ(LabelRef("plane"))

	ADDQ(U32(512), x)
	INCQ(at)
	CMPQ(at, blocks)
	JNE(LabelRef("block"))
	VZEROUPPER()
	RET()
}
