package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func sampling() {
	expandKey()
	keystream()
	keystreamBy("keystream256by2", 2)
	keystreamBy("keystream256by1", 1)
	noise()
	ternary()
	uniform()
}

// expandKey is the key schedule of AES-256 (FIPS 197, 5.2).
func expandKey() {
	begin("expandKey256", "(key *byte, schedule *byte)", "expandKey256 writes the 15 round keys of AES-256.")
	key, out := gp("key"), gp("schedule")
	a, b, t, s := XMM(), XMM(), XMM(), XMM()
	VMOVDQU(Mem{Base: key}, a)
	VMOVDQU(Mem{Base: key, Disp: 16}, b)
	VMOVDQU(a, Mem{Base: out})
	VMOVDQU(b, Mem{Base: out, Disp: 16})
	// prefix replaces every word by the xor of it and the words below it.
	prefix := func(x VecVirtual) {
		VPSLLDQ(U8(4), x, s)
		VPXOR(s, x, s)
		VPSLLDQ(U8(8), s, t)
		VPXOR(t, s, x)
	}
	rcon := uint8(1)
	for i := 2; i < 15; i++ {
		u := XMM()
		if i%2 == 0 {
			VAESKEYGENASSIST(U8(rcon), b, u)
			VPSHUFD(U8(0xff), u, u)
			prefix(a)
			VPXOR(u, a, a)
			VMOVDQU(a, Mem{Base: out, Disp: 16 * i})
			rcon <<= 1
			continue
		}
		VAESKEYGENASSIST(U8(0), a, u)
		VPSHUFD(U8(0xaa), u, u)
		prefix(b)
		VPXOR(u, b, b)
		VMOVDQU(b, Mem{Base: out, Disp: 16 * i})
	}
	end()
}

// counterLanes are the numbers of a register's blocks, reverseBytes turns a block round.
var counterLanes, reverseBytes Mem

// keystream encrypts consecutive counter blocks, 4 a register. The counter is
// kept as a little-endian number and the bytes reversed before encryption.
func keystream() {
	begin("keystream256", "(dst *uint64, schedule *byte, iv *byte, counter uint64, vectors int)",
		"keystream256 writes vectors*64 bytes of AES-256 in counter mode; iv is the block with counter zero, counter < 2^32.")
	dst, schedule, iv, ctr, vectors := gp("dst"), gp("schedule"), gp("iv"), gp("counter"), gp("vectors")
	var rk [15]VecVirtual
	for i := range rk {
		rk[i] = ZMM()
		VBROADCASTI32X4(Mem{Base: schedule, Disp: 16 * i}, rk[i])
	}
	counterLanes = GLOBL("counterLanes", RODATA|NOPTR)
	for i := range 4 {
		DATA(16*i, U64(i))
		DATA(16*i+8, U64(0))
	}
	reverseBytes = GLOBL("reverseBytes", RODATA|NOPTR)
	for i := range 16 {
		DATA(i, U8(15-i))
	}
	order, block, step := ZMM(), ZMM(), ZMM()
	VBROADCASTI32X4(reverseBytes, order)
	VBROADCASTI32X4(Mem{Base: iv}, block)
	VPSHUFB(order, block, block)
	t, x := GP64(), XMM()
	VMOVQ(ctr, x)
	start := ZMM()
	repeatLow(x, start)
	VPADDQ(start, block, block)
	VPADDQ(counterLanes, block, block)
	MOVQ(U64(4), t)
	VMOVQ(t, x)
	repeatLow(x, step)
	encrypt := func(n int) {
		var s []VecVirtual
		for range n {
			z := ZMM()
			VPSHUFB(order, block, z)
			VPADDQ(step, block, block)
			VPXORQ(rk[0], z, z)
			s = append(s, z)
		}
		for i := 1; i < 15; i++ {
			for _, z := range s {
				if i < 14 {
					VAESENC(rk[i], z, z)
				} else {
					VAESENCLAST(rk[i], z, z)
				}
			}
		}
		for i, z := range s {
			VMOVDQU64(z, Mem{Base: dst, Disp: 64 * i})
		}
		ADDQ(I32(64*n), dst)
	}
	wideFirst(vectors, encrypt)
}

// wideFirst runs body for eight vectors at a time, then for one.
func wideFirst(vectors Register, body func(n int)) {
	const wide = 8
	Label("wide")
	CMPQ(vectors, U8(wide))
	JLT(LabelRef("narrow"))
	body(wide)
	SUBQ(U8(wide), vectors)
	JMP(LabelRef("wide"))
	Label("narrow")
	TESTQ(vectors, vectors)
	JE(LabelRef("done"))
	body(1)
	DECQ(vectors)
	JMP(LabelRef("narrow"))
	Label("done")
	end()
}

// keystreamBy is keystream with registers of one or two blocks, of which there are sixteen: round
// keys are read when they are due.
func keystreamBy(name string, blocks int) {
	begin(name, "(dst *uint64, schedule *byte, iv *byte, counter uint64, vectors int)",
		name+" is keystream256 with vectors of "+map[int]string{1: "a block.", 2: "two blocks."}[blocks])
	vec := func() VecVirtual {
		if blocks == 2 {
			return YMM()
		}
		return XMM()
	}
	repeat := func(m Mem) VecVirtual {
		v := vec()
		if blocks == 2 {
			VBROADCASTI128(m, v)
		} else {
			VMOVDQU(m, v)
		}
		return v
	}
	low := func(r Register) VecVirtual { // in the low word of every block
		x, v := XMM(), vec()
		VMOVQ(r, x)
		if blocks == 2 {
			VINSERTI128(U8(1), x, x.AsY(), v)
			return v
		}
		return x
	}
	dst, schedule, iv, ctr, vectors := gp("dst"), gp("schedule"), gp("iv"), gp("counter"), gp("vectors")
	order, block, t := repeat(reverseBytes), repeat(Mem{Base: iv}), GP64()
	VPSHUFB(order, block, block)
	VPADDQ(low(ctr), block, block)
	VPADDQ(counterLanes, block, block)
	MOVQ(U64(uint64(blocks)), t)
	step := low(t)
	wideFirst(vectors, func(n int) {
		var s []VecVirtual
		for range n {
			z := vec()
			VPSHUFB(order, block, z)
			VPADDQ(step, block, block)
			s = append(s, z)
		}
		for i := range 15 {
			k := repeat(Mem{Base: schedule, Disp: 16 * i})
			for _, z := range s {
				switch i {
				case 0:
					VPXOR(k, z, z)
				case 14:
					VAESENCLAST(k, z, z)
				default:
					VAESENC(k, z, z)
				}
			}
		}
		for i, z := range s {
			VMOVDQU(z, Mem{Base: dst, Disp: 16 * blocks * i})
		}
		ADDQ(I32(int32(16*blocks*n)), dst)
	})
}

// repeatLow repeats the low 128 bits of x.
func repeatLow(x, z VecVirtual) { VSHUFI64X2(U8(0), x.AsZ(), x.AsZ(), z) }

// signed stores v modulo q: a negative v is huge as an unsigned word, v+q is not.
func signed(v, q VecVirtual, dst Register) {
	w := ZMM()
	VPADDQ(q, v, w)
	VPMINUQ(w, v, v)
	VMOVDQU64(v, Mem{Base: dst})
}

func noise() {
	begin("noiseVector", "(dst, words *uint64, n int, q, mask, eta uint64)",
		"noiseVector sets dst = count of the bits of words&mask, less eta, modulo q.")
	p := ptrs("dst", "words")
	q, mask, eta := broadcast(gp("q")), broadcast(gp("mask")), broadcast(gp("eta"))
	each(gp("n"), p, func() {
		x := ZMM()
		VPANDQ(Mem{Base: p[1]}, mask, x)
		VPOPCNTQ(x, x)
		VPSUBQ(eta, x, x)
		signed(x, q, p[0])
	})
}

// ternary: floor(3w/2^64) is the number of thirds of the range that w has passed.
func ternary() {
	begin("ternaryVector", "(dst, words *uint64, n int, q uint64)",
		"ternaryVector sets dst = floor(3*words/2^64)-1 modulo q.")
	p := ptrs("dst", "words")
	q, one := broadcast(gp("q")), immediate(1)
	third, third2 := immediate(0x5555555555555555), immediate(0xaaaaaaaaaaaaaaaa)
	each(gp("n"), p, func() {
		w, x, k1, k2 := load(Mem{Base: p[1]}), zero(), K(), K()
		VPCMPUQ(U8(6), third, w, k1)
		VPCMPUQ(U8(6), third2, w, k2)
		VPSUBQ(one, x, x)
		VPADDQ(one, x, k1, x)
		VPADDQ(one, x, k2, x)
		signed(x, q, p[0])
	})
}

func uniform() {
	begin("uniformVector", "(dst, words *uint64, n int, room int, q, mask uint64) (taken, read int)",
		"uniformVector keeps words&mask below q. It stops after n words (a multiple of 8) or when fewer than 8 places are left in room.")
	dst, words, n, room := gp("dst"), gp("words"), gp("n"), gp("room")
	q, mask := broadcast(gp("q")), broadcast(gp("mask"))
	taken, read := GP64(), GP64()
	XORQ(taken, taken)
	XORQ(read, read)
	SUBQ(U8(8), room)
	Label("vector")
	CMPQ(taken, room)
	JGT(LabelRef("done"))
	CMPQ(read, n)
	JGE(LabelRef("done"))
	x, k, c := ZMM(), K(), GP64()
	VPANDQ(at(words, read), mask, x)
	VPCMPUQ(U8(1), q, x, k)
	VPCOMPRESSQ_Z(x, k, x)
	VMOVDQU64(x, at(dst, taken))
	KMOVB(k, c.As32())
	POPCNTQ(c, c)
	ADDQ(c, taken)
	ADDQ(U8(8), read)
	JMP(LabelRef("vector"))
	Label("done")
	Store(taken, Return("taken"))
	Store(read, Return("read"))
	end()
}
