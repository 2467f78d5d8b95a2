package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Arithmetic modulo q in double precision, for processors with fused
// multiply-add and without IFMA. Residues are signed whole numbers below 2^53 in
// magnitude, factors at most q/2.
//
// y*w modulo q: h = fl(y*w) and l = y*w - h are exact together; k is y*(w/q) rounded
// to a whole number. For |y| <= 8q, k is off by 1/2 and by what w/q and the product were rounded
// by, 8q/2 * 2^-52 <= 1 (q < 2^50), so that |y*w - k*q| <= 3q/2. Hence h - k*q, a whole number below
// 2^51, is exact too, and the result h - k*q + l.
//
// Let b bound residues, in units of q, where a pass begins. reduce leaves 1/2 + b/8. Forward,
// two levels on values of which the unmultiplied ones are reduced first end below 13/8 + b/7: 2.
// Inverse, two levels end below 4b, where products of that are below 1/2 + b/2 and sums are reduced: 1.

// doubles holds what this arithmetic needs in every lane; the layout is fmaConstants'.
type doubles struct{ q, inv, whole VecVirtual }

func newDoubles(c Register) doubles {
	var d doubles
	for i, v := range []*VecVirtual{&d.q, &d.inv, &d.whole} {
		*v = YMM()
		VBROADCASTSD(Mem{Base: c, Disp: 8 * i}, *v)
	}
	return d
}

func ymms(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = YMM()
	}
	return v
}

// nearest is VROUNDPD's operand: to the nearest whole number, quietly.
const nearest = 8

// times multiplies y by w modulo q, in place; s is w/q.
func (d doubles) times(y VecVirtual, w, s Op) {
	h, k := YMM(), YMM()
	VMULPD(s, y, k)
	VMULPD(w, y, h)
	VROUNDPD(U8(nearest), k, k)
	VFMSUB213PD(h, w, y)
	VFNMADD231PD(d.q, k, h)
	VADDPD(h, y, y)
}

func (d doubles) reduce(x VecVirtual) {
	k := YMM()
	VMULPD(d.inv, x, k)
	VROUNDPD(U8(nearest), k, k)
	VFNMADD231PD(d.q, k, x)
}

// fromWords turns words below 2^52 into doubles: whole is 2^52, whose last place is one.
func (d doubles) fromWords(x VecVirtual) {
	VPOR(d.whole, x, x)
	VSUBPD(d.whole, x, x)
}

// toWords reduces to [0, q) and turns doubles into words.
func (d doubles) toWords(x VecVirtual) {
	d.reduce(x)
	z, below := YMM(), YMM()
	VXORPD(z, z, z)
	VCMPPD(U8(1), z, x, below) // x < 0
	VANDPD(d.q, below, below)
	VADDPD(below, x, x)
	VADDPD(d.whole, x, x)
	VPXOR(d.whole, x, x)
}

func (d doubles) forward(x, y VecVirtual, f factor) {
	d.times(y, f.w, f.s)
	t := YMM()
	VADDPD(y, x, t)
	VSUBPD(y, x, y)
	VMOVAPD(t, x)
}

func (d doubles) inverse(x, y VecVirtual, f factor) {
	t := YMM()
	VADDPD(y, x, t)
	VSUBPD(y, x, y)
	VMOVAPD(t, x)
	d.times(y, f.w, f.s)
}

// fmaFactors are the factors of one (k = 2) or two levels of a block.
func fmaFactors(w, s, block Register, k int) []factor {
	at := func(index Register, scale uint8, disp int) factor {
		a, b := YMM(), YMM()
		VBROADCASTSD(Mem{Base: w, Index: index, Scale: scale, Disp: disp}, a)
		VBROADCASTSD(Mem{Base: s, Index: index, Scale: scale, Disp: disp}, b)
		return factor{a, b}
	}
	fs := []factor{at(block, 8, 0)}
	if k == 4 {
		twice := GP64()
		LEAQ(Mem{Base: block, Index: block, Scale: 1}, twice)
		fs = append(fs, at(twice, 8, 0), at(twice, 8, 8))
	}
	return fs
}

func fma() {
	fmaPass("fmaForward2First", 2, true, true)
	fmaPass("fmaForward4First", 4, true, true)
	fmaPass("fmaForward4", 4, true, false)
	fmaPass("fmaInverse4", 4, false, false)
	fmaLast(2)
	fmaLast(4)
	fmaTail("fmaForwardTail", true)
	fmaTail("fmaInverseTail", false)
	for _, r := range fmaRepetitions {
		fmaDot(r, 1)
		fmaDot(r, 2)
	}
	fmaProducts()
	fmaMul()
}

// fmaColumns addresses k equidistant vectors of four.
func fmaColumns(base, stride Register, k int) []Mem {
	m := []Mem{{Base: base}, {Base: base, Index: stride, Scale: 1}}
	if k == 4 {
		s3 := GP64()
		LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, s3)
		m = append(m, Mem{Base: base, Index: stride, Scale: 2}, Mem{Base: base, Index: s3, Scale: 1})
	}
	return m
}

func loadAll(ms []Mem) []VecVirtual {
	x := ymms(len(ms))
	for i := range x {
		VMOVUPD(ms[i], x[i])
	}
	return x
}

func storeAll(x []VecVirtual, ms []Mem) {
	for i := range x {
		VMOVUPD(x[i], ms[i])
	}
}

// levels makes the levels of one butterfly of len(x) columns.
func (d doubles) levels(x []VecVirtual, fs []factor, fwd bool) {
	switch {
	case fwd && len(x) == 2:
		d.forward(x[0], x[1], fs[0])
	case fwd:
		d.forward(x[0], x[2], fs[0])
		d.forward(x[1], x[3], fs[0])
		d.forward(x[0], x[1], fs[1])
		d.forward(x[2], x[3], fs[2])
	default:
		d.inverse(x[0], x[1], fs[1])
		d.inverse(x[2], x[3], fs[2])
		d.inverse(x[0], x[2], fs[0])
		d.inverse(x[1], x[3], fs[0])
		d.reduce(x[0])
		d.reduce(x[1])
	}
}

// fmaPass makes one or two levels on all blocks, numbered from m on in the tables.
func fmaPass(name string, k int, fwd, first bool) {
	doc := " runs levels of %d columns, stride bytes apart, on m blocks."
	if first {
		doc += " It reads words."
	}
	begin(name, "(p *uint64, w, s *float64, m, stride int, c *float64)", name+fmt.Sprintf(doc, k))
	base, w, s, m, stride := gp("p"), gp("w"), gp("s"), gp("m"), gp("stride")
	d := newDoubles(gp("c"))
	cols := fmaColumns(base, stride, k)
	block := GP64()
	MOVQ(m, block)
	counter("block", m, func() {
		fs := fmaFactors(w, s, block, k)
		j := GP64()
		MOVQ(stride, j)
		SHRQ(U8(5), j)
		counter("column", j, func() {
			x := loadAll(cols)
			switch {
			case first:
				for _, v := range x {
					d.fromWords(v)
				}
			case fwd:
				d.reduce(x[0])
				d.reduce(x[1])
			}
			d.levels(x, fs, fwd)
			storeAll(x, cols)
			ADDQ(U8(32), base)
		})
		for range k - 1 {
			ADDQ(stride, base)
		}
		INCQ(block)
	})
	end()
}

// fmaLast makes the last one or two inverse levels, the scaling by 1/n, and words.
func fmaLast(k int) {
	name := fmt.Sprintf("fmaInverseLast%d", k)
	begin(name, "(p *uint64, w, s *float64, stride int, c, scale *float64)",
		name+" runs the last inverse levels, scales by 1/n and writes words. scale is (1/n, over q, last factor/n, over q).")
	base, w, s, stride := gp("p"), gp("w"), gp("s"), gp("stride")
	d := newDoubles(gp("c"))
	scale := gp("scale")
	var fs []factor
	if k == 4 {
		one := GP64()
		MOVQ(U32(1), one)
		fs = fmaFactors(w, s, one, 4)
	}
	sc := make([]Op, 4)
	for i := range sc {
		sc[i] = Mem{Base: scale, Disp: 32 * i}
	}
	cols := fmaColumns(base, stride, k)
	j := GP64()
	MOVQ(stride, j)
	SHRQ(U8(5), j)
	counter("column", j, func() {
		x := loadAll(cols)
		if k == 4 {
			d.inverse(x[0], x[1], fs[1])
			d.inverse(x[2], x[3], fs[2])
		}
		for i := range k / 2 {
			a, b := x[i], x[i+k/2]
			t := YMM()
			VADDPD(b, a, t)
			VSUBPD(b, a, b)
			VMOVAPD(t, a)
			for h, v := range []VecVirtual{a, b} {
				f, g := YMM(), YMM()
				VMOVUPD(sc[2*h], f)
				VMOVUPD(sc[2*h+1], g)
				d.times(v, f, g)
				d.toWords(v)
			}
		}
		storeAll(x, cols)
		ADDQ(U8(32), base)
	})
	end()
}

// transpose4 exchanges rows and columns of 4x4 doubles.
func transpose4(r []VecVirtual) []VecVirtual {
	t, out := ymms(4), ymms(4)
	for i := 0; i < 4; i += 2 {
		VUNPCKLPD(r[i+1], r[i], t[i])
		VUNPCKHPD(r[i+1], r[i], t[i+1])
	}
	VPERM2F128(U8(0x20), t[2], t[0], out[0])
	VPERM2F128(U8(0x20), t[3], t[1], out[1])
	VPERM2F128(U8(0x31), t[2], t[0], out[2])
	VPERM2F128(U8(0x31), t[3], t[1], out[3])
	return out
}

// fmaTail makes the four innermost levels of each block of 16: two between
// vectors, two between lanes after a transposition. Factors of the lane levels are read in order.
func fmaTail(name string, fwd bool) {
	begin(name, "(p *uint64, w, s *float64, lanes **float64, m int, c *float64)",
		name+" runs the four innermost levels of m blocks of 16. lanes holds four pointers: factors and factors over q of the lane levels, positioned.")
	base, w, s, lanes, m := gp("p"), gp("w"), gp("s"), gp("lanes"), gp("m")
	d := newDoubles(gp("c"))
	tables := make([]Register, 4)
	for i := range tables {
		t := GP64()
		MOVQ(Mem{Base: lanes, Disp: 8 * i}, t)
		tables[i] = t
	}
	block := GP64()
	MOVQ(m, block)
	var ms []Mem
	for i := range 4 {
		ms = append(ms, Mem{Base: base, Disp: 32 * i})
	}
	laneFactor := func(level, i int) factor {
		a, b := YMM(), YMM()
		VMOVUPD(Mem{Base: tables[2*level], Disp: 32 * i}, a)
		VMOVUPD(Mem{Base: tables[2*level+1], Disp: 32 * i}, b)
		return factor{a, b}
	}
	counter("block", m, func() {
		x := loadAll(ms)
		if fwd {
			d.reduce(x[0])
			d.reduce(x[1])
			d.levels(x, fmaFactors(w, s, block, 4), true)
			x = transpose4(x)
			d.reduce(x[0])
			d.reduce(x[1])
			d.levels(x, []factor{laneFactor(0, 0), laneFactor(1, 0), laneFactor(1, 1)}, true)
			for _, v := range x {
				d.toWords(v)
			}
			x = transpose4(x)
		} else {
			for _, v := range x {
				d.fromWords(v)
			}
			x = transpose4(x)
			d.levels(x, []factor{laneFactor(0, 0), laneFactor(1, 0), laneFactor(1, 1)}, false)
			x = transpose4(x)
			d.levels(x, fmaFactors(w, s, block, 4), false)
		}
		storeAll(x, ms)
		ADDQ(I32(128), base)
		for i, t := range tables {
			ADDQ(U8(32<<(i/2)), t)
		}
		INCQ(block)
	})
	end()
}

// fmaRepetitions: a value of w stands for one, two, or at least four positions.
var fmaRepetitions = []string{"", "Twice", "Broadcast"}

func loadRepeated(rep string, base, index Register) VecVirtual {
	v := YMM()
	switch rep {
	case "Twice":
		VMOVUPD(Mem{Base: base, Index: index, Scale: 8}, v.AsX())
		VPERMPD(U8(0x50), v, v)
	case "Broadcast":
		VBROADCASTSD(Mem{Base: base, Index: index, Scale: 8}, v)
	default:
		VMOVUPD(Mem{Base: base, Index: index, Scale: 8}, v)
	}
	return v
}

// fmaDot adds sums of products to one or two accumulators, without reducing: with
// c = 2^101, fl(x*w + c) is c plus the multiple of 2^49 next to the product, which its bits
// count from those of c on; what is left, below 2^48 in magnitude, stands likewise in the bits of
// x*w - that + 3*2^51. All of it is exact for factors below 2^50.
func fmaDot(rep string, halves int) {
	name, args := "fmaDot"+rep, "lo0, hi0 *uint64, x0 "
	if halves == 2 {
		name, args = "fmaDotPair"+rep, "lo0, hi0, lo1, hi1 *uint64, x0, x1 "
	}
	begin(name, "("+args+"*[]uint64, w *[]uint64, terms, from, to int, shift uint64, c *float64)",
		name+" adds x0[k]*w[k] for all terms k (and x1[k]*w[k] to the second accumulator) as lo + hi*2^49. A value of w stands for 2^shift positions; it covers positions from <= i < to, multiples of 4.")
	names := [][2]string{{"lo0", "hi0"}, {"lo1", "hi1"}}[:halves]
	pos := gp("from")
	c := gp("c")
	whole, far, both, less := YMM(), YMM(), YMM(), ymms(2)
	VBROADCASTSD(Mem{Base: c, Disp: 16}, whole)
	VBROADCASTSD(Mem{Base: c, Disp: 24}, far)  // 2^101
	VBROADCASTSD(Mem{Base: c, Disp: 32}, both) // 2^101 + 3*2^51
	// What the bits of the constants add up to over all terms.
	for i, word := range []int{40, 24} { // 3*2^51, 2^101
		t, x := gp("terms"), XMM()
		IMULQ(Mem{Base: c, Disp: word}, t)
		VMOVQ(t, x)
		VPBROADCASTQ(x, less[i])
	}
	Label("positions")
	var acc [2][2]VecVirtual
	for h, words := range names {
		for i, word := range words {
			acc[h][i] = YMM()
			VMOVDQU(Mem{Base: gp(word), Index: pos, Scale: 8}, acc[h][i])
			VPSUBQ(less[i], acc[h][i], acc[h][i])
		}
	}
	index := GP64()
	SHRXQ(gp("shift"), pos, index)
	terms, w := gp("terms"), gp("w")
	xs := []Register{gp("x0")}
	if halves == 2 {
		xs = append(xs, gp("x1"))
	}
	counter("terms", terms, func() {
		pw := GP64()
		MOVQ(Mem{Base: w}, pw)
		f := loadRepeated(rep, pw, index)
		VPOR(whole, f, f)
		VSUBPD(whole, f, f)
		for h, x := range xs {
			px, a, hi := GP64(), YMM(), YMM()
			MOVQ(Mem{Base: x}, px)
			VPOR(Mem{Base: px, Index: pos, Scale: 8}, whole, a)
			VSUBPD(whole, a, a)
			VMOVAPD(far, hi)
			VFMADD231PD(f, a, hi)
			VPADDQ(hi, acc[h][1], acc[h][1])
			VSUBPD(hi, both, hi)
			VFMADD231PD(f, a, hi)
			VPADDQ(hi, acc[h][0], acc[h][0])
			ADDQ(U8(24), x) // the next slice header
		}
		ADDQ(U8(24), w)
	})
	for h, words := range names {
		for i, word := range words {
			VMOVDQU(acc[h][i], Mem{Base: gp(word), Index: pos, Scale: 8})
		}
	}
	ADDQ(U8(4), pos)
	CMPQ(pos, gp("to"))
	JLT(LabelRef("positions"))
	end()
}

// product sets a to a*b modulo q for factors below 2^50 that come without a
// quotient: k is off by less than one, the result below q in magnitude.
func (d doubles) product(a, b VecVirtual) {
	h, k := YMM(), YMM()
	VMULPD(b, a, h)
	VMULPD(d.inv, h, k)
	VROUNDPD(U8(nearest), k, k)
	VFMSUB213PD(h, b, a)
	VFNMADD231PD(d.q, k, h)
	VADDPD(h, a, a)
}

func fmaProducts() {
	begin("fmaAddProducts", "(dst *uint64, x, w *[]uint64, terms, n int, c *float64)",
		"fmaAddProducts adds the sum of x[k]*w[k] to dst modulo q. n is a multiple of 4.")
	dst, n, pos := gp("dst"), gp("n"), GP64()
	d := newDoubles(gp("c"))
	XORQ(pos, pos)
	Label("positions")
	sum := YMM()
	VMOVUPD(at(dst, pos), sum)
	d.fromWords(sum)
	terms, x, w := gp("terms"), gp("x"), gp("w")
	counter("terms", terms, func() {
		px, pw, a, b := GP64(), GP64(), YMM(), YMM()
		MOVQ(Mem{Base: x}, px)
		MOVQ(Mem{Base: w}, pw)
		VMOVUPD(at(px, pos), a)
		VMOVUPD(at(pw, pos), b)
		d.fromWords(a)
		d.fromWords(b)
		d.product(a, b)
		d.reduce(sum)
		VADDPD(a, sum, sum)
		ADDQ(U8(24), x)
		ADDQ(U8(24), w)
	})
	d.toWords(sum)
	VMOVUPD(sum, at(dst, pos))
	ADDQ(U8(4), pos)
	CMPQ(pos, n)
	JLT(LabelRef("positions"))
	end()
}

func fmaMul() {
	begin("fmaMul", "(dst, a, b *uint64, n int, c *float64)", "fmaMul sets dst = a*b mod q. n is a multiple of 4.")
	p := ptrs("dst", "a", "b")
	n := gp("n")
	d := newDoubles(gp("c"))
	SHRQ(U8(2), n)
	counter("vector", n, func() {
		a, b := YMM(), YMM()
		VMOVUPD(Mem{Base: p[1]}, a)
		VMOVUPD(Mem{Base: p[2]}, b)
		d.fromWords(a)
		d.fromWords(b)
		d.product(a, b)
		d.toWords(a)
		VMOVUPD(a, Mem{Base: p[0]})
		for _, r := range p {
			ADDQ(U8(32), r)
		}
	})
	end()
}
