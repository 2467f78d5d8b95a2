package main

// repeatedWords loads the factors of four positions, of which the first's is at the address:
// a value stands for one, two, or at least four positions.
func (e *emitter) repeatedWords(how string, base int) quad {
	f := quad{8, 9}
	switch how {
	case "Twice":
		e.line("VLD1 (R%d), [V8.D2]", base)
		e.line("VZIP2 V8.D2, V8.D2, V9.D2")
		e.line("VZIP1 V8.D2, V8.D2, V8.D2")
	case "Broadcast":
		e.line("VLD1R (R%d), [V8.D2]", base)
		e.line("VMOV V8.B16, V9.B16")
	default:
		e.load(f, base)
	}
	return f
}

// dot is fmaDot.
func (e *emitter) dot(how string, halves int) {
	name := "fmaDot"
	args := []argument{{"lo0", "*uint64"}, {"hi0", "*uint64"}}
	lists := []argument{{"x0", "*[]uint64"}}
	if halves == 2 {
		name += "Pair"
		args = append(args, argument{"lo1", "*uint64"}, argument{"hi1", "*uint64"})
		lists = append(lists, argument{"x1", "*[]uint64"})
	}
	args = append(append(args, lists...), argument{"w", "*[]uint64"}, argument{"terms", "int"}, argument{"from", "int"}, argument{"to", "int"}, argument{"shift", "uint64"}, argument{"c", "*float64"})
	e.begin(name+how, "adds x0[k]*w[k] for all terms k (and x1[k]*w[k] to the second accumulator) as lo + hi*2^49. A value of w stands for 2^shift positions; it covers positions from <= i < to, multiples of 4.", args...)
	// The registers of the arguments: 2*halves sums, then halves lists.
	x := 2 * halves
	w, terms := x+halves, x+halves+1
	from, to, shift, c := terms+1, terms+2, terms+3, terms+4
	far, both := quad{25, 25}, quad{26, 26}
	less := []quad{{27, 27}, {28, 28}} // what the bits of the constants add up to over all terms
	for i, at := range []int{40, 24} { // 3*2^51, 2^101
		e.line("MOVD %d(R%d), R12", at, c)
		e.line("MUL R%d, R12", terms)
		e.line("VDUP R12, V%d.D2", less[i][0])
	}
	e.line("ADD $16, R%d", c)
	for _, v := range []quad{whole, far, both} {
		e.repeat(v[0], c)
	}
	for i := range 2 * halves {
		e.line("ADD R%d<<3, R%d", from, i)
	}
	const n, pw, px, pos, index = 12, 13, 14, 15, 16 // registers that are free
	e.label("positions")
	for i := range 2 * halves {
		e.load(front[i], i)
		e.bits("VSUB", front[i], front[i], less[i%2])
	}
	e.line("LSL $3, R%d, R%d", from, pos)
	e.line("LSR R%d, R%d, R%d", shift, from, index)
	e.line("LSL $3, R%d", index)
	e.line("MOVD R%d, R%d", terms, n)
	for i := range halves { // copies that move on
		e.line("MOVD R%d, R%d", x+i, 20+i)
	}
	e.line("MOVD R%d, R19", w)
	e.counter("terms", n, func() {
		e.line("MOVD.P 24(R19), R%d", pw)
		e.line("ADD R%d, R%d", index, pw)
		f := e.repeatedWords(how, pw)
		e.fromWords(f)
		for i := range halves {
			a, hi, lo := quad{10, 11}, quad{12, 13}, quad{14, 15}
			e.line("MOVD.P 24(R%d), R%d", 20+i, px)
			e.line("ADD R%d, R%d", pos, px)
			e.load(a, px)
			e.fromWords(a)
			e.move(hi, far)
			e.mulAdd(hi, a, f)
			e.bits("VADD", front[2*i+1], front[2*i+1], hi)
			e.sub(lo, both, hi)
			e.mulAdd(lo, a, f)
			e.bits("VADD", front[2*i], front[2*i], lo)
		}
	})
	for i := range 2 * halves {
		e.storeOn(front[i], i)
	}
	e.line("ADD $4, R%d", from)
	e.line("CMP R%d, R%d", to, from)
	e.line("BLT positions")
	e.line("RET")
}

// product sets a to a*b modulo q, both from words.
func (e *emitter) product(a, b quad) {
	e.fromWords(a)
	e.fromWords(b)
	e.mul(h, a, b)
	e.mul(k, h, inv)
	e.nearest(k, k)
	e.move(rest, h)
	e.mulSub(rest, a, b)
	e.mulSub(h, k, q)
	e.sub(a, h, rest)
}

func (e *emitter) products() {
	e.begin("fmaAddProducts", "adds the sum of x[k]*w[k] to dst modulo q. n is a multiple of 4.",
		argument{"dst", "*uint64"}, argument{"x", "*[]uint64"}, argument{"w", "*[]uint64"}, argument{"terms", "int"}, argument{"n", "int"}, argument{"c", "*float64"})
	e.constants(5)
	sum, a, b := front[0], front[1], front[2]
	e.line("MOVD $0, R6") // bytes of the positions before
	e.line("LSR $2, R4")
	e.counter("positions", 4, func() {
		e.load(sum, 0)
		e.fromWords(sum)
		e.line("MOVD R1, R7")
		e.line("MOVD R2, R8")
		e.line("MOVD R3, R9")
		e.counter("terms", 9, func() {
			for i, v := range []quad{a, b} {
				e.line("MOVD.P 24(R%d), R10", 7+i) // the next slice header
				e.line("ADD R6, R10")
				e.load(v, 10)
			}
			e.product(a, b)
			e.reduce(sum)
			e.add(sum, sum, a)
		})
		e.toWords(sum)
		e.storeOn(sum, 0)
		e.line("ADD $32, R6")
	})
	e.line("RET")
}

func (e *emitter) vectors() {
	e.begin("fmaMul", "sets dst = a*b mod q. n is a multiple of 4.",
		argument{"dst", "*uint64"}, argument{"a", "*uint64"}, argument{"b", "*uint64"}, argument{"n", "int"}, argument{"c", "*float64"})
	e.constants(4)
	a, b := front[0], front[1]
	e.line("LSR $2, R3")
	e.counter("vector", 3, func() {
		e.loadOn(a, 1)
		e.loadOn(b, 2)
		e.product(a, b)
		e.toWords(a)
		e.storeOn(a, 0)
	})
	e.line("RET")
}
