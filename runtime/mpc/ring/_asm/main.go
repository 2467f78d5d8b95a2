// Command _asm writes the AVX-512 and AVX2 kernels of package ring. Run go generate in
// that package; the output is committed.
package main

import (
	"strings"

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

// eights is a loop over eight words at x and as many bytes as they have bits.
type eights struct{ words, bytes, bits, left, layout Register }

// begin loads the parameters; the bytes are src or dst.
func begin(name, signature, doc string) eights {
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(name + " " + doc)
	load := func(param string) Register { return Load(Param(param), GP64()) }
	bytes := "src"
	if strings.Contains(signature, "dst") {
		bytes = "dst"
	}
	return eights{load("x"), load(bytes), load("bits"), load("eights"), load("layout")}
}

// mask is a word's bits, fewer than 64, in every word of a register.
func (e eights) mask(m VecVirtual) {
	word, low := GP64(), XMM()
	MOVQ(U64(1), word)
	MOVQ(e.bits, RCX)
	SHLQ(CL, word)
	DECQ(word)
	VMOVQ(word, low)
	VPBROADCASTQ(low, m)
}

// each repeats body.
func (e eights) each(body func()) {
	Label("eight")
	body()
	ADDQ(U32(64), e.words)
	ADDQ(e.bits, e.bytes)
	DECQ(e.left)
	JNZ(LabelRef("eight"))
	VZEROUPPER()
	RET()
}

// pack512 shifts eight words to where they begin in a byte and gathers the bytes of even words and
// of odd ones, which do not meet.
func pack512() {
	e := begin("packIFMA", "func(dst *byte, x *uint64, eights, bits uint64, layout *byte)",
		"packs eight elements so many times; it writes 64 bytes from where each eight begin.")
	mask, even, odd, shifts, v, w := ZMM(), ZMM(), ZMM(), ZMM(), ZMM(), ZMM()
	evens, odds := K(), K()
	e.mask(mask)
	VMOVDQU64(Mem{Base: e.layout}, even)
	VMOVDQU64(Mem{Base: e.layout, Disp: 64}, odd)
	VMOVDQU64(Mem{Base: e.layout, Disp: 128}, shifts)
	KMOVQ(Mem{Base: e.layout, Disp: 192}, evens)
	KMOVQ(Mem{Base: e.layout, Disp: 200}, odds)
	e.each(func() {
		VPANDQ(Mem{Base: e.words}, mask, v)
		VPSLLVQ(shifts, v, v)
		VPERMB_Z(v, even, evens, w)
		VPERMB_Z(v, odd, odds, v)
		VPORQ(v, w, w)
		VMOVDQU64(w, Mem{Base: e.bytes})
	})
}

// unpack512 gives eight words the eight bytes in which they lie.
func unpack512() {
	e := begin("unpackIFMA", "func(x *uint64, src *byte, eights, bits uint64, layout *byte)",
		"unpacks eight elements so many times; it reads 64 bytes from where each eight begin.")
	mask, from, shifts, v := ZMM(), ZMM(), ZMM(), ZMM()
	e.mask(mask)
	VMOVDQU64(Mem{Base: e.layout}, from)
	VMOVDQU64(Mem{Base: e.layout, Disp: 64}, shifts)
	e.each(func() {
		VPERMB(Mem{Base: e.bytes}, from, v)
		VPSRLVQ(shifts, v, v)
		VPANDQ(mask, v, v)
		VMOVDQU64(v, Mem{Base: e.words})
	})
}

// unpack256 does so with pairs of words in each half of a register.
func unpack256() {
	e := begin("unpackAVX2", "func(x *uint64, src *byte, eights, bits uint64, layout *byte)", "is unpackIFMA.")
	mask := YMM()
	e.mask(mask)
	var from, shifts [2]VecVirtual
	var lanes [4]Register
	for i := range 2 {
		from[i], shifts[i] = YMM(), YMM()
		VMOVDQU(Mem{Base: e.layout, Disp: 32 * i}, from[i])
		VMOVDQU(Mem{Base: e.layout, Disp: 64 + 32*i}, shifts[i])
	}
	for i := range lanes {
		lane := GP64()
		MOVBQZX(Mem{Base: e.layout, Disp: 128 + 4*i}, lane)
		lanes[i] = lane
	}
	e.each(func() {
		for i := range 2 {
			v := YMM()
			VMOVDQU(Mem{Base: e.bytes, Index: lanes[2*i], Scale: 1}, v.AsX())
			VINSERTI128(Imm(1), Mem{Base: e.bytes, Index: lanes[2*i+1], Scale: 1}, v, v)
			VPSHUFB(from[i], v, v)
			VPSRLVQ(shifts[i], v, v)
			VPAND(mask, v, v)
			VMOVDQU(v, Mem{Base: e.words, Disp: 32 * i})
		}
	})
}
