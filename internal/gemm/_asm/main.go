// Command _asm writes the AVX-512 and AVX2 kernels of package gemm. Run go generate in
// that package; the output is committed.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("!purego")
	for _, a := range []arithmetic{
		ring32(zmm), ring32(ymm), ring64by512(), ring64by256(),
	} {
		a.tile()
		a.taps()
		a.dot()
	}
	Generate()
}

// width is a size of vectors.
type width struct {
	suffix string
	bytes  int
	reg    func() VecVirtual
}

var (
	zmm = width{"512", 64, func() VecVirtual { return ZMM() }}
	ymm = width{"256", 32, func() VecVirtual { return YMM() }}
)

// arithmetic is how one type of element is multiplied and added in vectors of one width.
type arithmetic struct {
	width
	name, elem string
	size       int // of an element
	rows, vecs int // of a tile
	accs       int // registers that a sum takes
	broadcast  func(m Mem, v VecVirtual)
	operand    func(b VecVirtual) []VecVirtual           // what multiply reads of a vector of the right operand
	multiply   func(a VecVirtual, b, acc []VecVirtual)   // acc += a*b
	total      func(acc []VecVirtual) (total VecVirtual) // what the registers of a sum stand for
}

func itself(b VecVirtual) []VecVirtual        { return []VecVirtual{b} }
func theOnly(acc []VecVirtual) (v VecVirtual) { return acc[0] }

// A tile of two vectors has enough accumulators to hide the latency of a
// multiplication, and leaves registers for a row of b.
func plain(w width, name, elem string, size int, broadcast func(Mem, VecVirtual), multiply func(a, b, acc VecVirtual)) arithmetic {
	rows := 4
	if w.bytes == 64 {
		rows = 8
	}
	return arithmetic{
		width: w, name: name, elem: elem, size: size, rows: rows, vecs: 2, accs: 1, broadcast: broadcast,
		operand: itself, total: theOnly, multiply: func(a VecVirtual, b, acc []VecVirtual) { multiply(a, b[0], acc[0]) },
	}
}

func ring32(w width) arithmetic {
	return plain(w, "ring32", "uint32", 4,
		func(m Mem, v VecVirtual) { VPBROADCASTD(m, v) },
		func(a, b, acc VecVirtual) {
			t := w.reg()
			VPMULLD(a, b, t)
			VPADDD(t, acc, acc)
		})
}

func broadcastWord(m Mem, v VecVirtual) { VPBROADCASTQ(m, v) }

func ring64by512() arithmetic {
	return plain(zmm, "ring64", "uint64", 8, broadcastWord, func(a, b, acc VecVirtual) {
		t := ZMM()
		VPMULLQ(a, b, t)
		VPADDQ(t, acc, acc)
	})
}

// ring64by256 multiplies words b by signed 32-bit numbers a: with b = l + 2^32 h, l
// signed too, a*b is a*l + 2^32 (a*h modulo 2^32). The two are added up apart.
func ring64by256() arithmetic {
	half := GLOBL("half", RODATA|NOPTR)
	for i := range 4 {
		DATA(8*i, U64(1<<31))
	}
	return arithmetic{
		width: ymm, name: "ring64", elem: "uint64", size: 8, rows: 4, vecs: 1, accs: 2, broadcast: broadcastWord,
		operand: func(b VecVirtual) []VecVirtual {
			h := YMM()
			VPADDQ(half, b, h)
			VPSRLQ(Imm(32), h, h)
			return []VecVirtual{b, h}
		},
		multiply: func(a VecVirtual, b, acc []VecVirtual) {
			for i := range acc {
				t := YMM()
				VPMULDQ(a, b[i], t)
				VPADDQ(t, acc[i], acc[i])
			}
		},
		total: func(acc []VecVirtual) VecVirtual {
			VPSLLQ(Imm(32), acc[1], acc[1])
			VPADDQ(acc[1], acc[0], acc[0])
			return acc[0]
		},
	}
}

func (a arithmetic) load(m Mem, v VecVirtual) {
	if a.bytes == 64 {
		VMOVDQU64(m, v)
		return
	}
	VMOVDQU(m, v)
}

func (a arithmetic) store(v VecVirtual, m Mem) {
	if a.bytes == 64 {
		VMOVDQU64(v, m)
		return
	}
	VMOVDQU(v, m)
}

// sums gives n sums, all zero.
func (a arithmetic) sums(n int) [][]VecVirtual {
	all := make([][]VecVirtual, n)
	for i := range all {
		all[i] = make([]VecVirtual, a.accs)
		for j := range all[i] {
			v := a.reg()
			all[i][j] = v
			if a.bytes == 64 {
				VPXORQ(v, v, v)
			} else {
				VPXOR(v, v, v)
			}
		}
	}
	return all
}

func (a arithmetic) begin(kernel, signature, doc string) {
	name := a.name + kernel + a.suffix
	TEXT(name, NOSPLIT, fmt.Sprintf("func(%s *%s)", signature, a.elem))
	Pragma("noescape")
	Doc(name + " " + doc)
}

func param(name string) Register { return Load(Param(name), GP64()) }

func end() {
	VZEROUPPER()
	RET()
}

// while repeats body as long as n >= step, and takes step from n.
func while(name string, n Register, step int, body func()) {
	Label(name)
	CMPQ(n, Imm(uint64(step)))
	JLT(LabelRef(name + "_end"))
	body()
	SUBQ(Imm(uint64(step)), n)
	JMP(LabelRef(name))
	Label(name + "_end")
}

// tile writes the product of a packed [k][rows] and b packed [k][columns].
func (a arithmetic) tile() {
	a.begin("Tile", "k int, a, b, c", fmt.Sprintf("multiplies %d rows by %d columns; see kernels.tile.", a.rows, a.vecs*a.bytes/a.size))
	k, left, right, out := param("k"), param("a"), param("b"), param("c")
	acc := a.sums(a.rows * a.vecs)
	while("tile", k, 1, func() {
		b := make([][]VecVirtual, a.vecs)
		for j := range b {
			v := a.reg()
			a.load(Mem{Base: right, Disp: j * a.bytes}, v)
			b[j] = a.operand(v)
		}
		x := a.reg()
		for i := range a.rows {
			a.broadcast(Mem{Base: left, Disp: i * a.size}, x)
			for j := range b {
				a.multiply(x, b[j], acc[i*a.vecs+j])
			}
		}
		ADDQ(I32(a.rows*a.size), left)
		ADDQ(I32(a.vecs*a.bytes), right)
	})
	for i := range acc {
		a.store(a.total(acc[i]), Mem{Base: out, Disp: i * a.bytes})
	}
	end()
}

// taps writes the product of one row by vectors that stand at offsets, several
// vectors at a time so that a factor is spread once for all.
func (a arithmetic) taps() {
	a.begin("Taps", "n, k int, off *int32, w, x, out", "sets n vectors of out; see kernels.taps.")
	n, k, off, w, x, out := param("n"), param("k"), param("off"), param("w"), param("x"), param("out")
	for _, at := range []struct {
		name string
		vecs int
	}{{"wide", 4}, {"one", 1}} {
		while(at.name, n, at.vecs, func() {
			acc := a.sums(at.vecs)
			left, o, f := GP64(), GP64(), GP64()
			MOVQ(k, left)
			MOVQ(off, o)
			MOVQ(w, f)
			while(at.name+"_k", left, 1, func() {
				from := GP64()
				MOVLQSX(Mem{Base: o}, from)
				spread := a.reg()
				a.broadcast(Mem{Base: f}, spread)
				for v := range acc {
					b := a.reg()
					a.load(Mem{Base: x, Index: from, Scale: uint8(a.size), Disp: v * a.bytes}, b)
					a.multiply(spread, a.operand(b), acc[v])
				}
				ADDQ(Imm(4), o)
				ADDQ(Imm(uint64(a.size)), f)
			})
			for v := range acc {
				a.store(a.total(acc[v]), Mem{Base: out, Disp: v * a.bytes})
			}
			ADDQ(I32(at.vecs*a.bytes), x)
			ADDQ(I32(at.vecs*a.bytes), out)
		})
	}
	end()
}

// dot writes the product of two vectors, lane by lane.
func (a arithmetic) dot() {
	a.begin("Dot", "n int, a, b, lanes", "adds up the products of n vectors lane by lane; see kernels.dot.")
	n, left, right, lanes := param("n"), param("a"), param("b"), param("lanes")
	acc := a.sums(4)
	for _, at := range []struct {
		name string
		vecs int
	}{{"wide", 4}, {"one", 1}} {
		while(at.name, n, at.vecs, func() {
			for v := range at.vecs {
				x, y := a.reg(), a.reg()
				a.load(Mem{Base: left, Disp: v * a.bytes}, x)
				a.load(Mem{Base: right, Disp: v * a.bytes}, y)
				a.multiply(x, a.operand(y), acc[v])
			}
			ADDQ(I32(at.vecs*a.bytes), left)
			ADDQ(I32(at.vecs*a.bytes), right)
		})
	}
	sum := a.total(acc[0])
	for _, v := range acc[1:] {
		if a.size == 4 {
			VPADDD(a.total(v), sum, sum)
		} else {
			VPADDQ(a.total(v), sum, sum)
		}
	}
	a.store(sum, Mem{Base: lanes})
	end()
}
