package plan

// Costs of the protocols of runtime/mpc/nonlinear, to the byte. A vector of bits
// is a plane: n bits packed. Every OT is counted as it is used: bit-sliced
// (UnitAND) or as a number (UnitMux); making it is not counted here.

// plane is the bytes of n bits.
func plane(n int) int64 { return PackedLen(n, 1) }

// crossing is one flight of the same bytes both ways.
func crossing(bytes int64) []Flight { return []Flight{{bytes, bytes}} }

// withWork prices the OTs of c by the unit they are used in.
func (c Cost) withWork(u Unit, elems int) Cost {
	used := float64(c.COTs.ServerSends + c.COTs.ClientSends)
	c.Work.Server[u], c.Work.Client[u] = used, used
	c.Work.Server[UnitElem], c.Work.Client[UnitElem] = float64(elems), float64(elems)
	return c
}

// carryGroups splits m bits, lowest first, as nonlinear.Tree does. A single bit
// at position 1 (or any but the first of a ripple) is no leaf.
func carryGroups(m, leaf int, ripple bool) []int {
	g := []int{min(leaf, m)}
	rest := m - g[0]
	if ripple {
		for range rest {
			g = append(g, 1)
		}
		return g
	}
	if first := rest % leaf; first > 0 {
		g = append(g, first)
		rest -= first
	}
	for ; rest > 0; rest -= leaf {
		g = append(g, leaf)
	}
	return g
}

// costCarry is the carry out of two private m-bit numbers, n times.
func costCarry(n, m, leaf int, ripple bool) Cost {
	c, levels := costLeaves(n, m, leaf, ripple)
	for _, planes := range levels {
		c.Flights = append(c.Flights, crossing(planes*plane(n))...)
	}
	return c.withWork(UnitAND, 0)
}

// costLeaves prices the leaves and says how many planes each party sends in
// each level above them. The OTs of the levels are counted.
func costLeaves(n, m, leaf int, ripple bool) (c Cost, levels []int64) {
	var choices, answers, ots int64
	groups := carryGroups(m, leaf, ripple)
	for i, t := range groups {
		if i > 0 && t == 1 && (i == 1 || ripple) {
			continue
		}
		ots += int64(t)
		choices += int64(t)
		answers += 1<<t - 1
		if i > 0 && t == 2 {
			answers += 2
		} else if i > 0 && t > 2 {
			answers += 1<<t - 1
		}
	}
	if leaf == 1 {
		c.Flights = []Flight{{answers * plane(n), choices * plane(n)}}
	} else {
		c.Flights = []Flight{{ToClient: choices * plane(n)}, {ToServer: answers * plane(n)}}
	}
	levels, nodes := carryLevels(len(groups), ripple)
	c.COTs.ClientSends = int64(n) * (ots + nodes)
	c.COTs.ServerSends = int64(n) * nodes
	return c, levels
}

// carryLevels: a node that includes the lowest group sends 2 planes, any other 3.
func carryLevels(groups int, ripple bool) (planes []int64, nodes int64) {
	for groups > 1 {
		joins := groups / 2
		if ripple {
			joins = 1
		}
		planes = append(planes, int64(3*joins-1))
		nodes += int64(joins)
		groups -= joins
	}
	return planes, nodes
}

// costDReLU is the sign of n elements.
func costDReLU(n int, c *Compare) Cost {
	m := c.Hi - c.Lo - 1
	if m == 0 {
		return Cost{}
	}
	return costCarry(n, m, c.Leaf, c.Ripple)
}

// costTerms is one flight of products of one party's bits with the other's
// numbers: widths by who sends the numbers.
func costTerms(n int, byServer, byClient []int) Cost {
	var c Cost
	var f Flight
	for _, w := range byServer {
		f.ToClient += PackedLen(n, w)
		f.ToServer += plane(n)
	}
	for _, w := range byClient {
		f.ToServer += PackedLen(n, w)
		f.ToClient += plane(n)
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

// CostRelu is DReLU, a multiplexer and, where asked, an extension.
func CostRelu(n int, c *Compare) Cost {
	cost := costDReLU(n, c).Add(costTerms(n, []int{c.Bits}, []int{c.Bits}))
	if c.ExtendTo > c.Bits {
		cost = cost.Add(CostExtend(n, &Extend{From: c.Bits, To: c.ExtendTo}))
	}
	return cost
}

// leafOf is the radix that a field which may be left out means.
func leafOf(leaf int) int {
	if leaf == 0 {
		return 2
	}
	return leaf
}

// CostExtend: both forms of it cost the same; Any is a comparison more.
func CostExtend(n int, e *Extend) Cost {
	if e.Any {
		return costCarry(n, e.From, leafOf(e.Leaf), false).Add(costTerms(n, nil, toArith(e.To-e.From)))
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
		c = costCarry(n, t.Shift, leafOf(t.Leaf), false)
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
		return costDReLU(2*n, c).Add(costTerms(n, []int{c.Bits}, append([]int{c.Bits}, toArith(c.Bits)...)))
	case below || above:
		one := *c
		one.ExtendTo = 0
		return CostRelu(n, &one)
	}
	return Cost{}
}

// costSelect runs a network on copies vectors, with index numbers if indexBits > 0.
func costSelect(net *Network, copies int, c *Compare, indexBits int) Cost {
	var cost Cost
	widths := []int{c.Bits}
	if indexBits > 0 {
		widths = append(widths, indexBits)
	}
	for _, l := range net.Levels {
		n := copies * len(l)
		cost = cost.Add(costDReLU(n, c)).Add(costTerms(n, widths, widths))
	}
	return cost
}

// CostMaxPool runs the window's tournament on every channel.
func CostMaxPool(c *Compare) Cost {
	net := c.Pool.Network()
	return costSelect(&net, c.Pool.C, c, 0)
}

// CostArgMax finds the top K of each of rows vectors of n; the indices come out
// in Z_2^indexBits.
func CostArgMax(rows, n int, c *Compare, indexBits int) Cost {
	net := TopK(n, c.K)
	return costSelect(&net, rows, c, indexBits)
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
	return costTerms(n, gilbert(bits, bits), gilbert(bits, bits))
}

// CostFunc: the widening of x, a comparison with every knot, and a multiplexer
// (or, between constants, a conversion) for each.
func CostFunc(n, inBits, outBits int, f *Func) Cost {
	s := f.Spline
	var c Cost
	if s == nil || len(s.Knots) == 0 && s.Flat() {
		return c
	}
	if wide := s.Wide(outBits); !s.Flat() && wide > inBits {
		c = CostExtend(n, &Extend{From: inBits, To: wide})
	}
	all := n * len(s.Knots)
	if all == 0 {
		return c
	}
	c = c.Add(costDReLU(all, &Compare{Bits: inBits, Hi: inBits, Leaf: leafOf(f.Leaf)}))
	if s.Flat() {
		return c.Add(costTerms(all, nil, toArith(outBits)))
	}
	w := []int{s.Wide(outBits)}
	return c.Add(costTerms(all, w, w))
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

func costMul(p *Plan, b []*Step) Cost {
	return CostMul(p.width(b), p.Slots[b[0].In[0]].Bits, b[0].Mul)
}

func costFunc(p *Plan, b []*Step) Cost {
	in, out := p.Slots[b[0].In[0]], p.Slots[b[0].Out[0]]
	return CostFunc(p.width(b), in.Bits, out.Bits, b[0].Func)
}
