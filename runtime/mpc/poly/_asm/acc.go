package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// repetition says how a factor's values spread over positions: each stands for
// 1, 2, 4 or at least 8 of them.
type repetition struct {
	name string
	perm VecVirtual // lanes of a short load, for 2 and 4
}

func repetitions() []repetition {
	return []repetition{{name: ""}, {name: "Twice"}, {name: "FourTimes"}, {name: "Broadcast"}}
}

// prepare fills the lane permutation; the words are 8 nibbles, lane 0 lowest.
func (r *repetition) prepare() {
	var lanes uint64
	switch r.name {
	case "Twice":
		lanes = 0x0303020201010000
	case "FourTimes":
		lanes = 0x0101010100000000
	default:
		return
	}
	t, x := GP64(), XMM()
	MOVQ(U64(lanes), t)
	VMOVQ(t, x)
	r.perm = ZMM()
	VPMOVZXBQ(x, r.perm)
}

// load reads the factors of the 8 positions whose first factor is base[index].
func (r *repetition) load(base, index Register) VecVirtual {
	z := ZMM()
	switch r.name {
	case "Twice":
		VBROADCASTI64X4(at(base, index), z)
		VPERMQ(z, r.perm, z)
	case "FourTimes":
		VBROADCASTI64X2(at(base, index), z)
		VPERMQ(z, r.perm, z)
	case "Broadcast":
		VPBROADCASTQ(at(base, index), z)
	default:
		VMOVDQU64(at(base, index), z)
	}
	return z
}

const repetitionDoc = "A value of w stands for 2^shift positions; "

func accumulate() {
	for _, r := range repetitions() {
		dot(r, 1)
		dot(r, 2)
		spread(r)
	}
	reduce()
	products()
}

// dot adds sums of products to one or two accumulators. Two vectors of
// positions at a time stay in registers over all terms.
func dot(rep repetition, halves int) {
	name, args := "dot"+rep.name, "lo0, hi0 *uint64, x0 "
	if halves == 2 {
		name, args = "dotPair"+rep.name, "lo0, hi0, lo1, hi1 *uint64, x0, x1 "
	}
	begin(name, "("+args+"*[]uint64, w *[]uint64, terms, from, to int, shift uint64)",
		name+" adds x0[k]*w[k] for all terms k (and x1[k]*w[k] to the second accumulator). "+repetitionDoc+"it covers positions from <= i < to, multiples of 16.")
	names := [][2]string{{"lo0", "hi0"}, {"lo1", "hi1"}}[:halves]
	shift, pos := gp("shift"), gp("from")
	rep.prepare()
	Label("positions")
	var acc [2][2][2]VecVirtual // half, vector, word
	for h, words := range names {
		for i, word := range words {
			p := gp(word)
			for v := range 2 {
				acc[h][v][i] = load(Mem{Base: p, Index: pos, Scale: 8, Disp: 64 * v})
			}
		}
	}
	var index [2]Register
	for v := range index {
		t := GP64()
		LEAQ(Mem{Base: pos, Disp: 8 * v}, t)
		SHRXQ(shift, t, t)
		index[v] = t
	}
	terms, w := gp("terms"), gp("w")
	xs := []Register{gp("x0")}
	if halves == 2 {
		xs = append(xs, gp("x1"))
	}
	counter("terms", terms, func() {
		pw := GP64()
		MOVQ(Mem{Base: w}, pw)
		var f [2]VecVirtual
		for v := range f {
			f[v] = rep.load(pw, index[v])
		}
		for h, x := range xs {
			px := GP64()
			MOVQ(Mem{Base: x}, px)
			for v := range 2 {
				a := load(Mem{Base: px, Index: pos, Scale: 8, Disp: 64 * v})
				VPMADD52LUQ(f[v], a, acc[h][v][0])
				VPMADD52HUQ(f[v], a, acc[h][v][1])
			}
			ADDQ(U8(24), x) // the next slice header
		}
		ADDQ(U8(24), w)
	})
	for h, words := range names {
		for i, word := range words {
			p := gp(word)
			for v := range 2 {
				VMOVDQU64(acc[h][v][i], Mem{Base: p, Index: pos, Scale: 8, Disp: 64 * v})
			}
		}
	}
	ADDQ(U8(16), pos)
	CMPQ(pos, gp("to"))
	JLT(LabelRef("positions"))
	end()
}

// spread repeats values in place, from the last position down so that no value
// is overwritten before it is read.
func spread(rep repetition) {
	if rep.name == "" {
		return
	}
	name := "spread" + rep.name
	begin(name, "(p *uint64, n int, shift uint64)",
		name+" repeats each of the first n>>shift values 2^shift times, in place. n is a multiple of 8.")
	p, pos, shift := gp("p"), gp("n"), gp("shift")
	rep.prepare()
	Label("positions")
	SUBQ(U8(8), pos)
	index := GP64()
	SHRXQ(shift, pos, index)
	VMOVDQU64(rep.load(p, index), at(p, pos))
	TESTQ(pos, pos)
	JNE(LabelRef("positions"))
	end()
}

// constants addresses the ring's reduction constants; see ifmaConstants.
type constants struct {
	modulus
	one, s1, r52, s52, r104, s104 VecVirtual
}

func newConstants(c Register) constants {
	q := GP64()
	MOVQ(Mem{Base: c}, q)
	k := constants{modulus: newModulus(q), one: immediate(1)}
	for i, z := range []*VecVirtual{&k.s1, &k.r52, &k.s52, &k.r104, &k.s104} {
		*z = broadcast(Mem{Base: c, Disp: 8 * (i + 1)})
	}
	return k
}

// reduceWords is the end of an accumulation. With h = hi + carry of lo, the sum
// is lo52 + h*2^52 = lo52 + (h mod 2^52)*2^52 + (h>>52)*2^104: three products with
// constants, of which the last is below q(1+2^-44); the sum of the last two
// below 4q, all together below 6q.
func (k constants) reduceWords(l, h, q4 VecVirtual) VecVirtual {
	carry, top := ZMM(), ZMM()
	VPSRLQ(U8(52), l, carry)
	VPADDQ(carry, h, h)
	VPSRLQ(U8(52), h, top)
	a := k.shoup(nil, h, k.r52, k.s52)
	a = k.shoup(a, top, k.r104, k.s104)
	VPANDQ(k.mask, a, a)
	b := k.shoup(nil, l, k.one, k.s1)
	VPANDQ(k.mask, b, b)
	VPADDQ(b, a, a)
	belowOnce(a, q4)
	belowOnce(a, k.q2)
	belowOnce(a, k.q)
	return a
}

// products is dot and reduce in one, without an accumulator in memory.
func products() {
	begin("addProducts", "(dst *uint64, x, w *[]uint64, terms, n int, c *uint64)",
		"addProducts adds the sum of x[k]*w[k] over fewer than 4095 terms to dst modulo q. n is a multiple of 16.")
	dst, pos := gp("dst"), GP64()
	k := newConstants(gp("c"))
	q4 := ZMM()
	VPADDQ(k.q2, k.q2, q4)
	XORQ(pos, pos)
	Label("positions")
	var lo, hi [2]VecVirtual
	for v := range lo {
		lo[v], hi[v] = load(Mem{Base: dst, Index: pos, Scale: 8, Disp: 64 * v}), zero()
	}
	terms, x, w := gp("terms"), gp("x"), gp("w")
	counter("terms", terms, func() {
		px, pw := GP64(), GP64()
		MOVQ(Mem{Base: x}, px)
		MOVQ(Mem{Base: w}, pw)
		for v := range lo {
			a, b := load(Mem{Base: px, Index: pos, Scale: 8, Disp: 64 * v}), load(Mem{Base: pw, Index: pos, Scale: 8, Disp: 64 * v})
			VPMADD52LUQ(a, b, lo[v])
			VPMADD52HUQ(a, b, hi[v])
		}
		ADDQ(U8(24), x)
		ADDQ(U8(24), w)
	})
	for v := range lo {
		VMOVDQU64(k.reduceWords(lo[v], hi[v], q4), Mem{Base: dst, Index: pos, Scale: 8, Disp: 64 * v})
	}
	ADDQ(U8(16), pos)
	CMPQ(pos, gp("n"))
	JLT(LabelRef("positions"))
	end()
}

func reduce() {
	begin("reduceVector", "(dst, lo, hi *uint64, n int, c *uint64)",
		"reduceVector reduces lo + hi*2^52 modulo q. n is a multiple of 8.")
	dst, lo, hi, n := gp("dst"), gp("lo"), gp("hi"), gp("n")
	k := newConstants(gp("c"))
	q4 := ZMM()
	VPADDQ(k.q2, k.q2, q4)
	SHRQ(U8(3), n)
	counter("vector", n, func() {
		a := k.reduceWords(load(Mem{Base: lo}), load(Mem{Base: hi}), q4)
		VMOVDQU64(a, Mem{Base: dst})
		for _, p := range []Register{dst, lo, hi} {
			ADDQ(U8(64), p)
		}
	})
	end()
}
