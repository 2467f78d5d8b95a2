package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// width is a register of one or two blocks. There are sixteen registers and no
// masks: eight vectors go side by side, round keys are read when they are due, what must
// outlive an encryption waits in memory, and lengths are whole vectors.
type width struct {
	name   string
	blocks int
}

func (w width) vec() VecVirtual {
	if w.blocks == 2 {
		return YMM()
	}
	return XMM()
}

func (w width) vecs(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = w.vec()
	}
	return v
}

func (w width) bytes() int { return 16 * w.blocks }

// constant is a table of one vector: a pair of words for every block.
func (w width) constant(name string, of func(block int) [2]uint64) Mem {
	var all []uint64
	for i := range w.blocks {
		p := of(i)
		all = append(all, p[:]...)
	}
	return shared(name+w.name, all...)
}

func (w width) same(name string, lo, hi uint64) Mem {
	return w.constant(name, func(int) [2]uint64 { return [2]uint64{lo, hi} })
}

// repeat fills a vector with a block in memory.
func (w width) repeat(m Mem) VecVirtual {
	v := w.vec()
	if w.blocks == 2 {
		VBROADCASTI128(m, v)
	} else {
		VMOVDQU(m, v)
	}
	return v
}

// word fills a vector with a register, in every word.
func (w width) word(r Register) VecVirtual {
	x, v := XMM(), w.vec()
	VMOVQ(r, x)
	VPBROADCASTQ(x, v)
	return v
}

// wordIn is word in the low (0) or the high word (1) of every block only.
func (w width) wordIn(r Register, high int) VecVirtual {
	v := w.word(r)
	mask := [2]uint64{}
	mask[high] = ^uint64(0)
	VPAND(w.same(fmt.Sprintf("onlyWord%d", high), mask[0], mask[1]), v, v)
	return v
}

// xor0 clears a vector.
func (w width) zero() VecVirtual {
	v := w.vec()
	VPXOR(v, v, v)
	return v
}

// encrypt runs AES on all vectors side by side.
func (w width) encrypt(rounds Register, x []VecVirtual) { w.reduced(rounds, 10, x) }

// reduced is encrypt with so many rounds.
func (w width) reduced(rounds Register, last int, x []VecVirtual) {
	for r := range last + 1 {
		k := w.repeat(Mem{Base: rounds, Disp: 16 * r})
		for _, v := range x {
			switch r {
			case 0:
				VPXOR(k, v, v)
			case last:
				VAESENCLAST(k, v, v)
			default:
				VAESENC(k, v, v)
			}
		}
	}
}

// steps runs body for eight vectors at a time, then for one; n counts blocks, a
// whole number of vectors.
func (w width) steps(n Register, body func(vectors int)) {
	loop("wide", n, 8*w.blocks, func() { body(8) })
	loop("rest", n, w.blocks, func() { body(1) })
	end()
}

func (w width) advance(p Register, vectors int) { ADDQ(U32(uint32(w.bytes()*vectors)), p) }

func (w width) encryptBlocks() {
	begin("encrypt"+w.name, "(rounds *uint64, x *uint64, n int)",
		"encrypt"+w.name+" encrypts n blocks in place, a whole number of vectors.")
	rounds, x := gp("rounds"), gp("x")
	w.steps(gp("n"), func(vectors int) {
		v := w.vecs(vectors)
		for i := range v {
			VMOVDQU(Mem{Base: x, Disp: w.bytes() * i}, v[i])
		}
		w.encrypt(rounds, v)
		for i := range v {
			VMOVDQU(v[i], Mem{Base: x, Disp: w.bytes() * i})
		}
		w.advance(x, vectors)
	})
}

// counters starts a big-endian counter in the high words; next gives its blocks.
func (w width) counters(first Register) (next func() VecVirtual) {
	count := w.wordIn(first, 1)
	VPADDQ(w.constant("counterStart", func(i int) [2]uint64 { return [2]uint64{0, uint64(i)} }), count, count)
	swap := w.same("swapBytes", 0x0001020304050607, 0x08090a0b0c0d0e0f)
	step := w.same("counterStep", 0, uint64(w.blocks))
	return func() VecVirtual {
		v := w.vec()
		VPSHUFB(swap, count, v)
		VPADDQ(step, count, count)
		return v
	}
}

func (w width) ctr(name, of string, last int) {
	begin(name, "(rounds *uint64, dst *uint64, n int, first uint64)",
		name+" writes n blocks of "+of+" from block first, a whole number of vectors.")
	rounds, dst := gp("rounds"), gp("dst")
	next := w.counters(gp("first"))
	w.steps(gp("n"), func(vectors int) {
		var x []VecVirtual
		for range vectors {
			x = append(x, next())
		}
		w.reduced(rounds, last, x)
		for i, v := range x {
			VMOVDQU(v, Mem{Base: dst, Disp: w.bytes() * i})
		}
		w.advance(dst, vectors)
	})
}

func (w width) hashWords() {
	begin("hashWords"+w.name, "(rounds *uint64, dst *uint64, x *uint64, n int, off *uint64, index uint64)",
		"hashWords"+w.name+" writes the low words of the hashes of x[i] ^ off under the tweaks index + i, a whole number of vectors.")
	rounds, dst, x := gp("rounds"), gp("dst"), gp("x")
	off, tweak := w.repeat(Mem{Base: gp("off")}), w.wordIn(gp("index"), 0)
	VPADDQ(w.constant("tweakStart", func(i int) [2]uint64 { return [2]uint64{uint64(i), 0} }), tweak, tweak)
	step := w.same("tweakStep", uint64(w.blocks), 0)
	plain := AllocLocal(8 * w.bytes()) // Sigma of the inputs
	w.steps(gp("n"), func(vectors int) {
		v := w.vecs(vectors)
		for i := range v {
			t := w.vec()
			VPXOR(Mem{Base: x, Disp: w.bytes() * i}, off, t)
			w.sigma(t, v[i])
			VMOVDQU(v[i], plain.Offset(w.bytes()*i))
			VPXOR(tweak, v[i], v[i])
			VPADDQ(step, tweak, tweak)
		}
		w.encrypt(rounds, v)
		for i := range v {
			VPXOR(plain.Offset(w.bytes()*i), v[i], v[i])
		}
		w.storeLowWords(dst, v)
		w.advance(x, vectors)
		ADDQ(U32(uint32(w.bytes()/2*vectors)), dst)
	})
}

func (w width) storeLowWords(dst Register, v []VecVirtual) {
	switch {
	case len(v) == 1 && w.blocks == 1:
		VMOVQ(v[0], Mem{Base: dst})
	case len(v) == 1:
		VPERMQ(Imm(0x08), v[0], v[0])
		VMOVDQU(v[0].AsX(), Mem{Base: dst})
	default:
		for i := 0; i < len(v); i += 2 {
			VPUNPCKLQDQ(v[i+1], v[i], v[i])
			if w.blocks == 2 {
				VPERMQ(Imm(0xd8), v[i], v[i])
			}
			VMOVDQU(v[i], Mem{Base: dst, Disp: w.bytes() / 2 * i})
		}
	}
}

// numbers counts nodes, each number in both words of its block.
func (w width) numbers() (number VecVirtual, step Mem) {
	number = w.vec()
	VMOVDQU(w.constant("nodeStart", func(i int) [2]uint64 { return [2]uint64{uint64(i), uint64(i)} }), number)
	n := uint64(w.blocks)
	return number, w.same("nodeStep", n, n)
}

// add adds fix to x where number & m == at.
func (w width) add(x, fix, number, m, at VecVirtual) {
	t := w.vec()
	VPAND(m, number, t)
	VPCMPEQQ(at, t, t)
	VPAND(fix, t, t)
	VPXOR(t, x, x)
}

// sigma is Block.Sigma: the words swapped, the high one added to by the other.
func (w width) sigma(x, s VecVirtual) {
	t := w.vec()
	VPSHUFD(Imm(0x4e), x, s)
	VPAND(w.same("onlyWord1", 0, ^uint64(0)), x, t)
	VPXOR(t, s, s)
}

func (w width) expand() {
	begin("expand"+w.name, "(rounds *uint64, nodes *uint64, n int, fix *uint64, at uint64, m uint64, sum *uint64)",
		"expand"+w.name+" expands a level of a correlated tree, a whole number of vectors; see Tree.Expand.")
	rounds, low, n := gp("rounds"), gp("nodes"), gp("n")
	high := GP64()
	MOVQ(n, high)
	SHLQ(Imm(4), high)
	ADDQ(low, high)
	number, step := w.numbers()
	fix, m, at, sum := w.repeat(Mem{Base: gp("fix")}), w.word(gp("m")), w.word(gp("at")), w.zero()
	out := gp("sum")
	loop("wide", n, 8*w.blocks, func() { w.level(8, rounds, low, high, fix, number, m, at, sum, step) })
	loop("rest", n, w.blocks, func() { w.level(1, rounds, low, high, fix, number, m, at, sum, step) })
	x := sum.AsX()
	if w.blocks == 2 {
		t := XMM()
		VEXTRACTI128(Imm(1), sum, t)
		VPXOR(t, x, x)
	}
	VMOVDQU(x, Mem{Base: out})
	end()
}

// level makes the children of some vectors of nodes, which wait in their own place.
func (w width) level(vectors int, rounds, low, high Register, fix, number, m, at, sum VecVirtual, step Mem) {
	h := w.vecs(vectors)
	for i := range h {
		x := w.vec()
		VMOVDQU(Mem{Base: low, Disp: w.bytes() * i}, x)
		w.add(x, fix, number, m, at)
		VPADDQ(step, number, number)
		VMOVDQU(x, Mem{Base: low, Disp: w.bytes() * i})
		w.sigma(x, h[i])
	}
	w.encrypt(rounds, h)
	for i := range h {
		x, s := w.vec(), w.vec()
		VMOVDQU(Mem{Base: low, Disp: w.bytes() * i}, x)
		w.sigma(x, s)
		VPXOR(s, h[i], h[i])
		VPXOR(h[i], sum, sum)
		VMOVDQU(h[i], Mem{Base: low, Disp: w.bytes() * i})
		VPXOR(h[i], x, x)
		VMOVDQU(x, Mem{Base: high, Disp: w.bytes() * i})
	}
	w.advance(low, vectors)
	w.advance(high, vectors)
}

func (w width) finish() {
	begin("finish"+w.name, "(nodes *uint64, n int, fix *uint64, at uint64, m uint64, leaf uint64, mark uint64)",
		"finish"+w.name+" makes leaves of a last level of n nodes, a whole number of vectors; see Finish.")
	nodes := gp("nodes")
	number, step := w.numbers()
	fix, m, at, leaf := w.repeat(Mem{Base: gp("fix")}), w.word(gp("m")), w.word(gp("at")), w.word(gp("leaf"))
	mark := w.wordIn(gp("mark"), 0)
	clear := w.same("clearLowest", ^uint64(1), ^uint64(0))
	loop("finish", gp("n"), w.blocks, func() {
		x, t := w.vec(), w.vec()
		VMOVDQU(Mem{Base: nodes}, x)
		w.add(x, fix, number, m, at)
		VPAND(clear, x, x)
		VPCMPEQQ(leaf, number, t)
		VPAND(mark, t, t)
		VPXOR(t, x, x)
		VPADDQ(step, number, number)
		VMOVDQU(x, Mem{Base: nodes})
		w.advance(nodes, 1)
	})
	end()
}

// fold adds up streams, four vectors of two seeds at a time. Columns and sum
// gather in memory that stays in the first-level cache.
func (w width) fold(k int) {
	name := fmt.Sprintf("fold%dby%s", 1<<k, w.name)
	begin(name, "(rounds *uint64, stride int, cols *uint64, size int, sum *uint64, n int, first uint64)",
		fmt.Sprintf("%s is Fold for %d seeds, their schedules stride bytes apart, and columns of size bytes; n is a multiple of 4.", name, 1<<k))
	f := narrowFold{width: w, k: k, rounds: gp("rounds"), stride: gp("stride"), plain: AllocLocal(narrowFoldWide * w.bytes())}
	cols, size, sum, n := gp("cols"), gp("size"), gp("sum"), gp("n")
	next := w.counters(gp("first"))
	f.to = []Register{sum}
	for j := range k {
		c := GP64()
		if j == 0 {
			MOVQ(cols, c)
		} else {
			LEAQ(Mem{Base: f.to[j], Index: size, Scale: 1}, c)
		}
		f.to = append(f.to, c)
	}
	loop("wide", n, narrowFoldWide*w.blocks, func() { f.step(next, narrowFoldWide) })
	if w.blocks == 2 {
		loop("rest", n, 4, func() { f.step(next, 2) })
	}
	end()
}

const narrowFoldWide = 4

type narrowFold struct {
	width
	k              int
	rounds, stride Register
	plain          Mem        // counters, encrypted under every key in turn
	to             []Register // where sum and columns gather
}

func (f narrowFold) step(next func() VecVirtual, vectors int) {
	for i := range vectors {
		VMOVDQU(next(), f.plain.Offset(f.bytes()*i))
	}
	even, odd := GP64(), GP64()
	MOVQ(f.rounds, even)
	for x := 0; x < 1<<f.k; x += 2 {
		LEAQ(Mem{Base: even, Index: f.stride, Scale: 1}, odd)
		low, high := f.pair(even, odd, vectors)
		f.gather(1, high, x == 0)
		for i := range vectors {
			VPXOR(low[i], high[i], high[i])
		}
		f.gather(0, high, x == 0)
		for j := 1; j < f.k; j++ {
			if x>>j&1 == 1 {
				f.gather(1+j, high, x == 1<<j)
			}
		}
		LEAQ(Mem{Base: even, Index: f.stride, Scale: 2}, even)
	}
	for _, p := range f.to {
		f.advance(p, vectors)
	}
}

// gather adds vectors to number j of what gathers, which is first filled.
func (f narrowFold) gather(j int, v []VecVirtual, first bool) {
	for i := range v {
		m := Mem{Base: f.to[j], Disp: f.bytes() * i}
		if first {
			VMOVDQU(v[i], m)
			continue
		}
		t := f.vec()
		VPXOR(m, v[i], t)
		VMOVDQU(t, m)
	}
}

// pair encrypts the counters under the keys at even and odd.
func (f narrowFold) pair(even, odd Register, vectors int) (low, high []VecVirtual) {
	low, high = f.vecs(vectors), f.vecs(vectors)
	for r := range 11 {
		a, b := f.repeat(Mem{Base: even, Disp: 16 * r}), f.repeat(Mem{Base: odd, Disp: 16 * r})
		for i := range vectors {
			switch r {
			case 0:
				VPXOR(f.plain.Offset(f.bytes()*i), a, low[i])
				VPXOR(f.plain.Offset(f.bytes()*i), b, high[i])
			case 10:
				VAESENCLAST(a, low[i], low[i])
				VAESENCLAST(b, high[i], high[i])
			default:
				VAESENC(a, low[i], low[i])
				VAESENC(b, high[i], high[i])
			}
		}
	}
	return low, high
}
