// Command _asm writes the AVX-512 and AVX2 kernels of package ring. Run go generate in
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
	slice256()
	pack512()
	unpack512()
	unpack256()
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

// slice256 transposes blocks of 32 words: first bytes, by shuffles within and between
// registers, then of every wanted bit a move of the top bits of 32 bytes.
func slice256() {
	pairs := GLOBL("pairs", RODATA|NOPTR) // the same byte of both words of a lane side by side
	for i := range 32 {
		DATA(i, U8(i%16/2+i%2*8))
	}
	TEXT("sliceBytes", NOSPLIT, "func(planes *[]uint64, count int, x *uint64, blocks int, lo uint64)")
	Pragma("noescape")
	Doc("sliceBytes is sliceAsm.")
	planes, x := Load(Param("planes"), GP64()), Load(Param("x"), GP64())
	count, halves := Load(Param("count"), GP64()), Load(Param("blocks"), GP64())
	shift, at := XMM(), GP64()
	MOVQ(Load(Param("lo"), GP64()), shift)
	SHLQ(Imm(1), halves)
	XORQ(at, at)
	bytes := AllocLocal(256)
	tmp := GP64()
	LEAQ(bytes, tmp)

	Label("half")
	var v [8]VecVirtual
	for i := range v {
		v[i] = YMM()
		VBROADCASTI128(Mem{Base: x, Disp: 16 * i}, v[i])
		VINSERTI128(Imm(1), Mem{Base: x, Disp: 128 + 16*i}, v[i], v[i])
		VPSRLQ(shift, v[i], v[i])
		VPSHUFB(pairs, v[i], v[i])
	}
	for i, b := range transpose8(v) {
		VMOVDQU(b, Mem{Base: tmp, Disp: 32 * i})
	}
	header, j := GP64(), GP64()
	MOVQ(planes, header)
	XORQ(j, j)

	Label("bit")
	base, from, up, bits := GP64(), GP64(), GP64(), GP32()
	row, left := YMM(), XMM()
	MOVQ(Mem{Base: header}, base)
	MOVQ(j, from)
	SHRQ(Imm(3), from)
	SHLQ(Imm(5), from)
	MOVQ(j, up)
	NOTQ(up)
	ANDQ(Imm(7), up)
	MOVQ(up, left)
	VMOVDQU(Mem{Base: tmp, Index: from, Scale: 1}, row)
	VPSLLQ(left, row, row)
	VPMOVMSKB(row, bits)
	MOVL(bits, Mem{Base: base, Index: at, Scale: 4})
	ADDQ(Imm(24), header)
	INCQ(j)
	CMPQ(j, count)
	JNE(LabelRef("bit"))

	ADDQ(U32(256), x)
	INCQ(at)
	CMPQ(at, halves)
	JNE(LabelRef("half"))
	VZEROUPPER()
	RET()
}

// transpose8 exchanges rows and columns of 8 x 8 pairs of bytes, in each lane.
func transpose8(r [8]VecVirtual) (out [8]VecVirtual) {
	interleave := func(low, high func(ops ...Op), a, b VecVirtual) (l, h VecVirtual) {
		l, h = YMM(), YMM()
		low(b, a, l)
		high(b, a, h)
		return l, h
	}
	words := [2]func(...Op){func(o ...Op) { VPUNPCKLWD(o[0], o[1], o[2]) }, func(o ...Op) { VPUNPCKHWD(o[0], o[1], o[2]) }}
	longs := [2]func(...Op){func(o ...Op) { VPUNPCKLDQ(o[0], o[1], o[2]) }, func(o ...Op) { VPUNPCKHDQ(o[0], o[1], o[2]) }}
	quads := [2]func(...Op){func(o ...Op) { VPUNPCKLQDQ(o[0], o[1], o[2]) }, func(o ...Op) { VPUNPCKHQDQ(o[0], o[1], o[2]) }}
	var one, two [8]VecVirtual // one: columns 0-3 of two rows, then columns 4-7; two: two columns of four rows
	for i := range 4 {
		one[i], one[4+i] = interleave(words[0], words[1], r[2*i], r[2*i+1])
	}
	for h := range 2 {
		for i := range 2 {
			two[4*h+i], two[4*h+2+i] = interleave(longs[0], longs[1], one[4*h+2*i], one[4*h+2*i+1])
		}
	}
	for i := range 4 {
		out[2*i], out[2*i+1] = interleave(quads[0], quads[1], two[2*i], two[2*i+1])
	}
	return out
}

// lowBits is a mask of the parameter bits, which is less than 64, in a general register.
func lowBits(bits Register) Register {
	count, m := GP64(), GP64()
	MOVQ(bits, count)
	MOVQ(U64(1), m)
	MOVQ(count, RCX)
	SHLQ(CL, m)
	DECQ(m)
	return m
}

// pack512 shifts eight words to where they begin in a byte and gathers the bytes of even words and
// of odd ones, which do not meet.
func pack512() {
	TEXT("packIFMA", NOSPLIT, "func(dst *byte, x *uint64, eights, bits uint64, layout *byte)")
	Pragma("noescape")
	Doc("packIFMA packs eight elements so many times; it writes 64 bytes from where each eight begin.")
	dst, x := Load(Param("dst"), GP64()), Load(Param("x"), GP64())
	eights, bits := Load(Param("eights"), GP64()), Load(Param("bits"), GP64())
	layout := Load(Param("layout"), GP64())
	mask, even, odd, shifts, v, w := ZMM(), ZMM(), ZMM(), ZMM(), ZMM(), ZMM()
	evens, odds := K(), K()
	VPBROADCASTQ(lowBits(bits), mask)
	VMOVDQU64(Mem{Base: layout}, even)
	VMOVDQU64(Mem{Base: layout, Disp: 64}, odd)
	VMOVDQU64(Mem{Base: layout, Disp: 128}, shifts)
	KMOVQ(Mem{Base: layout, Disp: 192}, evens)
	KMOVQ(Mem{Base: layout, Disp: 200}, odds)
	Label("eight")
	VPANDQ(Mem{Base: x}, mask, v)
	VPSLLVQ(shifts, v, v)
	VPERMB_Z(v, even, evens, w)
	VPERMB_Z(v, odd, odds, v)
	VPORQ(v, w, w)
	VMOVDQU64(w, Mem{Base: dst})
	ADDQ(U32(64), x)
	ADDQ(bits, dst)
	DECQ(eights)
	JNZ(LabelRef("eight"))
	VZEROUPPER()
	RET()
}

// unpack512 gives eight words the eight bytes in which they lie.
func unpack512() {
	TEXT("unpackIFMA", NOSPLIT, "func(x *uint64, src *byte, eights, bits uint64, layout *byte)")
	Pragma("noescape")
	Doc("unpackIFMA unpacks eight elements so many times; it reads 64 bytes from where each eight begin.")
	x, src := Load(Param("x"), GP64()), Load(Param("src"), GP64())
	eights, bits := Load(Param("eights"), GP64()), Load(Param("bits"), GP64())
	layout := Load(Param("layout"), GP64())
	mask, from, shifts, v := ZMM(), ZMM(), ZMM(), ZMM()
	VPBROADCASTQ(lowBits(bits), mask)
	VMOVDQU64(Mem{Base: layout}, from)
	VMOVDQU64(Mem{Base: layout, Disp: 64}, shifts)
	Label("eight")
	VPERMB(Mem{Base: src}, from, v)
	VPSRLVQ(shifts, v, v)
	VPANDQ(mask, v, v)
	VMOVDQU64(v, Mem{Base: x})
	ADDQ(U32(64), x)
	ADDQ(bits, src)
	DECQ(eights)
	JNZ(LabelRef("eight"))
	VZEROUPPER()
	RET()
}

// unpack256 does so with pairs of words in each half of a register.
func unpack256() {
	TEXT("unpackAVX2", NOSPLIT, "func(x *uint64, src *byte, eights, bits uint64, layout *byte)")
	Pragma("noescape")
	Doc("unpackAVX2 is unpackIFMA.")
	x, src := Load(Param("x"), GP64()), Load(Param("src"), GP64())
	eights, bits := Load(Param("eights"), GP64()), Load(Param("bits"), GP64())
	layout := Load(Param("layout"), GP64())
	mask, low := YMM(), XMM()
	VMOVQ(lowBits(bits), low)
	VPBROADCASTQ(low, mask)
	var from, shifts [2]VecVirtual
	var lanes [4]Register
	for i := range 2 {
		from[i], shifts[i] = YMM(), YMM()
		VMOVDQU(Mem{Base: layout, Disp: 32 * i}, from[i])
		VMOVDQU(Mem{Base: layout, Disp: 64 + 32*i}, shifts[i])
	}
	for i := range lanes {
		lane := GP64()
		MOVBQZX(Mem{Base: layout, Disp: 128 + 4*i}, lane)
		lanes[i] = lane
	}
	Label("eight")
	for i := range 2 {
		v := YMM()
		VMOVDQU(Mem{Base: src, Index: lanes[2*i], Scale: 1}, v.AsX())
		VINSERTI128(Imm(1), Mem{Base: src, Index: lanes[2*i+1], Scale: 1}, v, v)
		VPSHUFB(from[i], v, v)
		VPSRLVQ(shifts[i], v, v)
		VPAND(mask, v, v)
		VMOVDQU(v, Mem{Base: x, Disp: 32 * i})
	}
	ADDQ(U32(64), x)
	ADDQ(bits, src)
	DECQ(eights)
	JNZ(LabelRef("eight"))
	VZEROUPPER()
	RET()
}
