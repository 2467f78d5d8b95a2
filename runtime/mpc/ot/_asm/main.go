// Command _asm writes the AVX-512 and AVX2 kernels of package ot. Run go generate in
// that package; the output is committed.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("!purego")
	gather()
	gather128()
	transpose()
	transpose256()
	for _, bytes := range []int{64, 32} {
		xor(bytes)
	}
	multiply512()
	multiply128()
	weigh512()
	weigh256()
	Generate()
}

// begin opens a kernel.
func begin(name, signature, doc string) {
	TEXT(name, NOSPLIT, "func"+signature)
	Pragma("noescape")
	Doc(doc)
}

// end closes a kernel that used vector registers.
func end() {
	VZEROUPPER()
	RET()
}

// gp loads a parameter into a register.
func gp(name string) Register { return Load(Param(name), GP64()) }

func zmms(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = ZMM()
	}
	return v
}

// loop repeats body while n >= step; the body takes step from n.
func loop(name string, n Register, step int, body func()) {
	Label(name)
	CMPQ(n, U32(step))
	JLT(LabelRef(name + "_end"))
	body()
	SUBQ(U32(step), n)
	JMP(LabelRef(name))
	Label(name + "_end")
}

// weight is the number of entries that a row of the code adds up.
const weight = 10

// ahead is how many groups of rows ahead lines are asked for (package ot knows it too): the
// processor looks at a few groups at once, which are too few lines under way for what lies
// beyond its second cache.
const ahead = 16

// askFor asks for the line of entry i of the group that is ahead.
func askFor(x, index, mask Register, i int) {
	at := GP64()
	MOVL(Mem{Base: index, Disp: 4 * (i + ahead*weight)}, at.As32())
	ANDL(mask, at.As32())
	PREFETCHT0(Mem{Base: x, Index: at, Scale: 1})
}

// gather takes one line of four blocks (a vector) for each entry of four rows:
// the word's middle bits are the line's offset in bytes, its top two the turn.
func gather() {
	begin("gather512", "(dst *uint64, leaves *uint64, x *uint64, mask uint32, index *uint64, n int)",
		"gather512 adds ten turned lines of x to each of n groups of four leaves. The word of an index, masked with mask, is the line's offset in bytes; its top two bits are the turn. Indices of 16 groups more are read, whose lines are asked for.")
	dst, leaves, x, index, n := gp("dst"), gp("leaves"), gp("x"), gp("index"), gp("n")
	mask := Load(Param("mask"), GP32())
	turns := GP64()
	turnTable := GLOBL("turns", RODATA|NOPTR) // for each turn, which words of a line make which of a vector
	for turn := range 4 {
		for i := range 8 {
			DATA(64*turn+8*i, U64(uint64(2*turn+i)%8))
		}
	}
	LEAQ(turnTable, turns)
	loop("gather", n, 1, func() {
		sums := zmms(2) // two chains, so that a row is not one long one
		VMOVDQU64(Mem{Base: leaves}, sums[0])
		for i := range weight {
			at, turn, line := GP64(), GP64(), ZMM()
			MOVL(Mem{Base: index, Disp: 4 * i}, at.As32())
			MOVL(at.As32(), turn.As32())
			ANDL(mask, at.As32())
			SHRL(Imm(24), turn.As32())
			ANDL(U32(0xc0), turn.As32())
			VMOVDQU64(Mem{Base: turns, Index: turn, Scale: 1}, line)
			askFor(x, index, mask, i)
			from := Mem{Base: x, Index: at, Scale: 1}
			if i == 1 {
				VPERMQ(from, line, sums[1])
				continue
			}
			VPERMQ(from, line, line)
			VPXORQ(line, sums[i%2], sums[i%2])
		}
		VPXORQ(sums[0], sums[1], sums[0])
		VMOVDQU64(sums[0], Mem{Base: dst})
		ADDQ(Imm(64), leaves)
		ADDQ(Imm(64), dst)
		ADDQ(Imm(4*weight), index)
	})
	end()
}

// gather128 is gather with registers of a block, each loaded from where its row's
// turn says.
func gather128() {
	begin("gather128", "(dst *uint64, leaves *uint64, x *uint64, mask uint32, index *uint64, n int)", "gather128 is gather512.")
	dst, leaves, x, index, n := gp("dst"), gp("leaves"), gp("x"), gp("index"), gp("n")
	mask := Load(Param("mask"), GP32())
	loop("gather", n, 1, func() {
		var sums [4]VecVirtual
		for i := range sums {
			sums[i] = XMM()
			VMOVDQU(Mem{Base: leaves, Disp: 16 * i}, sums[i])
		}
		for e := range weight {
			at, turn := GP64(), GP64()
			MOVL(Mem{Base: index, Disp: 4 * e}, at.As32())
			MOVL(at.As32(), turn.As32())
			ANDL(mask, at.As32())
			askFor(x, index, mask, e)
			SHRL(Imm(30), turn.As32())
			SHLL(Imm(4), turn.As32())
			ADDQ(x, at)
			for i := range sums {
				VPXOR(Mem{Base: at, Index: turn, Scale: 1}, sums[i], sums[i])
				if i < 3 {
					ADDL(Imm(16), turn.As32())
					ANDL(Imm(48), turn.As32())
				}
			}
		}
		for i := range sums {
			VMOVDQU(sums[i], Mem{Base: dst, Disp: 16 * i})
		}
		ADDQ(Imm(64), leaves)
		ADDQ(Imm(64), dst)
		ADDQ(Imm(4*weight), index)
	})
	RET()
}

// unpack is one level of a transposition of bytes, within 128-bit lanes:
// vectors i and i + half are interleaved into 2i and 2i + 1.
func unpack(v []VecVirtual) []VecVirtual { return unpackWith(ZMM, v) }

// unpack256 is unpack.
func unpack256(v []VecVirtual) []VecVirtual { return unpackWith(YMM, v) }

func unpackWith(vec func() VecVirtual, v []VecVirtual) []VecVirtual {
	out := make([]VecVirtual, 0, len(v))
	half := len(v) / 2
	for i := range half {
		low, high := vec(), vec()
		VPUNPCKLBW(v[i+half], v[i], low)
		VPUNPCKHBW(v[i+half], v[i], high)
		out = append(out, low, high)
	}
	return out
}

// transpose works on 512 rows at a time. First, of eight columns at a time, the
// bytes of the same eight rows are brought together and transposed bit by bit (the affine
// map of the identity's rows); then the bytes of all sixteen such groups are brought
// together row by row.
func transpose() {
	begin("transposeAsm", "(rows *uint64, cols *uint64, stride int, tmp *uint64)",
		"transposeAsm transposes 128 columns of 512 bits, stride bytes apart, to 512 rows; tmp holds 8192 bytes.")
	rows, cols, stride, tmp := gp("rows"), gp("cols"), gp("stride"), gp("tmp")
	out := GP64()
	MOVQ(tmp, out)
	identity := ZMM()
	m := GLOBL("identityRows", RODATA|NOPTR)
	for i := range 8 {
		DATA(8*i, U64(0x8040201008040201))
	}
	VMOVDQU64(m, identity)
	n := GP64()
	MOVQ(U64(16), n)
	loop("transposeBits", n, 1, func() {
		c := zmms(8)
		for i := range c {
			VMOVDQU64(Mem{Base: cols}, c[7-i]) // the affine map counts rows from the top
			ADDQ(stride, cols)
		}
		c = unpack(unpack(unpack(c)))
		for i, v := range c {
			VGF2P8AFFINEQB(Imm(0), v, identity, v)
			VMOVDQU64(v, Mem{Base: out, Disp: 64 * i})
		}
		ADDQ(U32(512), out)
	})
	MOVQ(U64(8), n)
	loop("transposeBytes", n, 1, func() {
		g := zmms(16)
		for i := range g {
			VMOVDQU64(Mem{Base: tmp, Disp: 512 * i}, g[i])
		}
		g = unpack(unpack(unpack(unpack(g))))
		for i, v := range g {
			VMOVDQU64(v.AsX(), Mem{Base: rows, Disp: 16 * i})
			for lane := 1; lane < 4; lane++ {
				VEXTRACTI32X4(Imm(uint64(lane)), v, Mem{Base: rows, Disp: 16*i + 2048*lane})
			}
		}
		ADDQ(Imm(64), tmp)
		ADDQ(U32(256), rows)
	})
	end()
}

// transpose256 is transpose for 256 rows at a time, without affine maps: eight columns' bits trade
// places by masks, and the halves of rows, eight columns by eight, are stored apart.
func transpose256() {
	begin("transpose256", "(rows *uint64, cols *uint64, stride int, tmp *uint64)",
		"transpose256 transposes 128 columns of 256 bits, stride bytes apart, to 256 rows; tmp holds 4096 bytes.")
	rows, cols, stride, tmp := gp("rows"), gp("cols"), gp("stride"), gp("tmp")
	out, n, word := GP64(), GP64(), GP64()
	MOVQ(tmp, out)
	swaps := []struct {
		distance uint64
		mask     uint64
		lanes    VecVirtual
	}{{7, 0x00aa00aa00aa00aa, YMM()}, {14, 0x0000cccc0000cccc, YMM()}, {28, 0x00000000f0f0f0f0, YMM()}}
	for _, s := range swaps {
		MOVQ(U64(s.mask), word)
		VMOVQ(word, s.lanes.AsX())
		VPBROADCASTQ(s.lanes.AsX(), s.lanes)
	}
	MOVQ(U64(16), n)
	loop("transposeBits", n, 1, func() {
		c := make([]VecVirtual, 8)
		for i := range c {
			c[i] = YMM()
			VMOVDQU(Mem{Base: cols}, c[i])
			ADDQ(stride, cols)
		}
		for i, v := range unpack256(unpack256(unpack256(c))) {
			for _, s := range swaps {
				t := YMM()
				VPSRLQ(Imm(s.distance), v, t)
				VPXOR(v, t, t)
				VPAND(s.lanes, t, t)
				VPXOR(t, v, v)
				VPSLLQ(Imm(s.distance), t, t)
				VPXOR(t, v, v)
			}
			VMOVDQU(v, Mem{Base: out, Disp: 32 * i})
		}
		ADDQ(U32(256), out)
	})
	MOVQ(U64(8), n)
	loop("transposeBytes", n, 1, func() {
		for half := range 2 {
			g := make([]VecVirtual, 8)
			for i := range g {
				g[i] = YMM()
				VMOVDQU(Mem{Base: tmp, Disp: 256 * (8*half + i)}, g[i])
			}
			for i, v := range unpack256(unpack256(unpack256(g))) {
				for lane := range 2 {
					x := v.AsX()
					if lane == 1 {
						VEXTRACTI128(Imm(1), v, x)
					}
					at := 2048*lane + 32*i + 8*half
					VMOVQ(x, Mem{Base: rows, Disp: at})
					VMOVHPD(x, Mem{Base: rows, Disp: at + 16})
				}
			}
		}
		ADDQ(Imm(32), tmp)
		ADDQ(U32(256), rows)
	})
	end()
}

// xor adds with registers of a number of bytes, four blocks at a time.
func xor(bytes int) {
	suffix, vec := "Asm", ZMM
	move := func(from, to Op) { VMOVDQU64(from, to) }
	add, and := func(a, b, to Op) { VPXORQ(a, b, to) }, func(a, b, to Op) { VPANDQ(a, b, to) }
	if bytes == 32 {
		suffix, vec = "256", YMM
		move = func(from, to Op) { VMOVDQU(from, to) }
		add, and = func(a, b, to Op) { VPXOR(a, b, to) }, func(a, b, to Op) { VPAND(a, b, to) }
	}
	parts := func(body func(disp int)) {
		for disp := 0; disp < 64; disp += bytes {
			body(disp)
		}
	}
	for _, k := range []struct{ name, dst, doc string }{
		{"xor" + suffix, "*uint64", " adds n blocks of a and b, a multiple of 4."},
		{"xorWire" + suffix, "*byte", " is xor" + suffix + " with the sum in wire form."},
	} {
		begin(k.name, "(dst "+k.dst+", a *uint64, b *uint64, n int)", k.name+k.doc)
		dst, a, b, n := gp("dst"), gp("a"), gp("b"), gp("n")
		loop(k.name, n, 4, func() {
			parts(func(disp int) {
				v := vec()
				move(Mem{Base: a, Disp: disp}, v)
				add(Mem{Base: b, Disp: disp}, v, v)
				move(v, Mem{Base: dst, Disp: disp})
			})
			for _, p := range []Register{a, b, dst} {
				ADDQ(Imm(64), p)
			}
		})
		end()
	}
	name := "addMasked" + suffix
	begin(name, "(dst *uint64, src *byte, mask uint64, n int)", name+" adds n blocks in wire form, masked, to dst; n is a multiple of 4.")
	dst, src, n := gp("dst"), gp("src"), gp("n")
	mask, low := vec(), XMM()
	VMOVQ(gp("mask"), low)
	VPBROADCASTQ(low, mask)
	loop("addMasked", n, 4, func() {
		parts(func(disp int) {
			v := vec()
			and(Mem{Base: src, Disp: disp}, mask, v)
			add(Mem{Base: dst, Disp: disp}, v, v)
			move(v, Mem{Base: dst, Disp: disp})
		})
		ADDQ(Imm(64), src)
		ADDQ(Imm(64), dst)
	})
	end()
}

// multiplyDoc is what both kernels do.
const multiplyDoc = " writes to dst the sums of the products of n blocks' halves: low by low, low by high and high by low, high by high; n is a multiple of 4 and not 0."

// multiply512 takes four blocks at a time, and makes the middle sum of products of the halves' sums
// (Karatsuba): products are what takes the time.
func multiply512() {
	begin("multiply512", "(dst *uint64, a *uint64, b *uint64, n int)", "multiply512"+multiplyDoc)
	dst, a, b, n := gp("dst"), gp("a"), gp("b"), gp("n")
	sums := zmms(3)
	for _, v := range sums {
		VPXORQ(v, v, v)
	}
	x, y, p := ZMM(), ZMM(), zmms(3)
	loop("multiply", n, 4, func() {
		VMOVDQU64(Mem{Base: a}, x)
		VMOVDQU64(Mem{Base: b}, y)
		VPCLMULQDQ(Imm(0x00), y, x, p[0])
		VPCLMULQDQ(Imm(0x11), y, x, p[2])
		for _, v := range []VecVirtual{x, y} {
			swapped := ZMM()
			VPSHUFD(Imm(0x4e), v, swapped)
			VPXORQ(swapped, v, v)
		}
		VPCLMULQDQ(Imm(0x00), y, x, p[1])
		for i, v := range sums {
			VPXORQ(p[i], v, v)
		}
		ADDQ(Imm(64), a)
		ADDQ(Imm(64), b)
	})
	VPTERNLOGQ(Imm(0x96), sums[0], sums[2], sums[1])
	for to, v := range sums {
		high := ZMM()
		VEXTRACTI64X4(Imm(1), v, high.AsY())
		VPXORQ(high, v, v)
		VEXTRACTI32X4(Imm(1), v, high.AsX())
		VPXORQ(high, v, v)
		VMOVDQU64(v.AsX(), Mem{Base: dst, Disp: 16 * to})
	}
	end()
}

// halves are which halves of two blocks are multiplied; the middle two make one sum.
var halves = []uint64{0x00, 0x01, 0x10, 0x11}

// multiply128 takes a block at a time.
func multiply128() {
	begin("multiply128", "(dst *uint64, a *uint64, b *uint64, n int)", "multiply128"+multiplyDoc)
	dst, a, b, n := gp("dst"), gp("a"), gp("b"), gp("n")
	var sums [4]VecVirtual
	for i := range sums {
		sums[i] = XMM()
		VPXOR(sums[i], sums[i], sums[i])
	}
	x, y := XMM(), XMM()
	loop("multiply", n, 1, func() {
		VMOVDQU(Mem{Base: a}, x)
		VMOVDQU(Mem{Base: b}, y)
		for i, half := range halves {
			p := XMM()
			VPCLMULQDQ(Imm(half), y, x, p)
			VPXOR(p, sums[i], sums[i])
		}
		ADDQ(Imm(16), a)
		ADDQ(Imm(16), b)
	})
	VPXOR(sums[1], sums[2], sums[1])
	for to, from := range []int{0, 1, 3} {
		VMOVDQU(sums[from], Mem{Base: dst, Disp: 16 * to})
	}
	RET()
}

// weighDoc is what both kernels do.
const weighDoc = " takes vectors of n blocks, one behind the other: of each it adds up every fourth block, times x to the number of those that follow, in words of GF(2^64). n is a multiple of 4 and not 0."

// weigh512 does four vectors.
func weigh512() {
	begin("weigh512", "(dst *uint64, src *uint64, n int)", "weigh512"+weighDoc)
	dst, src, n := gp("dst"), gp("src"), gp("n")
	stride, third := GP64(), GP64()
	MOVQ(n, stride)
	SHLQ(Imm(4), stride)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, third)
	sums := zmms(4)
	for _, v := range sums {
		VPXORQ(v, v, v)
	}
	poly, word := ZMM(), GP64()
	MOVQ(U64(0x1b), word)
	VPBROADCASTQ(word, poly)
	from := []Mem{{Base: src}, {Base: src, Index: stride, Scale: 1}, {Base: src, Index: stride, Scale: 2}, {Base: src, Index: third, Scale: 1}}
	over := zmms(4)
	loop("weigh", n, 4, func() {
		for i, v := range sums {
			VPSRAQ(Imm(63), v, over[i])
			VPADDQ(v, v, v)
			VPANDQ(poly, over[i], over[i])
			VPTERNLOGQ(Imm(0x96), from[i], over[i], v)
		}
		ADDQ(Imm(64), src)
	})
	for i, v := range sums {
		VMOVDQU64(v, Mem{Base: dst, Disp: 64 * i})
	}
	end()
}

// weigh256 does two.
func weigh256() {
	begin("weigh256", "(dst *uint64, src *uint64, n int)", "weigh256"+weighDoc)
	dst, src, n := gp("dst"), gp("src"), gp("n")
	stride := GP64()
	MOVQ(n, stride)
	SHLQ(Imm(4), stride)
	var sums [4]VecVirtual
	for i := range sums {
		sums[i] = YMM()
		VPXOR(sums[i], sums[i], sums[i])
	}
	poly, zero, word := YMM(), YMM(), GP64()
	VPXOR(zero, zero, zero)
	MOVQ(U64(0x1b), word)
	VMOVQ(word, poly.AsX())
	VPBROADCASTQ(poly.AsX(), poly)
	from := []Mem{{Base: src}, {Base: src, Disp: 32}, {Base: src, Index: stride, Scale: 1}, {Base: src, Index: stride, Scale: 1, Disp: 32}}
	loop("weigh", n, 4, func() {
		for i, v := range sums {
			over := YMM()
			VPCMPGTQ(v, zero, over)
			VPADDQ(v, v, v)
			VPAND(poly, over, over)
			VPXOR(from[i], over, over)
			VPXOR(over, v, v)
		}
		ADDQ(Imm(64), src)
	})
	for i, v := range sums {
		VMOVDQU(v, Mem{Base: dst, Disp: 32 * i})
	}
	end()
}
