package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// factor is a twiddle factor with its quotient.
type factor struct{ w, s Op }

// forward is Harvey's butterfly (x,y) -> (x+wy, x-wy) on [0,4q).
func (m modulus) forward(x, y VecVirtual, f factor) {
	belowOnce(x, m.q2)
	t := m.shoup(nil, y, f.w, f.s)
	VPANDQ(m.mask, t, t)
	VPADDQ(m.q2, x, y)
	VPSUBQ(t, y, y)
	VPADDQ(t, x, x)
}

// inverse is (x,y) -> (x+y, (x-y)w) on [0,2q).
func (m modulus) inverse(x, y VecVirtual, f factor) {
	d := ZMM()
	VPADDQ(m.q2, x, d)
	VPSUBQ(y, d, d)
	VPADDQ(y, x, x)
	belowOnce(x, m.q2)
	m.multiply(y, d, f)
}

// multiply sets y = d*w in [0,2q).
func (m modulus) multiply(y, d VecVirtual, f factor) {
	clearVector(y)
	m.shoup(y, d, f.w, f.s)
	VPANDQ(m.mask, y, y)
}

// last is the last inverse level, scaled by 1/n and reduced to [0,q).
func (m modulus) last(x, y VecVirtual, sum, diff factor) {
	d, s := ZMM(), ZMM()
	VPADDQ(m.q2, x, d)
	VPSUBQ(y, d, d)
	VPADDQ(y, x, s)
	m.multiply(x, s, sum)
	m.multiply(y, d, diff)
	belowOnce(x, m.q)
	belowOnce(y, m.q)
}

// columns addresses k equidistant vectors: base + i*stride bytes.
type columns struct {
	base, s, s3, s5, s7 Register
	k                   int
}

func newColumns(base, stride Register, k int) columns {
	c := columns{base: base, s: stride, k: k}
	if k >= 4 {
		s3 := GP64()
		LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, s3)
		c.s3 = s3
	}
	if k == 8 {
		s5, s7 := GP64(), GP64()
		LEAQ(Mem{Base: stride, Index: stride, Scale: 4}, s5)
		LEAQ(Mem{Base: c.s3, Index: stride, Scale: 4}, s7)
		c.s5, c.s7 = s5, s7
	}
	return c
}

func (c columns) mem(i int) Mem {
	switch i {
	case 0:
		return Mem{Base: c.base}
	case 3:
		return Mem{Base: c.base, Index: c.s3, Scale: 1}
	case 5:
		return Mem{Base: c.base, Index: c.s5, Scale: 1}
	case 6:
		return Mem{Base: c.base, Index: c.s3, Scale: 2}
	case 7:
		return Mem{Base: c.base, Index: c.s7, Scale: 1}
	}
	return Mem{Base: c.base, Index: c.s, Scale: uint8(i)}
}

func (c columns) load() []VecVirtual {
	x := make([]VecVirtual, c.k)
	for i := range x {
		x[i] = load(c.mem(i))
	}
	return x
}

func (c columns) store(x []VecVirtual) {
	for i := range x {
		VMOVDQU64(x[i], c.mem(i))
	}
}

// nextBlock moves from the end of the first column to the next block.
func (c columns) nextBlock() {
	switch c.k {
	case 2:
		ADDQ(c.s, c.base)
	case 4:
		ADDQ(c.s3, c.base)
	case 8:
		ADDQ(c.s7, c.base)
	}
}

// level is the table position of the factors of one level.
type level struct {
	w, s  Register
	count int // factors a block
}

// levels positions the factors of log2(k) levels, the coarsest with m blocks.
func levels(w, s, m Register, k int) []level {
	first := level{w: GP64(), s: GP64(), count: 1}
	LEAQ(at(w, m), first.w.(GPVirtual))
	LEAQ(at(s, m), first.s.(GPVirtual))
	ls := []level{first}
	for c := 2; c < k; c *= 2 {
		prev := ls[len(ls)-1]
		l := level{w: GP64(), s: GP64(), count: c}
		// base + 2*(prev - base): the table index doubles.
		for _, p := range [][3]Register{{prev.w, w, l.w}, {prev.s, s, l.s}} {
			MOVQ(p[0], p[2])
			SUBQ(p[1], p[2])
			LEAQ(Mem{Base: p[0], Index: p[2], Scale: 1}, p[2].(GPVirtual))
		}
		ls = append(ls, l)
	}
	return ls
}

// factors loads a block's factors of every level and moves to the next block.
func factors(ls []level) [][]factor {
	var all [][]factor
	for _, l := range ls {
		var fs []factor
		for i := range l.count {
			w, s := ZMM(), ZMM()
			VPBROADCASTQ(Mem{Base: l.w, Disp: 8 * i}, w)
			VPBROADCASTQ(Mem{Base: l.s, Disp: 8 * i}, s)
			fs = append(fs, factor{w, s})
		}
		ADDQ(I32(8*l.count), l.w)
		ADDQ(I32(8*l.count), l.s)
		all = append(all, fs)
	}
	return all
}

// forwardLevels runs the levels over columns, coarsest first.
func (m modulus) forwardLevels(x []VecVirtual, fs [][]factor) {
	for _, f := range fs {
		half := len(x) / len(f) / 2
		for b := range f {
			for i := range half {
				m.forward(x[2*b*half+i], x[(2*b+1)*half+i], f[b])
			}
		}
	}
}

// inverseLevels runs the levels over columns, finest first, without the first
// skip coarsest ones.
func (m modulus) inverseLevels(x []VecVirtual, fs [][]factor, skip int) {
	for l := len(fs) - 1; l >= skip; l-- {
		f := fs[l]
		half := len(x) / len(f) / 2
		for b := range f {
			for i := range half {
				m.inverse(x[2*b*half+i], x[(2*b+1)*half+i], f[b])
			}
		}
	}
}

func ntt() {
	for _, k := range []int{2, 4, 8} {
		pass(k, true)
		pass(k, false)
	}
	lastPass()
	tail(true)
	tail(false)
}

// pass makes log2(k) levels on all m blocks; stride is the distance of the k
// columns in bytes, a multiple of 64.
func pass(k int, fwd bool) {
	name, doc := fmt.Sprintf("nttInverse%d", k), "runs the inverse levels"
	if fwd {
		name, doc = fmt.Sprintf("nttForward%d", k), "runs the forward levels"
	}
	begin(name, "(p, w, s *uint64, m, stride int, q uint64)",
		fmt.Sprintf("%s %s of %d columns, stride bytes apart, in m blocks.", name, doc, k))
	base, w, s, m, stride := gp("p"), gp("w"), gp("s"), gp("m"), gp("stride")
	mod := newModulus(gp("q"))
	ls := levels(w, s, m, k)
	cols := newColumns(base, stride, k)
	counter("block", m, func() {
		fs := factors(ls)
		j := GP64()
		MOVQ(stride, j)
		SHRQ(U8(6), j)
		counter("column", j, func() {
			x := cols.load()
			if fwd {
				mod.forwardLevels(x, fs)
			} else {
				mod.inverseLevels(x, fs, 0)
			}
			cols.store(x)
			ADDQ(U8(64), base)
		})
		cols.nextBlock()
	})
	end()
}

// lastPass makes the last three inverse levels of the single block, and the
// scaling by 1/n.
func lastPass() {
	const k = 8
	begin("nttInverseLast8", "(p, w, s *uint64, stride int, q uint64, scale *uint64)",
		"nttInverseLast8 runs the last three inverse levels and scales by 1/n. scale is (1/n, quotient, last factor/n, quotient).")
	base, w, s, stride := gp("p"), gp("w"), gp("s"), gp("stride")
	mod := newModulus(gp("q"))
	scale := gp("scale")
	one := GP64()
	MOVQ(U32(1), one)
	fs := factors(levels(w, s, one, k)[1:])
	var c [4]VecVirtual
	for i := range c {
		c[i] = broadcast(Mem{Base: scale, Disp: 8 * i})
	}
	cols := newColumns(base, stride, k)
	j := GP64()
	MOVQ(stride, j)
	SHRQ(U8(6), j)
	counter("column", j, func() {
		x := cols.load()
		mod.inverseLevels(x, fs, 0)
		for i := range k / 2 {
			mod.last(x[i], x[i+k/2], factor{c[0], c[1]}, factor{c[2], c[3]})
		}
		cols.store(x)
		ADDQ(U8(64), base)
	})
	end()
}

// transpose exchanges rows and columns of 8x8 words.
func transpose(r []VecVirtual) []VecVirtual {
	t := make([]VecVirtual, 8)
	for i := 0; i < 8; i += 2 {
		t[i], t[i+1] = ZMM(), ZMM()
		VPUNPCKLQDQ(r[i+1], r[i], t[i])
		VPUNPCKHQDQ(r[i+1], r[i], t[i+1])
	}
	shuf := func(a, b VecVirtual, imm uint8) VecVirtual {
		z := ZMM()
		VSHUFI64X2(U8(imm), b, a, z)
		return z
	}
	out := make([]VecVirtual, 8)
	for odd := range 2 {
		for i, imm := range []uint8{0x88, 0xdd} {
			a := shuf(t[odd], t[2+odd], imm)
			b := shuf(t[4+odd], t[6+odd], imm)
			out[odd+2*i] = shuf(a, b, 0x88)
			out[odd+2*i+4] = shuf(a, b, 0xdd)
		}
	}
	return out
}

// laneFactors loads the factors of the three innermost levels of a block of 64
// in transposed order, and moves on.
func laneFactors(tables []Register) [][]factor {
	var all [][]factor
	for l := range 3 {
		var fs []factor
		w, s := tables[2*l], tables[2*l+1]
		for i := range 1 << l {
			fs = append(fs, factor{load(Mem{Base: w, Disp: 64 * i}), load(Mem{Base: s, Disp: 64 * i})})
		}
		ADDQ(I32(64<<l), w)
		ADDQ(I32(64<<l), s)
		all = append(all, fs)
	}
	return all
}

// tail makes the six innermost levels of each block of 64: three between
// vectors, three between lanes after a transposition.
func tail(fwd bool) {
	name, doc := "nttInverseTail", "runs the first six inverse levels"
	if fwd {
		name, doc = "nttForwardTail", "runs the last six forward levels and reduces"
	}
	begin(name, "(p, w, s *uint64, lanes **uint64, m int, q uint64)",
		name+" "+doc+" of m blocks of 64. lanes holds six pointers: factors and quotients of the lane levels, positioned.")
	base, w, s, lanes, m := gp("p"), gp("w"), gp("s"), gp("lanes"), gp("m")
	mod := newModulus(gp("q"))
	ls := levels(w, s, m, 8)
	tables := make([]Register, 6)
	for i := range tables {
		t := GP64()
		MOVQ(Mem{Base: lanes, Disp: 8 * i}, t)
		tables[i] = t
	}
	counter("block", m, func() {
		x := make([]VecVirtual, 8)
		for i := range x {
			x[i] = load(Mem{Base: base, Disp: 64 * i})
		}
		if fwd {
			mod.forwardLevels(x, factors(ls))
			x = transpose(x)
			mod.forwardLevels(x, laneFactors(tables))
			for i := range x {
				belowOnce(x[i], mod.q2)
				belowOnce(x[i], mod.q)
			}
			x = transpose(x)
		} else {
			x = transpose(x)
			mod.inverseLevels(x, laneFactors(tables), 0)
			x = transpose(x)
			mod.inverseLevels(x, factors(ls), 0)
		}
		for i := range x {
			VMOVDQU64(x[i], Mem{Base: base, Disp: 64 * i})
		}
		ADDQ(I32(512), base)
	})
	end()
}
