package plan

import "secc.example/secc/backend/plan/wire"

// What costs of the protocols of runtime/mpc/nonlinear are made of, to the byte. A vector of bits
// is a plane: n bits packed. Every OT is counted as it is used: bit-sliced
// (UnitAND) or as a number (UnitMux); making it is not counted here.

// plane is the bytes of n bits.
func plane(n int) int64 { return wire.PackedLen(n, 1) }

// crossing is one flight of the same bytes both ways.
func crossing(bytes int64) []Flight { return []Flight{{bytes, bytes}} }

// withWork prices the OTs of c by the unit they are used in.
func (c Cost) withWork(u Unit, elems int) Cost {
	used := float64(c.COTs.ServerSends + c.COTs.ClientSends)
	c.Work.Server[u], c.Work.Client[u] = used, used
	c.Work.Server[UnitElem], c.Work.Client[UnitElem] = float64(elems), float64(elems)
	return c
}

// CostCarries counts the circuit of some carries, n times.
func CostCarries(n int, w *wire.Carries) (c Cost) {
	choices, answers := int64(w.Choices())*plane(n), int64(w.Answers())*plane(n)
	switch {
	case w.Tree.Tabled():
		c.Flights, c.Ahead = []Flight{{ToClient: choices}}, int64(w.Exchanged())*plane(n)
	case w.Tree.Crossing():
		c.Flights = []Flight{{ToClient: choices, ToServer: answers}}
	case w.Tree.ChoosesAtClient():
		c.Flights = []Flight{{ToServer: choices}, {ToClient: answers}}
	default:
		c.Flights = []Flight{{ToClient: choices}, {ToServer: answers}}
	}
	ots := int64(n) * int64(w.Choices())
	if w.Tree.ChoosesAtClient() {
		c.COTs.ServerSends = ots
	} else {
		c.COTs.ClientSends = ots
	}
	chooser, answerer := w.Kept()
	c.Kept = Memory{int64(chooser) * plane(n), int64(answerer) * plane(n)}
	if w.Tree.ChoosesAtClient() {
		c.Kept = Memory{c.Kept.Client, c.Kept.Server}
	}
	for level := range w.Levels {
		bits, ots := w.Opened(level)
		if w.Tree.Prepared {
			early := w.Corrections(level)
			bits -= early
			c.Early.ToServer += int64(early) * plane(n)
			c.Early.ToClient += int64(early) * plane(n)
		}
		c.Flights = append(c.Flights, crossing(int64(bits)*plane(n))...)
		c = c.sums(costJoins(n, ots, w.JoinsKept(level)))
	}
	return c.withWork(UnitAND, 0)
}

// costJoins is what joins take and keep at either party, but for what they send.
func costJoins(n, ots, kept int) Cost {
	bytes := int64(kept) * plane(n)
	return Cost{COTs: COTs{int64(n) * int64(ots), int64(n) * int64(ots)}, Kept: Memory{bytes, bytes}}
}

// costCarry is the carry out of two private m-bit numbers, n times.
func costCarry(n, m, leaf int) Cost {
	return CostCarries(n, wire.NewCarries(m, 0, 1, wire.Tree{Leaf: leaf}))
}

// costAbove compares m bits of n elements, from bit lo on, with each of some public
// thresholds: the low bits in which these agree once.
func costAbove(n, m int, t wire.Tree, at []int64, lo int) Cost {
	if m == 0 {
		return Cost{}
	}
	return CostCarries(n, wire.NewCarries(m, t.Split(m, wire.Agree(at)-lo), len(at), t))
}

// costTerms is one flight of products of one party's bits with the other's
// numbers: widths by who sends the numbers.
func costTerms(n int, byServer, byClient []int) Cost {
	var c Cost
	var f Flight
	for _, w := range byServer {
		number := wire.PackedLen(n, w)
		f.ToClient += number
		f.ToServer += plane(n)
		c.Kept = c.Kept.add(Memory{2 * number, plane(n) + number})
	}
	for _, w := range byClient {
		number := wire.PackedLen(n, w)
		f.ToServer += number
		f.ToClient += plane(n)
		c.Kept = c.Kept.add(Memory{plane(n) + number, 2 * number})
	}
	if f == (Flight{}) {
		return c
	}
	c.Flights = []Flight{f}
	c.COTs = COTs{int64(n) * int64(len(byServer)), int64(n) * int64(len(byClient))}
	return c.withWork(UnitMux, n)
}

// toArith is the width of the term that makes numbers of bits.
func toArith(bits int) []int {
	if bits <= 1 {
		return nil
	}
	return []int{bits - 1}
}

// LeafOf is the radix that a field which may be left out means.
func LeafOf(leaf int) int {
	if leaf == 0 {
		return 2
	}
	return leaf
}

// gilbert is the widths of a product of a width-bit number with one of bits.
func gilbert(width, bits int) []int {
	w := make([]int, width)
	for i := range w {
		w[i] = bits - i
	}
	return w
}
