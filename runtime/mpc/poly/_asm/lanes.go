package main

import (
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Elementwise kernels for AVX2, four lanes: comparisons are signed there, products have 32 by 32
// bits, and bits are counted by nibbles. Names end in 4; what they do is told beside those of
// eight lanes.

func lanes4() {
	sum4()
	difference4()
	negation4()
	encode4("encodeVector4", false)
	encode4("encodeAddVector4", true)
	round4()
	drop4()
	restore4()
	digit4()
	noise4()
	ternary4()
	uniform4()
	fmaReduce()
	packPairs()
	unpackPairs()
}

// each4 is each for a multiple of 4 values.
func each4(n Register, pointers []Register, body func()) { eachLog(2, n, pointers, body) }

func broadcast4(r Op) VecVirtual {
	x, y := XMM(), YMM()
	VMOVQ(r, x)
	VPBROADCASTQ(x, y)
	return y
}

func immediate4(v uint64) VecVirtual {
	return broadcast4(constant(v))
}

func load4(m Mem) VecVirtual {
	y := YMM()
	VMOVDQU(m, y)
	return y
}

func zero4() VecVirtual {
	y := YMM()
	VPXOR(y, y, y)
	return y
}

// above is all ones where a > b, as signed words.
func above(a, b Op) VecVirtual {
	m := YMM()
	VPCMPGTQ(b, a, m)
	return m
}

// addWhere adds b to x where m is set; m is used up.
func addWhere(x, b, m VecVirtual) {
	VPAND(b, m, m)
	VPADDQ(m, x, x)
}

// belowOnce4 maps [0,2b) to [0,b) in place, b < 2^62.
func belowOnce4(x, b, zero VecVirtual) {
	VPSUBQ(b, x, x)
	addWhere(x, b, above(zero, x))
}

// signed4 stores v in (-q,q) modulo q.
func signed4(v, q, zero VecVirtual, dst Register) {
	addWhere(v, q, above(zero, v))
	VMOVDQU(v, Mem{Base: dst})
}

func sum4() {
	begin("addVectors4", "(dst, a, b *uint64, n int, q uint64)", "addVectors4 is addVectors.")
	p := ptrs("dst", "a", "b")
	q, zero := broadcast4(gp("q")), zero4()
	each4(gp("n"), p, func() {
		x := load4(Mem{Base: p[1]})
		VPADDQ(Mem{Base: p[2]}, x, x)
		belowOnce4(x, q, zero)
		VMOVDQU(x, Mem{Base: p[0]})
	})
}

func difference4() {
	begin("subVectors4", "(dst, a, b *uint64, n int, q uint64)", "subVectors4 is subVectors.")
	p := ptrs("dst", "a", "b")
	q, zero := broadcast4(gp("q")), zero4()
	each4(gp("n"), p, func() {
		x := load4(Mem{Base: p[1]})
		VPSUBQ(Mem{Base: p[2]}, x, x)
		signed4(x, q, zero, p[0])
	})
}

func negation4() {
	begin("negVector4", "(dst, a *uint64, n int, q uint64)", "negVector4 is negVector.")
	p := ptrs("dst", "a")
	q, zero := broadcast4(gp("q")), zero4()
	each4(gp("n"), p, func() {
		x := YMM()
		VPSUBQ(Mem{Base: p[1]}, q, x)
		belowOnce4(x, q, zero)
		VMOVDQU(x, Mem{Base: p[0]})
	})
}

// halves4 multiplies words by halves.
type halves4 struct{ low, high VecVirtual }

func newHalves4(x VecVirtual) halves4 {
	h := halves4{x, YMM()}
	VPSRLQ(U8(32), x, h.high)
	return h
}

// times gives the products of halves: low with low, low with high, high with low, both high.
func (a halves4) times(b halves4) (ll, lh, hl, hh VecVirtual) {
	v := ymms(4)
	VPMULUDQ(b.low, a.low, v[0])
	VPMULUDQ(b.high, a.low, v[1])
	VPMULUDQ(b.low, a.high, v[2])
	VPMULUDQ(b.high, a.high, v[3])
	return v[0], v[1], v[2], v[3]
}

// lowProduct is a*b modulo 2^64.
func (a halves4) lowProduct(b halves4) VecVirtual {
	v := ymms(3)
	VPMULUDQ(b.low, a.low, v[0])
	VPMULUDQ(b.high, a.low, v[1])
	VPMULUDQ(b.low, a.high, v[2])
	VPADDQ(v[1], v[2], v[2])
	VPSLLQ(U8(32), v[2], v[2])
	VPADDQ(v[2], v[0], v[0])
	return v[0]
}

// encode4: x has at most 62 bits and q 50, so the middle products add up below 2^63. With a bit
// more than wanted kept, rounding is one more and a shift.
func encode4(name string, add bool) {
	begin(name, "(dst, x *uint64, n int, q, mask, down uint64)",
		name+" is "+name[:len(name)-1]+" of x&mask, down = l-1.")
	p := ptrs("dst", "x")
	q, mask, down := broadcast4(gp("q")), broadcast4(gp("mask")), broadcast4(gp("down"))
	factor, one, zero, up := newHalves4(q), immediate4(1), zero4(), immediate4(64)
	VPSUBQ(down, up, up)
	each4(gp("n"), p, func() {
		x := YMM()
		VPAND(Mem{Base: p[1]}, mask, x)
		ll, lh, hl, hh := newHalves4(x).times(factor)
		VPADDQ(lh, hl, hl)
		carry := YMM()
		VPSRLQ(U8(32), ll, carry)
		VPADDQ(hl, carry, carry)
		VPSRLQ(U8(32), carry, carry)
		VPADDQ(carry, hh, hh) // the high word
		VPSLLQ(U8(32), hl, hl)
		VPADDQ(hl, ll, ll) // the low word
		VPSRLVQ(down, ll, ll)
		VPSLLVQ(up, hh, hh)
		VPADDQ(ll, hh, hh)
		VPADDQ(one, hh, hh)
		VPSRLQ(U8(1), hh, hh)
		belowOnce4(hh, q, zero)
		if add {
			VPADDQ(Mem{Base: p[0]}, hh, hh)
			belowOnce4(hh, q, zero)
		}
		VMOVDQU(hh, Mem{Base: p[0]})
	})
}

// round4 is the portable form: the estimate v*inv >> shift, inv = floor(2^(63+m)/q) for m bits of
// q, is to be raised by one or by nothing. Of the middle products one may fill its word.
func round4() {
	begin("roundVector4", "(dst, v *uint64, n int, q, inv, b, shift, half uint64)",
		"roundVector4 is roundVector, with inv = floor(2^(63+m)/q) and shift = 63+m-b for m bits of q.")
	p := ptrs("dst", "v")
	q, inv := newHalves4(broadcast4(gp("q"))), newHalves4(broadcast4(gp("inv")))
	b, shift, half := broadcast4(gp("b")), broadcast4(gp("shift")), broadcast4(gp("half"))
	one, up, over := immediate4(1), immediate4(64), YMM()
	VPSUBQ(shift, up, up)     // distances below zero are huge: such shifts give zero
	VPSUBQ(up, zero4(), over) // shift - 64
	mask := YMM()
	VPSLLVQ(b, one, mask)
	VPSUBQ(one, mask, mask)
	each4(gp("n"), p, func() {
		v := load4(Mem{Base: p[1]})
		ll, lh, hl, hh := newHalves4(v).times(inv)
		t := YMM()
		VPSRLQ(U8(32), ll, t)
		VPADDQ(t, hl, t)
		low := YMM() // of the middle product that may fill its word
		VPSLLQ(U8(32), lh, low)
		VPADDQ(low, ll, ll)
		VPSRLQ(U8(32), low, low)
		VPADDQ(low, t, t)
		VPSRLQ(U8(32), t, t)
		VPSLLQ(U8(32), hl, hl)
		VPADDQ(hl, ll, ll) // the low word
		VPSRLQ(U8(32), lh, lh)
		VPADDQ(lh, hh, hh)
		VPADDQ(t, hh, hh) // the high word
		e, part := YMM(), YMM()
		VPSRLVQ(shift, ll, e)
		VPSLLVQ(up, hh, part)
		VPOR(part, e, e)
		VPSRLVQ(over, hh, part)
		VPOR(part, e, e)
		VPSLLVQ(b, v, v)
		VPSUBQ(newHalves4(e).lowProduct(q), v, v) // the remainder, below 2q
		VPADDQ(above(half, v), e, e)
		VPADDQ(one, e, e)
		VPAND(mask, e, e)
		VMOVDQU(e, Mem{Base: p[0]})
	})
}

func drop4() {
	begin("dropVector4", "(dst, v *uint64, n int, j uint64)", "dropVector4 is dropVector.")
	p := ptrs("dst", "v")
	j := broadcast4(gp("j"))
	each4(gp("n"), p, func() {
		x := load4(Mem{Base: p[1]})
		VPSRLVQ(j, x, x)
		VMOVDQU(x, Mem{Base: p[0]})
	})
}

func restore4() {
	begin("restoreVector4", "(dst, v *uint64, n int, j, mid, q uint64)", "restoreVector4 is restoreVector.")
	p := ptrs("dst", "v")
	j, mid, q, zero := broadcast4(gp("j")), broadcast4(gp("mid")), broadcast4(gp("q")), zero4()
	each4(gp("n"), p, func() {
		x := load4(Mem{Base: p[1]})
		VPSLLVQ(j, x, x)
		VPOR(mid, x, x)
		belowOnce4(x, q, zero)
		VMOVDQU(x, Mem{Base: p[0]})
	})
}

func digit4() {
	begin("digitVector4", "(dst, src *uint64, n int, q, half, offset, shift, mask, centre uint64)", "digitVector4 is digitVector.")
	p := ptrs("dst", "src")
	q, half, offset, zero := broadcast4(gp("q")), broadcast4(gp("half")), broadcast4(gp("offset")), zero4()
	shift, mask, centre := broadcast4(gp("shift")), broadcast4(gp("mask")), broadcast4(gp("centre"))
	each4(gp("n"), p, func() {
		x := load4(Mem{Base: p[1]})
		over := above(x, half)
		VPAND(q, over, over)
		VPSUBQ(over, x, x)
		VPADDQ(offset, x, x)
		VPSRLVQ(shift, x, x)
		VPAND(mask, x, x)
		VPSUBQ(centre, x, x)
		signed4(x, q, zero, p[0])
	})
}

// noise4 counts bits by nibbles, in a register's table, and adds bytes up.
func noise4() {
	begin("noiseVector4", "(dst, words *uint64, n int, q, mask, eta uint64)", "noiseVector4 is noiseVector.")
	p := ptrs("dst", "words")
	counts := GLOBL("nibbleCounts", RODATA|NOPTR)
	for i := range 32 {
		DATA(i, U8(bits.OnesCount(uint(i%16))))
	}
	table, nibble, zero := load4(counts), immediate4(0x0f0f0f0f0f0f0f0f), zero4()
	q, mask, eta := broadcast4(gp("q")), broadcast4(gp("mask")), broadcast4(gp("eta"))
	each4(gp("n"), p, func() {
		x, high := YMM(), YMM()
		VPAND(Mem{Base: p[1]}, mask, x)
		VPSRLQ(U8(4), x, high)
		VPAND(nibble, x, x)
		VPAND(nibble, high, high)
		VPSHUFB(x, table, x)
		VPSHUFB(high, table, high)
		VPADDB(high, x, x)
		VPSADBW(zero, x, x)
		VPSUBQ(eta, x, x)
		signed4(x, q, zero, p[0])
	})
}

// ternary4 compares with the highest bits turned round: comparisons are signed.
func ternary4() {
	begin("ternaryVector4", "(dst, words *uint64, n int, q uint64)", "ternaryVector4 is ternaryVector.")
	p := ptrs("dst", "words")
	const top = 1 << 63
	q, one, zero, sign := broadcast4(gp("q")), immediate4(1), zero4(), immediate4(top)
	third, third2 := immediate4(0x5555555555555555^top), immediate4(0xaaaaaaaaaaaaaaaa^top)
	each4(gp("n"), p, func() {
		w, x := load4(Mem{Base: p[1]}), YMM()
		VPXOR(sign, w, w)
		VPADDQ(above(w, third), one, x)
		VPADDQ(above(w, third2), x, x)
		VPSUBQ(x, zero, x)
		signed4(x, q, zero, p[0])
	})
}

// uniform4 brings the values that are kept to the front: of each group of four, the table says
// from which halves of lanes.
func uniform4() {
	begin("uniformVector4", "(dst, words *uint64, n int, room int, q, mask uint64) (taken, read int)",
		"uniformVector4 is uniformVector with 4 for 8.")
	front := GLOBL("keptFirst", RODATA|NOPTR)
	for kept := range 16 {
		at := 0
		for lane := range 4 {
			if kept>>lane&1 == 1 {
				DATA(32*kept+8*at, U32(2*lane))
				DATA(32*kept+8*at+4, U32(2*lane+1))
				at++
			}
		}
		for ; at < 4; at++ {
			DATA(32*kept+8*at, U64(0))
		}
	}
	dst, words, n, room := gp("dst"), gp("words"), gp("n"), gp("room")
	q, mask := broadcast4(gp("q")), broadcast4(gp("mask"))
	taken, read, table, order := GP64(), GP64(), GP64(), YMM()
	LEAQ(front, table)
	XORQ(taken, taken)
	XORQ(read, read)
	SUBQ(U8(4), room)
	Label("vector")
	CMPQ(taken, room)
	JGT(LabelRef("done"))
	CMPQ(read, n)
	JGE(LabelRef("done"))
	x, kept, c := YMM(), GP64(), GP64()
	VPAND(at(words, read), mask, x)
	VMOVMSKPD(above(q, x), kept.As32())
	POPCNTL(kept.As32(), c.As32())
	SHLQ(U8(5), kept)
	VMOVDQU(Mem{Base: table, Index: kept, Scale: 1}, order)
	VPERMD(x, order, x)
	VMOVDQU(x, at(dst, taken))
	ADDQ(c, taken)
	ADDQ(U8(4), read)
	JMP(LabelRef("vector"))
	Label("done")
	Store(taken, Return("taken"))
	Store(read, Return("read"))
	end()
}

// fmaReduce reduces lo + hi*2^49, lo signed, hi and lo below 2^63 in magnitude: halves of both, as
// doubles, times the powers of two that they stand for. powers has 2^32, 2^49, 2^81 and -2^63
// modulo q and over q, each in four lanes.
func fmaReduce() {
	begin("fmaReduce", "(dst, lo, hi *uint64, n int, c, powers *float64)",
		"fmaReduce sets dst = lo + hi*2^49 mod q, lo signed.")
	p := ptrs("dst", "lo", "hi")
	d := newDoubles(gp("c"))
	powers := gp("powers")
	times := func(x VecVirtual, power int) {
		d.times(x, load4(Mem{Base: powers, Disp: 64 * power}), Mem{Base: powers, Disp: 64*power + 32})
	}
	low, sign := immediate4(1<<32-1), immediate4(1<<63)
	each4(gp("n"), p, func() {
		lo, hi, l1, h1 := load4(Mem{Base: p[1]}), load4(Mem{Base: p[2]}), YMM(), YMM()
		VPXOR(sign, lo, lo) // with 2^63 added it is not signed
		VPSRLQ(U8(32), lo, l1)
		VPSRLQ(U8(32), hi, h1)
		VPAND(low, lo, lo)
		VPAND(low, hi, hi)
		for _, x := range []VecVirtual{lo, l1, hi, h1} {
			d.fromWords(x)
		}
		times(l1, 0)
		times(hi, 1)
		times(h1, 2)
		VADDPD(l1, lo, lo)
		VADDPD(h1, hi, hi)
		VADDPD(Mem{Base: powers, Disp: 64 * 3}, lo, lo)
		VADDPD(hi, lo, lo)
		d.toWords(lo)
		VMOVDQU(lo, Mem{Base: p[0]})
	})
}

// Layout of packedPairs in bytes.
const (
	pairShift = 16 * iota
	pairEven
	pairOdd
	pairCarry
	pairGather
	pairSize
	pairsMask = 4 * pairSize
	pairsAt   = pairsMask + 16
)

// pairPlaces are the addresses of the four pairs of a group.
func pairPlaces(base, table Register) (m [4]Mem) {
	m[0] = Mem{Base: base}
	for i := 1; i < len(m); i++ {
		r := GP64()
		MOVQ(Mem{Base: table, Disp: pairsAt + 8*i}, r)
		m[i] = Mem{Base: base, Index: r, Scale: 1}
	}
	return m
}

// packPairs writes 16 bytes for two values; the last of them that has bits goes into the next
// ones' first, the others are written over.
func packPairs() {
	begin("packPairs", "(dst *byte, v *uint64, groups, b int, tables *uint64)",
		"packPairs packs groups of 8 values of b bits; it writes up to 13 bytes beyond the last.")
	dst, v, groups, b, t := gp("dst"), gp("v"), gp("groups"), gp("b"), gp("tables")
	out := pairPlaces(dst, t)
	mask := XMM()
	VMOVDQU(Mem{Base: t, Disp: pairsMask}, mask)
	counter("group", groups, func() {
		carry := XMM()
		for i := range out {
			x, y := XMM(), XMM()
			VPAND(Mem{Base: v, Disp: 16 * i}, mask, x)
			VPSLLVQ(Mem{Base: t, Disp: pairSize*i + pairShift}, x, x)
			VPSHUFB(Mem{Base: t, Disp: pairSize*i + pairEven}, x, y)
			VPSHUFB(Mem{Base: t, Disp: pairSize*i + pairOdd}, x, x)
			VPOR(x, y, y)
			if i > 0 {
				VPOR(carry, y, y)
			}
			VMOVDQU(y, out[i])
			if i < 3 {
				VPSHUFB(Mem{Base: t, Disp: pairSize*i + pairCarry}, y, carry)
			}
		}
		ADDQ(U8(64), v)
		ADDQ(b, dst)
	})
	end()
}

func unpackPairs() {
	begin("unpackPairs", "(dst *uint64, src *byte, groups, b int, tables *uint64)",
		"unpackPairs unpacks groups of 8 values of b bits; it reads up to 13 bytes beyond the last.")
	dst, src, groups, b, t := gp("dst"), gp("src"), gp("groups"), gp("b"), gp("tables")
	in := pairPlaces(src, t)
	mask := XMM()
	VMOVDQU(Mem{Base: t, Disp: pairsMask}, mask)
	counter("group", groups, func() {
		for i := range in {
			x := XMM()
			VMOVDQU(in[i], x)
			VPSHUFB(Mem{Base: t, Disp: pairSize*i + pairGather}, x, x)
			VPSRLVQ(Mem{Base: t, Disp: pairSize*i + pairShift}, x, x)
			VPAND(mask, x, x)
			VMOVDQU(x, Mem{Base: dst, Disp: 16 * i})
		}
		ADDQ(U8(64), dst)
		ADDQ(b, src)
	})
	end()
}
