// Command wasm writes the kernels of package prg for WebAssembly with vectors of 128 bits, which
// Go's compiler does not use: a module beside the program's, in the same memory. The S-box is
// subBytes, gate by gate as it stands in soft.go.
package main

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"strconv"
)

func main() {
	log.SetFlags(0)
	out := flag.String("out", "", "the module")
	source := flag.String("source", "", "the Go file with subBytes")
	flag.Parse()
	gates, err := readGates(*source, "subBytes")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, module(encrypt(gates)), 0o644); err != nil {
		log.Fatal(err)
	}
}

// gate is to = a op b, or to = a where op is token.ILLEGAL. Words of the state are q0 to q7.
type gate struct {
	to, a, b string
	op       token.Token
}

// readGates reads a function of one array of eight words that consists of assignments.
func readGates(file, name string) (gates []gate, err error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		return nil, err
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != name {
			continue
		}
		for _, s := range fn.Body.List {
			gates = append(gates, gatesOf(s.(*ast.AssignStmt))...)
		}
	}
	return gates, nil
}

// gatesOf takes the assignments of a statement one after the other: none of subBytes reads what
// the same statement writes.
func gatesOf(s *ast.AssignStmt) (gates []gate) {
	written := map[string]bool{}
	for i, l := range s.Lhs {
		g := gate{to: wordOf(l)}
		if e, ok := s.Rhs[i].(*ast.BinaryExpr); ok {
			g.a, g.op, g.b = wordOf(e.X), e.Op, wordOf(e.Y)
		} else {
			g.a = wordOf(s.Rhs[i])
		}
		if written[g.a] || written[g.b] {
			log.Fatalf("%s is written and read in one statement", g.to)
		}
		written[g.to] = true
		gates = append(gates, g)
	}
	return gates
}

func wordOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return wordOf(e.X) + e.Index.(*ast.BasicLit).Value
	}
	log.Fatalf("neither a variable nor a word of the state: %T", e)
	return ""
}

// function collects code and its variables: parameters of 32 bits first, then vectors.
type function struct {
	params  int
	code    []byte
	vectors map[string]int
}

func (f *function) vector(name string) int {
	if i, ok := f.vectors[name]; ok {
		return i
	}
	f.vectors[name] = f.params + len(f.vectors)
	return f.vectors[name]
}

func (f *function) emit(b ...byte)  { f.code = append(f.code, b...) }
func (f *function) number(n int)    { f.code = appendUint(f.code, n) }
func (f *function) get(name string) { f.emit(0x20); f.number(f.vector(name)) }
func (f *function) set(name string) { f.emit(0x21); f.number(f.vector(name)) }
func (f *function) param(i int)     { f.emit(0x20, byte(i)) }
func (f *function) simd(op int)     { f.emit(0xfd); f.number(op) }
func (f *function) xor(names ...string) {
	for i, n := range names {
		f.get(n)
		if i > 0 {
			f.simd(v128Xor)
		}
	}
}

const (
	v128Load64Zero  = 0x5d
	v128Load64Lane  = 0x57
	v128Store64Lane = 0x5b
	i8x16Shuffle    = 0x0d
	v128And         = 0x4e
	v128Xor         = 0x51
)

// load reads words j of two rows, at at and 64 bytes further, into the lanes of a vector.
func (f *function) load(param, at int) {
	f.param(param)
	f.param(param)
	f.simd(v128Load64Zero)
	f.emit(3)
	f.number(at)
	f.simd(v128Load64Lane)
	f.emit(3)
	f.number(at + rowBytes)
	f.emit(1)
}

func (f *function) store(param, at int, name string) {
	for lane := range 2 {
		f.param(param)
		f.get(name)
		f.simd(v128Store64Lane)
		f.emit(3)
		f.number(at + lane*rowBytes)
		f.emit(byte(lane))
	}
}

// shuffle leaves sixteen of the bytes of a and b on the stack.
func (f *function) shuffle(a, b string, from func(i int) int) {
	f.get(a)
	f.get(b)
	f.simd(i8x16Shuffle)
	for i := range 16 {
		f.emit(byte(from(i)))
	}
}

const (
	rowBytes   = 64
	stateBytes = 4 * rowBytes
)

func upper(j int) string { return "a" + strconv.Itoa(j) } // rows 0 and 1 of bit j
func lower(j int) string { return "b" + strconv.Itoa(j) } // rows 2 and 3

// encrypt(q, keys, n, last) runs n rounds on the state at q with the round keys at keys, and a last
// one if last is not zero.
func encrypt(gates []gate) *function {
	f := &function{params: 4, vectors: map[string]int{}}
	const q, keys, n, last = 0, 1, 2, 3
	for j := range 8 {
		f.load(q, 8*j)
		f.set(upper(j))
		f.load(q, 8*j+2*rowBytes)
		f.set(lower(j))
	}
	f.emit(0x02, 0x40, 0x03, 0x40) // block, loop
	f.param(n)
	f.emit(0x45, 0x0d, 1) // leave at zero
	f.substituteAndMove(gates)
	f.mix(keys)
	f.advance(keys, stateBytes)
	f.advance(n, -1)
	f.emit(0x0c, 0, 0x0b, 0x0b) // again; end, end
	f.param(last)
	f.emit(0x04, 0x40) // if
	f.substituteAndMove(gates)
	for j := range 8 {
		f.addKey(keys, j, upper(j), lower(j))
	}
	f.emit(0x0b)
	for j := range 8 {
		f.store(q, 8*j, upper(j))
		f.store(q, 8*j+2*rowBytes, lower(j))
	}
	f.emit(0x0b)
	return f
}

// advance adds to a parameter.
func (f *function) advance(param, by int) {
	f.param(param)
	f.emit(0x41)
	f.code = appendInt(f.code, by)
	f.emit(0x6a, 0x21, byte(param))
}

// substituteAndMove is SubBytes and ShiftRows: rows turn by multiples of 16 bits.
func (f *function) substituteAndMove(gates []gate) {
	for _, half := range []func(int) string{upper, lower} {
		for _, g := range gates {
			f.gate(g, half)
		}
	}
	for j := range 8 {
		f.shuffle(upper(j), upper(j), func(i int) int { return i&8 + (i+2*(i>>3))&7 })
		f.set(upper(j))
		f.shuffle(lower(j), lower(j), func(i int) int { return i&8 + (i+4+2*(i>>3))&7 })
		f.set(lower(j))
	}
}

func (f *function) gate(g gate, half func(int) string) {
	name := func(s string) string {
		if s[0] == 'q' {
			return half(int(s[1] - '0'))
		}
		return s
	}
	f.get(name(g.a))
	switch g.op {
	case token.XOR:
		f.get(name(g.b))
		f.simd(v128Xor)
	case token.AND:
		f.get(name(g.b))
		f.simd(v128And)
	}
	f.set(name(g.to))
}

// mix is MixColumns and the key, as sliced.mix: with t the sum of a row and the next, and s that of
// all, the result is 2t ^ s ^ a.
func (f *function) mix(keys int) {
	next := func(i int) int { return i + 8 } // the upper lane of one, the lower one of the other
	sums := func(j int, to string) {
		f.shuffle(upper(j), lower(j), next)
		f.get(upper(j))
		f.simd(v128Xor)
		f.set(to + "u")
		f.shuffle(lower(j), upper(j), next)
		f.get(lower(j))
		f.simd(v128Xor)
		f.set(to + "l")
	}
	sums(7, "high")
	f.copy("before", "high")
	for j := range 8 {
		sums(j, "t")
		f.xor("tu", "tl")
		f.set("s")
		f.xor("s", upper(j), "beforeu")
		f.set(upper(j))
		f.xor("s", lower(j), "beforel")
		f.set(lower(j))
		if j == 1 || j == 3 || j == 4 {
			f.xor(upper(j), "highu")
			f.set(upper(j))
			f.xor(lower(j), "highl")
			f.set(lower(j))
		}
		f.addKey(keys, j, upper(j), lower(j))
		f.copy("before", "t")
	}
}

func (f *function) copy(to, from string) {
	for _, half := range []string{"u", "l"} {
		f.get(from + half)
		f.set(to + half)
	}
}

func (f *function) addKey(keys, j int, up, low string) {
	for i, name := range []string{up, low} {
		f.load(keys, 8*j+i*2*rowBytes)
		f.get(name)
		f.simd(v128Xor)
		f.set(name)
	}
}

// module is a WebAssembly module of one function that works in an imported memory (the binary
// format of WebAssembly 2.0, section 5).
func module(f *function) []byte {
	m := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	types := append([]byte{1, 0x60, byte(f.params)}, 0x7f, 0x7f, 0x7f, 0x7f)
	m = section(m, 1, append(types, 0))
	m = section(m, 2, append(append(append([]byte{1}, text("go")...), text("memory")...), 2, 0, 0))
	m = section(m, 3, []byte{1, 0})
	m = section(m, 7, append(append([]byte{1}, text("encrypt")...), 0, 0))
	body := append(appendUint([]byte{1}, len(f.vectors)), 0x7b)
	body = append(body, f.code...)
	return section(m, 10, append(appendUint([]byte{1}, len(body)), body...))
}

func section(m []byte, id byte, content []byte) []byte {
	return append(appendUint(append(m, id), len(content)), content...)
}

func text(s string) []byte { return append(appendUint(nil, len(s)), s...) }

// appendUint is LEB128.
func appendUint(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// appendInt is LEB128, signed.
func appendInt(b []byte, n int) []byte {
	for n < -64 || n > 63 {
		b = append(b, byte(n)&0x7f|0x80)
		n >>= 7
	}
	return append(b, byte(n)&0x7f)
}
