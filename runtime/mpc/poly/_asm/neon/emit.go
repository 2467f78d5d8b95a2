package main

import (
	"fmt"
	"strings"
)

// reg is a vector register, quad four doubles in two of them.
type (
	reg  int
	quad [2]reg
)

// emitter collects kernels and their declarations.
type emitter struct{ code, stubs strings.Builder }

func (e *emitter) line(format string, args ...any) { fmt.Fprintf(&e.code, "\t"+format+"\n", args...) }

func (e *emitter) label(name string) { fmt.Fprintf(&e.code, "\n%s:\n", name) }

// argument is a parameter of a kernel; all take eight bytes.
type argument struct{ name, kind string }

// begin opens a kernel and loads its arguments into R0, R1, ... in order.
func (e *emitter) begin(name, doc string, args ...argument) {
	var list []string
	for _, a := range args {
		list = append(list, a.name+" "+a.kind)
	}
	signature := "func " + name + "(" + strings.Join(list, ", ") + ")"
	fmt.Fprintf(&e.stubs, "\n// %s %s\n//\n//go:noescape\n%s\n", name, doc, signature)
	fmt.Fprintf(&e.code, "\n// %s\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", signature, name, 8*len(args))
	for i, a := range args {
		e.line("MOVD %s+%d(FP), R%d", a.name, 8*i, i)
	}
}

// counter runs body n times, n > 0 in a register that it uses up.
func (e *emitter) counter(label string, n int, body func()) {
	e.label(label)
	body()
	e.line("SUB $1, R%d", n)
	e.line("CBNZ R%d, %s", n, label)
}

// word is an instruction on two doubles that Go's assembler has no name for.
func (e *emitter) word(name string, code uint32, d, n, m reg) {
	code |= uint32(m)<<16 | uint32(n)<<5 | uint32(d)
	e.line("WORD $0x%08x // %s V%d.2D, V%d.2D, V%d.2D", code, name, d, n, m)
}

func (e *emitter) unary(name string, code uint32, d, n reg) {
	e.line("WORD $0x%08x // %s V%d.2D, V%d.2D", code|uint32(n)<<5|uint32(d), name, d, n)
}

func (e *emitter) add(d, n, m quad) {
	e.both(func(i int) { e.word("FADD", 0x4e60d400, d[i], n[i], m[i]) })
}
func (e *emitter) sub(d, n, m quad) {
	e.both(func(i int) { e.word("FSUB", 0x4ee0d400, d[i], n[i], m[i]) })
}
func (e *emitter) mul(d, n, m quad) {
	e.both(func(i int) { e.word("FMUL", 0x6e60dc00, d[i], n[i], m[i]) })
}

// nearest rounds to whole numbers.
func (e *emitter) nearest(d, n quad) {
	e.both(func(i int) { e.unary("FRINTN", 0x4e618800, d[i], n[i]) })
}

// negative gives ones where n is below zero.
func (e *emitter) negative(d, n quad) {
	e.both(func(i int) { e.unary("FCMLT(0)", 0x4ee0e800, d[i], n[i]) })
}

// mulAdd adds n*m to d, mulSub takes it away; neither rounds the product.
func (e *emitter) mulAdd(d, n, m quad) {
	e.both(func(i int) { e.line("VFMLA V%d.D2, V%d.D2, V%d.D2", m[i], n[i], d[i]) })
}

func (e *emitter) mulSub(d, n, m quad) {
	e.both(func(i int) { e.line("VFMLS V%d.D2, V%d.D2, V%d.D2", m[i], n[i], d[i]) })
}

// whole numbers and bits: VADD, VSUB of words, VAND, VORR, VEOR.
func (e *emitter) bits(name string, d, n, m quad) {
	kind := "B16"
	if name == "VADD" || name == "VSUB" {
		kind = "D2"
	}
	e.both(func(i int) { e.line("%s V%d.%s, V%d.%s, V%d.%s", name, m[i], kind, n[i], kind, d[i], kind) })
}

func (e *emitter) move(d, n quad) {
	e.both(func(i int) { e.line("VMOV V%d.B16, V%d.B16", n[i], d[i]) })
}

func (e *emitter) both(f func(i int)) {
	for i := range 2 {
		f(i)
	}
}

// load reads four doubles, loadOn also moves the address on; registers follow each other.
func (e *emitter) load(q quad, base int) {
	e.line("VLD1 (R%d), [V%d.D2, V%d.D2]", base, q[0], q[1])
}

func (e *emitter) loadOn(q quad, base int) {
	e.line("VLD1.P 32(R%d), [V%d.D2, V%d.D2]", base, q[0], q[1])
}

func (e *emitter) storeOn(q quad, base int) {
	e.line("VST1.P [V%d.D2, V%d.D2], 32(R%d)", q[0], q[1], base)
}

// repeat reads one double into both lanes and moves the address on.
func (e *emitter) repeat(v reg, base int) quad {
	e.line("VLD1R (R%d), [V%d.D2]", base, v)
	e.line("ADD $8, R%d", base)
	return quad{v, v}
}
