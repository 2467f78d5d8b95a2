// Command _asm writes the AVX-512 kernels of package num: matrix products, and what
// the simulator does to every element. Run go generate
// in that package; the output is committed.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A tile is rows x 2 vectors: 16 accumulators, which hides the latency of a
// fused multiply-add and leaves registers for one row of b.
const rows = 8

func main() {
	ConstraintExpr("!purego")
	tile("tileFloatAsm", "float32", 4,
		func(m Mem, v VecVirtual) { VBROADCASTSS(m, v) },
		func(a, b, acc VecVirtual) { VFMADD231PS(a, b, acc) })
	tile("tileIntAsm", "int64", 8,
		func(m Mem, v VecVirtual) { VPBROADCASTQ(m, v) },
		func(a, b, acc VecVirtual) {
			t := ZMM()
			VPMULDQ(a, b, t)
			VPADDQ(t, acc, acc)
		})
	iota8 := lanes()
	round(iota8)
	signs(iota8)
	largest()
	Generate()
}

// tile writes one kernel for elements of size bytes.
func tile(name, elem string, size int, broadcast func(Mem, VecVirtual), multiply func(a, b, acc VecVirtual)) {
	TEXT(name, NOSPLIT, "func(k int, a, b, c *"+elem+")")
	Pragma("noescape")
	Doc(name + " computes an 8-row tile of a*b from packed operands; see micro.")
	k, a, b, c := Load(Param("k"), GP64()), Load(Param("a"), GP64()), Load(Param("b"), GP64()), Load(Param("c"), GP64())
	var acc [rows][2]VecVirtual
	for i := range acc {
		for j := range acc[i] {
			acc[i][j] = ZMM()
			VPXORQ(acc[i][j], acc[i][j], acc[i][j])
		}
	}
	Label("loop")
	TESTQ(k, k)
	JZ(LabelRef("done"))
	b0, b1, x := ZMM(), ZMM(), ZMM()
	VMOVDQU64(Mem{Base: b}, b0)
	VMOVDQU64(Mem{Base: b, Disp: 64}, b1)
	for i := range acc {
		broadcast(Mem{Base: a, Disp: i * size}, x)
		multiply(x, b0, acc[i][0])
		multiply(x, b1, acc[i][1])
	}
	ADDQ(I32(rows*size), a)
	ADDQ(I32(128), b)
	DECQ(k)
	JMP(LabelRef("loop"))
	Label("done")
	for i := range acc {
		for j := range acc[i] {
			VMOVDQU64(acc[i][j], Mem{Base: c, Disp: (2*i + j) * 64})
		}
	}
	VZEROUPPER()
	RET()
}

// lanes is 0 to 7, one a lane.
func lanes() Mem {
	m := GLOBL("lanes", RODATA|NOPTR)
	for i := range 8 {
		DATA(8*i, U64(i))
	}
	return m
}

// each runs body for every vector of the count in n, a multiple of 8.
func each(n Register, body func()) {
	Label("loop")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	body()
	SUBQ(Imm(8), n)
	JMP(LabelRef("loop"))
	Label("done")
}

// every broadcasts a word parameter.
func every(name string) VecVirtual {
	z := ZMM()
	VPBROADCASTQ(Load(Param(name), GP64()), z)
	return z
}

func constant(x uint64) VecVirtual {
	r, z := GP64(), ZMM()
	MOVQ(U64(x), r)
	VPBROADCASTQ(r, z)
	return z
}

// count loads a number of bits to shift by.
func count(name string) VecVirtual {
	x := XMM()
	MOVQ(Load(Param(name), GP64()), x)
	return x
}

// mixer is the finaliser of SplitMix64 on all lanes.
func mixer() func(x VecVirtual) {
	add, one, two := constant(0x9e3779b97f4a7c15), constant(0xbf58476d1ce4e5b9), constant(0x94d049bb133111eb)
	return func(x VecVirtual) {
		t := ZMM()
		VPADDQ(add, x, x)
		VPSRLQ(Imm(30), x, t)
		VPXORQ(t, x, x)
		VPMULLQ(one, x, x)
		VPSRLQ(Imm(27), x, t)
		VPXORQ(t, x, x)
		VPMULLQ(two, x, x)
		VPSRLQ(Imm(31), x, t)
		VPXORQ(t, x, x)
	}
}

// positions starts a counter of lanes at from, step apart, and gives what to
// add for the next vector.
func positions(iota8 Mem, from, step VecVirtual) (z, next VecVirtual) {
	z, next = ZMM(), ZMM()
	VPMULLQ(iota8, step, z)
	VPADDQ(from, z, z)
	VPSLLQ(Imm(3), step, next)
	return z, next
}

// round writes the simulator's rounding; see rounding.roundGo.
func round(iota8 Mem) {
	TEXT("roundAsm", NOSPLIT, "func(n int, acc *int64, from, step, tweak, mask, shift uint64, scale, noise float64)")
	Pragma("noescape")
	Doc("roundAsm is rounding.roundGo for a multiple of 8 elements.")
	n, acc := Load(Param("n"), GP64()), Load(Param("acc"), GP64())
	z, next := positions(iota8, every("from"), every("step"))
	tweak, mask, shift := every("tweak"), every("mask"), count("shift")
	scale, noise := ZMM(), ZMM()
	VBROADCASTSD(Load(Param("scale"), XMM()), scale)
	VBROADCASTSD(Load(Param("noise"), XMM()), noise)
	low := constant(0xffff)
	fine, coarse := constant(0x3ca0000000000000), constant(0x3ef0000000000000) // 2^-53, 2^-16
	two, root := constant(0x4000000000000000), constant(0x3ffbb67ae8584caa)    // 2, sqrt(3)
	mix := mixer()
	each(n, func() {
		x, w, e, t, sum := ZMM(), ZMM(), ZMM(), ZMM(), ZMM()
		VMOVDQU64(Mem{Base: acc}, x)
		VMOVDQA64(z, w)
		mix(w)
		VPANDQ(mask, x, e)
		VCVTQQ2PD(e, e)
		VMULPD(scale, e, e)
		VPSRLQ(Imm(11), w, t)
		VCVTQQ2PD(t, t)
		VMULPD(fine, t, t)
		VADDPD(t, e, e)
		VPXORQ(tweak, w, w)
		mix(w)
		VPSRLQ(Imm(48), w, sum)
		for _, bits := range []int{0, 16, 32} {
			VPSRLQ(Imm(uint64(bits)), w, t)
			VPANDQ(low, t, t)
			VPADDQ(t, sum, sum)
		}
		VCVTQQ2PD(sum, sum)
		VMULPD(coarse, sum, sum)
		VSUBPD(two, sum, sum)
		VMULPD(root, sum, sum)
		VMULPD(noise, sum, sum)
		VADDPD(sum, e, e)
		VRNDSCALEPD(Imm(9), e, e) // down
		VCVTTPD2QQ(e, e)
		VPSRAQ(shift, x, x)
		VPADDQ(e, x, x)
		VMOVDQU64(x, Mem{Base: acc})
		VPADDQ(next, z, z)
		ADDQ(Imm(64), acc)
	})
	VZEROUPPER()
	RET()
}

// signs writes the signs of random sharings; see signer.sharedGo.
func signs(iota8 Mem) {
	TEXT("signsAsm", NOSPLIT, "func(n int, out, x *int64, from, step, mask, lo, up uint64)")
	Pragma("noescape")
	Doc("signsAsm is signer.sharedGo for a multiple of 8 elements.")
	n, out, in := Load(Param("n"), GP64()), Load(Param("out"), GP64()), Load(Param("x"), GP64())
	z, next := positions(iota8, every("from"), every("step"))
	mask, lo, up := every("mask"), count("lo"), count("up")
	mix := mixer()
	each(n, func() {
		server, client := ZMM(), ZMM()
		VMOVDQA64(z, server)
		mix(server)
		VMOVDQU64(Mem{Base: in}, client)
		VPSUBQ(server, client, client)
		for _, share := range []VecVirtual{server, client} {
			VPANDQ(mask, share, share)
			VPSRLQ(lo, share, share)
		}
		VPADDQ(server, client, client)
		VPSLLQ(up, client, client)
		VPSRAQ(Imm(63), client, client)
		VMOVDQU64(client, Mem{Base: out})
		VPADDQ(next, z, z)
		ADDQ(Imm(64), in)
		ADDQ(Imm(64), out)
	})
	VZEROUPPER()
	RET()
}

// largest writes the largest magnitude of a vector; see largestGo.
func largest() {
	TEXT("largestAsm", NOSPLIT, "func(n int, x, top *int64)")
	Pragma("noescape")
	Doc("largestAsm is largestGo for a multiple of 8 elements, into 8 lanes.")
	n, in, out := Load(Param("n"), GP64()), Load(Param("x"), GP64()), Load(Param("top"), GP64())
	top := ZMM()
	VPXORQ(top, top, top)
	each(n, func() {
		x, sign := ZMM(), ZMM()
		VMOVDQU64(Mem{Base: in}, x)
		VPSRAQ(Imm(63), x, sign)
		VPXORQ(sign, x, x)
		VPMAXSQ(x, top, top)
		ADDQ(Imm(64), in)
	})
	VMOVDQU64(top, Mem{Base: out})
	VZEROUPPER()
	RET()
}
