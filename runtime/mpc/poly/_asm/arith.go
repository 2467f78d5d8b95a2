package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// each runs body on vector after vector of n values (a multiple of 8), moving
// the pointers.
func each(n Register, pointers []Register, body func()) { eachLog(3, n, pointers, body) }

// eachLog is each with vectors of 2^log values.
func eachLog(log int, n Register, pointers []Register, body func()) {
	SHRQ(U8(log), n)
	counter("vector", n, func() {
		body()
		for _, p := range pointers {
			ADDQ(U8(8<<log), p)
		}
	})
	end()
}

func ptrs(names ...string) []Register {
	var rs []Register
	for _, n := range names {
		rs = append(rs, gp(n))
	}
	return rs
}

func arithmetic() {
	addition()
	subtraction()
	negation()
	product()
	scalar()
	permute()
}

func addition() {
	begin("addVectors", "(dst, a, b *uint64, n int, q uint64)", "addVectors sets dst = a+b mod q.")
	p := ptrs("dst", "a", "b")
	q := broadcast(gp("q"))
	each(gp("n"), p, func() {
		x := load(Mem{Base: p[1]})
		VPADDQ(Mem{Base: p[2]}, x, x)
		belowOnce(x, q)
		VMOVDQU64(x, Mem{Base: p[0]})
	})
}

func subtraction() {
	begin("subVectors", "(dst, a, b *uint64, n int, q uint64)", "subVectors sets dst = a-b mod q.")
	p := ptrs("dst", "a", "b")
	q := broadcast(gp("q"))
	each(gp("n"), p, func() {
		x := load(Mem{Base: p[1]})
		VPADDQ(q, x, x)
		VPSUBQ(Mem{Base: p[2]}, x, x)
		belowOnce(x, q)
		VMOVDQU64(x, Mem{Base: p[0]})
	})
}

func negation() {
	begin("negVector", "(dst, a *uint64, n int, q uint64)", "negVector sets dst = -a mod q.")
	p := ptrs("dst", "a")
	q := broadcast(gp("q"))
	each(gp("n"), p, func() {
		x := ZMM()
		VPSUBQ(Mem{Base: p[1]}, q, x)
		belowOnce(x, q)
		VMOVDQU64(x, Mem{Base: p[0]})
	})
}

// product: the high half is below 2^48, so its product with 2^52 is below
// q(1+2^-4), and with the low half's remainder below 4q.
func product() {
	begin("mulVectors", "(dst, a, b *uint64, n int, c *uint64)", "mulVectors sets dst = a*b mod q.")
	p := ptrs("dst", "a", "b")
	k := newConstants(gp("c"))
	each(gp("n"), p, func() {
		x, y := load(Mem{Base: p[1]}), load(Mem{Base: p[2]})
		hi, lo := zero(), zero()
		VPMADD52HUQ(x, y, hi)
		VPMADD52LUQ(x, y, lo)
		a := k.shoup(nil, hi, k.r52, k.s52)
		a = k.shoup(a, lo, k.one, k.s1)
		VPANDQ(k.mask, a, a)
		belowOnce(a, k.q2)
		belowOnce(a, k.q)
		VMOVDQU64(a, Mem{Base: p[0]})
	})
}

func scalar() {
	begin("mulScalarVector", "(dst, a *uint64, n int, w, s, q uint64)", "mulScalarVector sets dst = w*a mod q, s the quotient of w.")
	p := ptrs("dst", "a")
	w, s := broadcast(gp("w")), broadcast(gp("s"))
	m := newModulus(gp("q"))
	each(gp("n"), p, func() {
		a := m.shoup(nil, load(Mem{Base: p[1]}), w, s)
		VPANDQ(m.mask, a, a)
		belowOnce(a, m.q)
		VMOVDQU64(a, Mem{Base: p[0]})
	})
}

// permute moves whole vectors and permutes their lanes: what an automorphism
// does to a transform in bit-reversed order.
func permute() {
	begin("permuteVectors", "(dst, src *uint64, codes *uint32, lanes *[8]uint64, n int)",
		"permuteVectors sets vector v of dst to vector codes[v]>>3 of src with the lane permutation codes[v]&7.")
	dst, src, codes, lanes, n := gp("dst"), gp("src"), gp("codes"), gp("lanes"), gp("n")
	SHRQ(U8(3), n)
	counter("vector", n, func() {
		c, l := GP64(), GP64()
		MOVLQZX(Mem{Base: codes}, c)
		MOVQ(c, l)
		ANDQ(I8(-8), c)
		ANDQ(I8(7), l)
		SHLQ(U8(6), l)
		z := load(Mem{Base: lanes, Index: l, Scale: 1})
		VPERMQ(Mem{Base: src, Index: c, Scale: 8}, z, z)
		VMOVDQU64(z, Mem{Base: dst})
		ADDQ(U8(64), dst)
		ADDQ(U8(4), codes)
	})
	end()
}
