package plan

import (
	"slices"

	"secc.example/secc/backend/plan/wire"
)

// Costs of the protocols of runtime/mpc/nonlinear, to the byte. A vector of bits
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

// Tree is how a step computes carries.
func (c *Compare) Tree() wire.Tree {
	return wire.Tree{Leaf: c.Leaf, Ripple: c.Ripple, Arity: c.Arity, ClientChooses: c.ClientChooses, Prepared: c.prepared, Known: c.known}
}

// SetTree chooses how a step computes carries.
func (c *Compare) SetTree(t wire.Tree) {
	c.Leaf, c.Ripple, c.Arity, c.ClientChooses = t.Leaf, t.Ripple, t.Arity, t.ClientChooses
}

// CostCarries counts the circuit of some carries, n times.
func CostCarries(n int, w *wire.Carries) (c Cost) {
	choices, answers := int64(w.Choices())*plane(n), int64(w.Answers())*plane(n)
	switch {
	case w.Tree.ChoosesEarly():
		c.Flights, c.Early = []Flight{{ToClient: answers}}, Flight{ToServer: choices}
	case w.Tree.Crossing():
		c.Flights = crossing(answers)
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

// costDReLU is the sign of n elements.
func costDReLU(n int, c *Compare) Cost { return costAbove(n, c.compared(), c.Tree(), []int64{0}, c.Lo) }

// compared is the number of bits whose carry decides a sign.
func (c *Compare) compared() int { return c.Hi - c.Lo - 1 }

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
	if bits == 1 {
		return nil
	}
	return []int{bits - 1}
}

// CostRelu is DReLU and a multiplexer. Where the result is wider, the operand is
// extended beside the comparison, so that the multiplexer's result is wide at once.
func CostRelu(n int, c *Compare) Cost {
	sign, width := costDReLU(n, c), c.Bits
	if c.ExtendTo > c.Bits {
		sign = sign.Beside(costTerms(n, nil, []int{c.ExtendTo - c.Bits}))
		width = c.ExtendTo
	}
	return sign.Add(costTerms(n, []int{width}, []int{width}))
}

// LeafOf is the radix that a field which may be left out means.
func LeafOf(leaf int) int {
	if leaf == 0 {
		return 2
	}
	return leaf
}

// CostExtend: both forms of it cost the same; Any is a comparison more.
func CostExtend(n int, e *Extend) Cost {
	if e.Any {
		return costCarry(n, e.From, LeafOf(e.Leaf)).Add(costTerms(n, nil, toArith(e.To-e.From)))
	}
	return costTerms(n, nil, []int{e.To - e.From})
}

// CostTruncate: stochastic and narrow enough, it is local.
func CostTruncate(n int, t *Truncate) Cost {
	var widths []int
	if t.Exact {
		widths = toArith(t.To)
	}
	if more := t.To - (t.From - t.Shift); more > 0 {
		widths = append(widths, more)
	}
	var c Cost
	if t.Exact {
		c = costCarry(n, t.Shift, LeafOf(t.Leaf))
	}
	c = c.Add(costTerms(n, nil, widths))
	if len(widths) == 0 {
		c = c.withWork(UnitMux, n)
	}
	return c
}

// Bounded says which of a clip's two bounds can be reached by an activation,
// |x| < 2^(Bits-2).
func (c *Compare) Bounded() (below, above bool) {
	top := int64(1) << (c.Bits - 2)
	return c.Min > -top, c.Max < top-1
}

// CostClip compares with each bound that can be reached.
func CostClip(n int, c *Compare) Cost {
	below, above := c.Bounded()
	switch {
	case below && above:
		return costAbove(n, c.compared(), c.Tree(), []int64{c.Min, c.Max}, c.Lo).Add(costTerms(n, []int{c.Bits}, append([]int{c.Bits}, toArith(c.Bits)...)))
	case below || above:
		one := *c
		one.ExtendTo = 0
		return CostRelu(n, &one)
	}
	return Cost{}
}

// costSelect runs a network of so many gates a level on copies vectors, with index numbers if indexBits > 0.
func costSelect(levels []int, copies int, c *Compare, indexBits int) Cost {
	var cost Cost
	widths := []int{c.Bits}
	if indexBits > 0 {
		widths = append(widths, indexBits)
	}
	t, m := c.Tree(), c.compared()
	for _, gates := range levels {
		n := copies * gates
		cost = cost.Add(costAbove(n, m, t, []int64{0}, c.Lo)).Add(costTerms(n, widths, widths))
		t = t.Next(m)
	}
	return cost
}

// CostMaxPool runs the window's tournament on every channel.
func CostMaxPool(c *Compare) Cost {
	return costSelect(c.Pool.LevelSizes(), c.Pool.C, c, 0)
}

// CostArgMax finds the top K of each of rows vectors of n; the indices come out
// in Z_2^indexBits.
func CostArgMax(rows, n int, c *Compare, indexBits int) Cost {
	var levels []int
	for _, l := range wire.TopK(n, c.K).Levels {
		levels = append(levels, len(l))
	}
	return costSelect(levels, rows, c, indexBits)
}

// CostPRelu: Relu, and a product with the server's factors of SlopeFrac+2 bits.
func CostPRelu(n int, c *Compare) Cost {
	one := *c
	one.ExtendTo = 0
	return CostRelu(n, &one).Add(costTerms(n, nil, gilbert(c.SlopeFrac+2, c.Bits)))
}

// gilbert is the widths of a product of a width-bit number with one of bits.
func gilbert(width, bits int) []int {
	w := make([]int, width)
	for i := range w {
		w[i] = bits - i
	}
	return w
}

// CostMul is the elementwise product of n pairs, or a matrix product as that
// of all its pairs; the rounding is local.
func CostMul(n, bits int, m *Mul) Cost {
	if m.M > 0 {
		n = m.Batch * m.M * m.K * m.N
	}
	var c Cost
	for ; n > 0; n -= wire.MulSlab {
		c = c.Add(costTerms(min(n, wire.MulSlab), gilbert(bits, bits), gilbert(bits, bits)))
	}
	return c
}

// CostSquare is the product of n numbers with themselves.
func CostSquare(n, bits int) (c Cost) {
	for ; n > 0; n -= wire.MulSlab {
		c = c.Add(costTerms(min(n, wire.MulSlab), nil, gilbert(bits-1, bits-1)))
	}
	return c
}

// CostFunc prices a function by whichever description it has.
func CostFunc(n, inBits, outBits int, f *Func) Cost {
	switch {
	case f.Piecewise != nil:
		return CostPiecewise(n, outBits, &f.Piecewise.Piecewise)
	case f.Spline != nil:
		return costSpline(n, inBits, outBits, f)
	}
	return Cost{}
}

// CostPiecewise: the adder with the widening of x beside it, the products of
// bits, one flight of multiplexers and conversions, and the widening of the result.
func CostPiecewise(n, outBits int, f *wire.Piecewise) Cost {
	c := CostCarries(n, f.Naming())
	if to := f.Operand(); to > f.Bits {
		c = c.Beside(costTerms(n, nil, []int{to - f.Bits}))
	}
	return c.Add(CostNamed(n, outBits, f))
}

// CostNamed is what follows once the bits of the name are there.
func CostNamed(n, outBits int, f *wire.Piecewise) (c Cost) {
	monomials := f.Monomials()
	for level := range monomials.Levels {
		opened, ots := monomials.Opened(level)
		one := costJoins(n, ots, monomials.JoinsKept(level))
		one.Flights = crossing(int64(opened) * plane(n))
		c = c.Add(one.withWork(UnitAND, 0))
	}
	muxes := f.SlopeWidths()
	byClient := slices.Clone(muxes)
	for _, w := range f.OffsetWidths() {
		byClient = append(byClient, toArith(w)...)
	}
	for at, size := 0, f.Slab(); at < n; at += size {
		c = c.Add(costTerms(min(n-at, size), muxes, byClient))
	}
	if f.Inner < outBits {
		c = c.Add(CostExtend(n, &Extend{From: f.Inner, To: outBits}))
	}
	return c
}

// Tree is how a spline's comparisons are made: the client's choices serve all knots.
func (f *Func) Tree() wire.Tree { return wire.Tree{Leaf: LeafOf(f.Leaf), ClientChooses: true} }

// costSpline: the widening of x, a comparison with every knot, and a multiplexer
// (or, between constants, a conversion) for each.
func costSpline(n, inBits, outBits int, f *Func) Cost {
	s := f.Spline
	var c Cost
	if len(s.Knots) == 0 && s.Flat() {
		return c
	}
	if wide := s.Wide(outBits); !s.Flat() && wide > inBits {
		c = CostExtend(n, &Extend{From: inBits, To: wide})
	}
	if len(s.Knots) == 0 {
		return c
	}
	c = c.Add(costAbove(n, inBits-1, f.Tree(), s.Knots, 0))
	var byServer, byClient []int
	for range s.Knots {
		if s.Flat() {
			byClient = append(byClient, toArith(outBits)...)
		} else {
			byServer, byClient = append(byServer, s.Wide(outBits)), append(byClient, s.Wide(outBits))
		}
	}
	for size := wire.StepSlab(len(s.Knots)); n > 0; n -= size {
		c = c.Add(costTerms(min(n, size), byServer, byClient))
	}
	return c
}

// The rows of the protocol table.

func costExtend(p *Plan, b []*Step) Cost   { return CostExtend(p.width(b), b[0].Extend) }
func costTruncate(p *Plan, b []*Step) Cost { return CostTruncate(p.width(b), b[0].Truncate) }
func costRelu(p *Plan, b []*Step) Cost     { return CostRelu(p.width(b), b[0].Compare) }
func costPRelu(p *Plan, b []*Step) Cost    { return CostPRelu(p.width(b), b[0].Compare) }
func costClip(p *Plan, b []*Step) Cost     { return CostClip(p.width(b), b[0].Compare) }
func costMaxPool(_ *Plan, b []*Step) Cost  { return CostMaxPool(b[0].Compare) }

func costArgMax(p *Plan, b []*Step) Cost {
	in, out := p.Slots[b[0].In[0]], p.Slots[b[0].Out[0]]
	rows := out.N() / b[0].Compare.K
	return CostArgMax(rows, in.N()/rows, b[0].Compare, out.Bits)
}

// Squares reports whether a product step multiplies a tensor with itself,
// element by element, which takes half as much.
func (s *Step) Squares() bool { return s.Mul.M == 0 && s.In[0] == s.In[1] }

func costMul(p *Plan, b []*Step) Cost {
	if b[0].Squares() {
		return CostSquare(p.width(b), p.Slots[b[0].In[0]].Bits)
	}
	return CostMul(p.width(b), p.Slots[b[0].In[0]].Bits, b[0].Mul)
}

func costFunc(p *Plan, b []*Step) Cost {
	in, out := p.Slots[b[0].In[0]], p.Slots[b[0].Out[0]]
	return CostFunc(p.width(b), in.Bits, out.Bits, b[0].Func)
}
