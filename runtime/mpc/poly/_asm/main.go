// Command _asm writes the AVX-512 and AVX2 kernels of package poly. Run go generate in
// that package; the output is committed.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
	"github.com/mmcloughlin/avo/x86"
)

func main() {
	ConstraintExpr("!purego")
	ntt()
	accumulate()
	arithmetic()
	torus()
	packing()
	sampling()
	fma()
	lanes4()
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
func gp(name string) GPVirtual { return Load(Param(name), GP64()).(GPVirtual) }

// broadcast repeats a register's word in every lane.
func broadcast(r Op) VecVirtual {
	z := ZMM()
	VPBROADCASTQ(r, z)
	return z
}

// immediate repeats a constant in every lane.
func immediate(v uint64) VecVirtual {
	return broadcast(constant(v))
}

func constant(v uint64) GPVirtual {
	t := GP64()
	MOVQ(U64(v), t)
	return t
}

// load reads a vector.
func load(m Mem) VecVirtual {
	z := ZMM()
	VMOVDQU64(m, z)
	return z
}

// zero returns a register holding zero.
func zero() VecVirtual {
	z := ZMM()
	clearVector(z)
	return z
}

// clearVector zeroes z. avo does not know that VPXORQ of a register with itself
// reads nothing, and would keep it alive from the start of the kernel.
func clearVector(z VecVirtual) {
	i, err := x86.VPXORQ(z, z, z)
	if err != nil {
		panic(err)
	}
	i.CancellingInputs = true
	Instruction(i)
}

func copyOf(x Op) VecVirtual {
	z := ZMM()
	VMOVDQA64(x, z)
	return z
}

// at addresses base[index].
func at(base, index Register) Mem { return Mem{Base: base, Index: index, Scale: 8} }

// modulus holds what lazy arithmetic modulo q needs in every lane.
type modulus struct{ q, q2, negQ, mask VecVirtual }

const mask52 = 1<<52 - 1

func newModulus(q Register) modulus {
	m := modulus{q: broadcast(q), mask: immediate(mask52), q2: ZMM(), negQ: ZMM()}
	VPADDQ(m.q, m.q, m.q2)
	// -q: a multiplier reads the low 52 bits, that is 2^52-q.
	z := zero()
	VPSUBQ(m.q, z, m.negQ)
	return m
}

// belowOnce maps [0,2b) to [0,b) in place: x-b wraps to a huge value when x < b.
func belowOnce(x, b VecVirtual) {
	d := ZMM()
	VPSUBQ(b, x, d)
	VPMINUQ(d, x, x)
}

// shoup adds x*w mod q, in [0,2q), to acc modulo 2^52 but unmasked; acc may be
// nil for a fresh one. x is read at 52 bits; s is the quotient of w.
func (m modulus) shoup(acc VecVirtual, x, w, s Op) VecVirtual {
	h := zero()
	VPMADD52HUQ(s, x, h)
	if acc == nil {
		acc = zero()
	}
	VPMADD52LUQ(w, x, acc)
	VPMADD52LUQ(m.negQ, h, acc)
	return acc
}

// counter runs body n times, n > 0 in a register that it uses up.
func counter(label string, n Register, body func()) {
	Label(label)
	body()
	DECQ(n)
	JNE(LabelRef(label))
}
