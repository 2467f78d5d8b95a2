// Command _asm writes the AES kernels of package prg: here those for AVX-512, in
// narrow.go those for registers of 128 and 256 bits. Run go generate in that package; the
// output is committed.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// wide is the number of vectors (of four blocks) that are encrypted together:
// enough to hide the latency of a round.
const wide = 8

// publicRounds is the number of rounds of public streams (package prg knows it too).
const publicRounds = 5

func main() {
	ConstraintExpr("!purego")
	expandKey()
	ctr("ctr512", "the AES-CTR stream", 10)
	ctr("public512", "a public stream", publicRounds)
	hashWords()
	expand()
	finish()
	fold(2)
	fold(4)
	for _, w := range []width{{"128", 1}, {"256", 2}} {
		w.encryptBlocks()
		w.ctr("ctr"+w.name, "the AES-CTR stream", 10)
		w.ctr("public"+w.name, "a public stream", publicRounds)
		w.hashWords()
		w.expand()
		w.finish()
		w.fold(2)
		w.fold(4)
	}
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

// schedule repeats the keys of so many rounds in every lane.
func schedule(rounds Register, n int) []VecVirtual {
	k := make([]VecVirtual, n+1)
	for i := range k {
		k[i] = ZMM()
		VBROADCASTI32X4(Mem{Base: rounds, Disp: 16 * i}, k[i])
	}
	return k
}

// encrypt runs the rounds that k has keys for on all vectors side by side.
func encrypt(k, x []VecVirtual) {
	last := len(k) - 1
	for _, v := range x {
		VPXORQ(k[0], v, v)
	}
	for _, key := range k[1:last] {
		for _, v := range x {
			VAESENC(key, v, v)
		}
	}
	for _, v := range x {
		VAESENCLAST(k[last], v, v)
	}
}

func zmms(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = ZMM()
	}
	return v
}

// words is a read-only table of 64-bit constants.
func words(name string, w ...uint64) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i, x := range w {
		DATA(8*i, U64(x))
	}
	return m
}

func table(name string, w ...uint64) VecVirtual {
	z := ZMM()
	VMOVDQU64(words(name, w...), z)
	return z
}

// immediate loads a mask register.
func immediate(v uint64) OpmaskVirtual {
	t, k := GP64(), K()
	MOVQ(U64(v), t)
	KMOVQ(t, k)
	return k
}

// partial is the mask of the first min(4, n) blocks of a vector.
func partial(n Register) OpmaskVirtual {
	lim, bits, k := GP64(), GP64(), K()
	MOVQ(U64(4), lim)
	CMPQ(n, lim)
	CMOVQLT(n, lim)
	SHLQ(Imm(1), lim)
	MOVQ(I64(-1), bits)
	BZHIQ(lim, bits, bits)
	KMOVQ(bits, k)
	return k
}

// loop repeats body while n >= step; the body takes step from n.
func loop(name string, n Register, step int, body func()) {
	Label(name)
	CMPQ(n, Imm(uint64(step)))
	JLT(LabelRef(name + "_end"))
	body()
	SUBQ(Imm(uint64(step)), n)
	JMP(LabelRef(name))
	Label(name + "_end")
}

func expandKey() {
	begin("expandKey128", "(key *uint64, rounds *uint64)", "expandKey128 expands an AES-128 key.")
	key, rounds := gp("key"), gp("rounds")
	x, t, s := XMM(), XMM(), XMM()
	VMOVDQU(Mem{Base: key}, x)
	VMOVDQU(x, Mem{Base: rounds})
	rcon := []uint64{1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36}
	for i, c := range rcon {
		AESKEYGENASSIST(Imm(c), x, t)
		PSHUFD(Imm(0xff), t, t)
		for _, bytes := range []uint64{4, 8} { // together: word j becomes the xor of words 0..j
			VPSLLDQ(Imm(bytes), x, s)
			VPXOR(s, x, x)
		}
		VPXOR(t, x, x)
		VMOVDQU(x, Mem{Base: rounds, Disp: 16 * (i + 1)})
	}
	RET()
}

func ctr(name, of string, rounds int) {
	begin(name, "(rounds *uint64, dst *uint64, n int, first uint64)", name+" writes n blocks of "+of+" from block first.")
	k := schedule(gp("rounds"), rounds)
	dst, n := gp("dst"), gp("n")
	count := ZMM()
	VPBROADCASTQ(gp("first"), count)
	odd := immediate(0xaa)
	VMOVDQU64_Z(count, odd, count)
	VPADDQ(shared("ctrStart", 0, 0, 0, 1, 0, 2, 0, 3), count, count)
	swap := ZMM()
	bytes := []uint64{0x0001020304050607, 0x08090a0b0c0d0e0f}
	VMOVDQU64(shared("swapWords", bytes[0], bytes[1], bytes[0], bytes[1], bytes[0], bytes[1], bytes[0], bytes[1]), swap)
	step := shared("ctrStep", 0, 4, 0, 4, 0, 4, 0, 4)
	some := func(x []VecVirtual) {
		for _, v := range x {
			VPSHUFB(swap, count, v)
			VPADDQ(step, count, count)
		}
		encrypt(k, x)
	}
	loop(name+"Wide", n, 4*wide, func() {
		x := zmms(wide)
		some(x)
		for i, v := range x {
			VMOVDQU64(v, Mem{Base: dst, Disp: 64 * i})
		}
		ADDQ(U32(64*wide), dst)
	})
	loop(name+"Tail", n, 1, func() {
		x := zmms(1)
		some(x)
		VMOVDQU64(x[0], partial(n), Mem{Base: dst})
		ADDQ(Imm(64), dst)
		SUBQ(Imm(3), n)
	})
	end()
}

func hashWords() {
	begin("hashWords512", "(rounds *uint64, dst *uint64, x *uint64, n int, off *uint64, index uint64)",
		"hashWords512 writes the low words of the hashes of x[i] ^ off under the tweaks index + i.")
	k := schedule(gp("rounds"), 10)
	dst, x, n := gp("dst"), gp("x"), gp("n")
	off, tweak := ZMM(), ZMM()
	VBROADCASTI32X4(Mem{Base: gp("off")}, off)
	VPBROADCASTQ(gp("index"), tweak)
	VMOVDQU64_Z(tweak, immediate(0x55), tweak)
	VPADDQ(words("tweakStart", 0, 0, 1, 0, 2, 0, 3, 0), tweak, tweak)
	step := words("tweakStep", 4, 0, 4, 0, 4, 0, 4, 0)
	even := table("evenWords", 0, 2, 4, 6, 8, 10, 12, 14)
	odd := immediate(0xaa)
	hash := func(y []VecVirtual) {
		z := zmms(len(y))
		for i := range y {
			s := ZMM() // Sigma
			VPSHUFD(Imm(0x4e), y[i], s)
			VPXORQ(y[i], s, odd, s)
			VMOVDQA64(s, y[i])
			VPXORQ(tweak, s, z[i])
			VPADDQ(step, tweak, tweak)
		}
		encrypt(k, z)
		for i := range y {
			VPXORQ(z[i], y[i], y[i])
		}
	}
	loop("hashWide", n, 4*wide, func() {
		y := zmms(wide)
		for i := range y {
			VPXORQ(Mem{Base: x, Disp: 64 * i}, off, y[i])
		}
		hash(y)
		for i := 0; i < wide; i += 2 {
			VPERMT2Q(y[i+1], even, y[i])
			VMOVDQU64(y[i], Mem{Base: dst, Disp: 32 * i})
		}
		ADDQ(U32(64*wide), x)
		ADDQ(U32(32*wide), dst)
	})
	loop("hashTail", n, 1, func() {
		y := zmms(1)
		m := partial(n)
		VMOVDQU64_Z(Mem{Base: x}, m, y[0])
		VPXORQ(off, y[0], y[0])
		hash(y)
		VPERMQ(y[0], even, y[0])
		lim, bits, half := GP64(), GP64(), K()
		MOVQ(U64(4), lim)
		CMPQ(n, lim)
		CMOVQLT(n, lim)
		MOVQ(I64(-1), bits)
		BZHIQ(lim, bits, bits)
		KMOVQ(bits, half)
		VMOVDQU64(y[0], half, Mem{Base: dst})
		ADDQ(Imm(64), x)
		ADDQ(Imm(32), dst)
		SUBQ(Imm(3), n)
	})
	end()
}

func expand() {
	begin("expand512", "(rounds *uint64, nodes *uint64, n int, fix *uint64, at uint64, m uint64, sum *uint64)",
		"expand512 expands a level of a correlated tree; see Tree.Expand.")
	k := schedule(gp("rounds"), 10)
	low, n := gp("nodes"), gp("n")
	high := GP64()
	MOVQ(n, high)
	SHLQ(Imm(4), high)
	ADDQ(low, high)
	fix, number, sum := ZMM(), ZMM(), ZMM()
	VBROADCASTI32X4(Mem{Base: gp("fix")}, fix)
	start := words("nodeStart", 0, 0, 1, 1, 2, 2, 3, 3)
	VMOVDQU64(start, number)
	VPXORQ(sum, sum, sum)
	odd := immediate(0xaa)
	step := words("nodeStep", 4, 4, 4, 4, 4, 4, 4, 4)
	m, _ := Param("m").Resolve()
	at, _ := Param("at").Resolve()
	level := func(x []VecVirtual) (h []VecVirtual) {
		h = zmms(len(x))
		for i := range x {
			VPANDQ_BCST(m.Addr, number, h[i])
			hit := K()
			VPCMPEQQ_BCST(at.Addr, h[i], hit)
			VPXORQ(fix, x[i], hit, x[i])
			VPADDQ(step, number, number)
			VPSHUFD(Imm(0x4e), x[i], h[i])
			VPXORQ(x[i], h[i], odd, h[i])
		}
		encrypt(k, h)
		for i := range x {
			t := ZMM()
			VPSHUFD(Imm(0x4e), x[i], t)
			VPXORQ(x[i], t, odd, t)
			VPXORQ(t, h[i], h[i])
			VPXORQ(h[i], x[i], x[i])
		}
		return h
	}
	loop("expandWide", n, 4*wide, func() {
		x := zmms(wide)
		for i := range x {
			VMOVDQU64(Mem{Base: low, Disp: 64 * i}, x[i])
		}
		h := level(x)
		for i := range x {
			VMOVDQU64(h[i], Mem{Base: low, Disp: 64 * i})
			VMOVDQU64(x[i], Mem{Base: high, Disp: 64 * i})
			VPXORQ(h[i], sum, sum)
		}
		ADDQ(U32(64*wide), low)
		ADDQ(U32(64*wide), high)
	})
	loop("expandTail", n, 1, func() {
		x := zmms(1)
		part := partial(n)
		VMOVDQU64_Z(Mem{Base: low}, part, x[0])
		h := level(x)
		VMOVDQU64(h[0], part, Mem{Base: low})
		VMOVDQU64(x[0], part, Mem{Base: high})
		VPXORQ(h[0], sum, part, sum)
		ADDQ(Imm(64), low)
		ADDQ(Imm(64), high)
		SUBQ(Imm(3), n)
	})
	y, x := YMM(), XMM()
	VEXTRACTI64X4(Imm(1), sum, y)
	VPXOR(y, sum.AsY(), y)
	VEXTRACTI128(Imm(1), y, x)
	VPXOR(x, y.AsX(), x)
	VMOVDQU(x, Mem{Base: gp("sum")})
	end()
}

func finish() {
	begin("finish512", "(nodes *uint64, n int, fix *uint64, at uint64, m uint64, leaf uint64, mark uint64)",
		"finish512 makes leaves of a last level of n nodes, a multiple of 4; see Finish.")
	nodes, n := gp("nodes"), gp("n")
	fix, number, mark, clear := ZMM(), ZMM(), ZMM(), ZMM()
	VBROADCASTI32X4(Mem{Base: gp("fix")}, fix)
	VMOVDQU64(words("leafStart", 0, 0, 1, 1, 2, 2, 3, 3), number)
	VPBROADCASTQ(gp("mark"), mark)
	VMOVDQU64_Z(mark, immediate(0x55), mark)
	minus := ^uint64(0)
	VMOVDQU64(words("clearLowest", minus-1, minus, minus-1, minus, minus-1, minus, minus-1, minus), clear)
	step := words("leafStep", 4, 4, 4, 4, 4, 4, 4, 4)
	m, _ := Param("m").Resolve()
	at, _ := Param("at").Resolve()
	leaf, _ := Param("leaf").Resolve()
	loop("finish", n, 4, func() {
		x, t := ZMM(), ZMM()
		VMOVDQU64(Mem{Base: nodes}, x)
		hit, here := K(), K()
		VPANDQ_BCST(m.Addr, number, t)
		VPCMPEQQ_BCST(at.Addr, t, hit)
		VPXORQ(fix, x, hit, x)
		VPANDQ(clear, x, x)
		VPCMPEQQ_BCST(leaf.Addr, number, here)
		VPXORQ(mark, x, here, x)
		VPADDQ(step, number, number)
		VMOVDQU64(x, Mem{Base: nodes})
		ADDQ(Imm(64), nodes)
	})
	end()
}

// fold makes the kernels of Fold for 2^k seeds.
func fold(k int) {
	name := fmt.Sprintf("fold%dby512", 1<<k)
	begin(name, "(rounds *uint64, stride int, cols *uint64, size int, sum *uint64, n int, first uint64)",
		fmt.Sprintf("%s is Fold for %d seeds, their schedules stride bytes apart, and columns of size bytes; n is a multiple of 4.", name, 1<<k))
	f := folding{
		k: k, rounds: gp("rounds"), stride: gp("stride"), cols: gp("cols"), size: gp("size"), sum: gp("sum"),
		even: GP64(), odd: GP64(), count: ZMM(), plain: AllocLocal(64 * foldWide),
	}
	n := gp("n")
	VPBROADCASTQ(gp("first"), f.count)
	VMOVDQU64_Z(f.count, immediate(0xaa), f.count)
	VPADDQ(f.start(), f.count, f.count)
	loop(name+"Wide", n, 4*foldWide, func() { f.step(foldWide) })
	loop(name+"Tail", n, 4, func() { f.step(1) })
	end()
}

// foldWide is the number of vectors of a column that are made together: two
// seeds' worth hide the latency of a round, and with four columns and the sum all registers are in use.
const foldWide = 4

type folding struct {
	k                                          int
	rounds, stride, cols, size, sum, even, odd Register
	count                                      VecVirtual
	plain                                      Mem // counters, encrypted under every key in turn
}

func (f *folding) start() Mem {
	return words(fmt.Sprintf("fold%dStart", 1<<f.k), 0, 0, 0, 1, 0, 2, 0, 3)
}

// step makes wide vectors of all columns and of the sum.
func (f *folding) step(wide int) {
	f.counters(wide)
	sum, cols := zmms(wide), make([][]VecVirtual, f.k)
	for j := range cols {
		cols[j] = zmms(wide)
	}
	MOVQ(f.rounds, f.even)
	for x := 0; x < 1<<f.k; x += 2 {
		LEAQ(Mem{Base: f.even, Index: f.stride, Scale: 1}, f.odd)
		low, high := f.pair(wide)
		LEAQ(Mem{Base: f.even, Index: f.stride, Scale: 2}, f.even)
		for i := range wide {
			accumulate(cols[0][i], high[i], x == 0)
			VPXORQ(low[i], high[i], high[i])
			accumulate(sum[i], high[i], x == 0)
			for j := 1; j < f.k; j++ {
				if x>>j&1 == 1 {
					accumulate(cols[j][i], high[i], x == 1<<j)
				}
			}
		}
	}
	at := GP64()
	MOVQ(f.cols, at)
	for j := range cols {
		for i, v := range cols[j] {
			VMOVDQU64(v, Mem{Base: at, Disp: 64 * i})
		}
		if j < f.k-1 {
			ADDQ(f.size, at)
		}
	}
	for i, v := range sum {
		VMOVDQU64(v, Mem{Base: f.sum, Disp: 64 * i})
	}
	ADDQ(U32(uint32(64*wide)), f.cols)
	ADDQ(U32(uint32(64*wide)), f.sum)
}

// accumulate adds v to a register, which is first filled.
func accumulate(to, v VecVirtual, first bool) {
	if first {
		VMOVDQA64(v, to)
		return
	}
	VPXORQ(v, to, to)
}

func (f *folding) counters(wide int) {
	bytes := []uint64{0x0001020304050607, 0x08090a0b0c0d0e0f}
	name := fmt.Sprintf("fold%d", 1<<f.k)
	swap := shared(name+"Swap", bytes[0], bytes[1], bytes[0], bytes[1], bytes[0], bytes[1], bytes[0], bytes[1])
	step := shared(name+"Step", 0, 4, 0, 4, 0, 4, 0, 4)
	for i := range wide {
		t := ZMM()
		VPSHUFB(swap, f.count, t)
		VMOVDQU64(t, f.plain.Offset(64*i))
		VPADDQ(step, f.count, f.count)
	}
}

// pair encrypts the counters under the keys at even and odd.
func (f *folding) pair(wide int) (low, high []VecVirtual) {
	low, high = zmms(wide), zmms(wide)
	for r := range 11 {
		a, b := ZMM(), ZMM()
		VBROADCASTI32X4(Mem{Base: f.even, Disp: 16 * r}, a)
		VBROADCASTI32X4(Mem{Base: f.odd, Disp: 16 * r}, b)
		for i := range wide {
			switch r {
			case 0:
				VPXORQ(f.plain.Offset(64*i), a, low[i])
				VPXORQ(f.plain.Offset(64*i), b, high[i])
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

// tables are the constants that several places share.
var tables = map[string]Mem{}

func shared(name string, w ...uint64) Mem {
	if _, ok := tables[name]; !ok {
		tables[name] = words(name, w...)
	}
	return tables[name]
}
