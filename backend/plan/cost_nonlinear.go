package plan

import (
	"math/bits"
	"slices"
)

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

// shape is how carries are computed: as nonlinear.Tree, which it must equal.
type shape struct {
	leaf   int
	ripple bool
	client bool // the client chooses in leaves of 2 bits and more
}

func shapeOf(c *Compare) shape { return shape{c.Leaf, c.Ripple, c.ClientChooses && c.Leaf > 1} }

// lowGroups splits m bits that no carry enters, lowest first.
func (t shape) lowGroups(m int) []int {
	g := []int{min(t.leaf, m)}
	return append(g, t.topGroups(m-g[0])...)
}

// topGroups splits m bits that a carry enters later.
func (t shape) topGroups(m int) (g []int) {
	if t.ripple {
		return slices.Repeat([]int{1}, m)
	}
	if first := m % t.leaf; first > 0 {
		g = append(g, first)
		m -= first
	}
	return append(g, slices.Repeat([]int{t.leaf}, m/t.leaf)...)
}

// split says how many of shared low bits get a tree of their own.
func (t shape) split(m, shared int) int {
	shared = min(shared, m-1)
	if t.ripple {
		if shared < t.leaf {
			return 0
		}
		return shared
	}
	full := treeLevels(len(t.lowGroups(m)))
	for j := shared; j > 0; j-- {
		if max(treeLevels(len(t.lowGroups(j))), treeLevels(len(t.topGroups(m-j))))+1 <= full {
			return j
		}
	}
	return 0
}

func treeLevels(groups int) int { return bits.Len(uint(groups - 1)) }

// lone reports whether group i is a single bit that waits for the carry below
// it and so has no leaf.
func (t shape) lone(i int, groups []int, lowest bool) bool {
	if groups[i] != 1 {
		return false
	}
	if lowest {
		return i == 1 || i > 1 && t.ripple
	}
	return t.ripple || len(groups) == 1
}

// grove is one tree of carries: the leaves' planes and OTs, and then, level by
// level, how many planes a party sends and how many OTs each way that takes.
type grove struct {
	choices, answers, ots int64
	planes, nodes         []int64
}

// plant counts the leaves of some groups, for each of some sums.
func (g *grove) plant(t shape, groups []int, lowest bool, sums int) {
	for i, size := range groups {
		if t.lone(i, groups, lowest) {
			continue
		}
		answers, width := leafSizes(size, i > 0 || !lowest)
		g.answers += answers * int64(sums)
		times := int64(sums)
		if most := 64 / width; t.client { // sums share choices while pads have bits for them
			times = int64((sums + most - 1) / most)
		}
		g.ots += int64(size) * times
		g.choices += int64(size) * times
	}
}

// leafSizes is how many planes answer a leaf, with propagation or without, and
// how many pad bits of each of its OTs that uses.
func leafSizes(size int, asked bool) (answers int64, width int) {
	answers, width = 1<<size-1, 1<<(size-1)
	switch {
	case asked && size == 2:
		return answers + 2, width + 1
	case asked && size > 2:
		return 2 * answers, 2 * width
	}
	return answers, width
}

// grow counts the joins of one tree, from a level on. A node that includes the
// lowest group sends 2 planes, any other 3. It returns the level after.
func (g *grove) grow(t shape, groups int, lowest bool, level int) int {
	for ; groups > 1; level++ {
		joins := groups / 2
		if t.ripple {
			joins = 1
		}
		planes := int64(3 * joins)
		if lowest {
			planes--
		}
		g.add(level, planes, int64(joins))
		groups -= joins
	}
	return level
}

func (g *grove) add(level int, planes, nodes int64) {
	for len(g.planes) <= level {
		g.planes, g.nodes = append(g.planes, 0), append(g.nodes, 0)
	}
	g.planes[level] += planes
	g.nodes[level] += nodes
}

// costCarries is the carries of some sums of two private m-bit numbers whose
// low bits are common to all, n times.
func costCarries(n, m, common, sums int, t shape) Cost {
	var g grove
	entry := 0
	if common > 0 {
		low := t.lowGroups(common)
		g.plant(t, low, true, 1)
		entry = g.grow(t, len(low), true, 0)
	}
	tops := t.topGroups(m - common)
	if common == 0 {
		tops = t.lowGroups(m)
	}
	if common > 0 && !t.ripple {
		entry = max(entry, treeLevels(len(tops)))
	}
	g.plant(t, tops, common == 0, sums)
	for range sums {
		switch {
		case common == 0:
			g.grow(t, len(tops), true, 0)
		case t.ripple:
			g.grow(t, len(tops)+1, true, entry)
		default:
			g.grow(t, len(tops), false, 0)
			g.add(entry, 2, 1)
		}
	}
	return g.cost(n, t)
}

func (g *grove) cost(n int, t shape) (c Cost) {
	choices, answers := g.choices*plane(n), g.answers*plane(n)
	switch {
	case t.leaf == 1:
		c.Flights = []Flight{{answers, choices}}
	case t.client:
		c.Flights = []Flight{{ToServer: choices}, {ToClient: answers}}
	default:
		c.Flights = []Flight{{ToClient: choices}, {ToServer: answers}}
	}
	c.COTs.ClientSends = int64(n) * g.ots
	if t.client {
		c.COTs = COTs{ServerSends: int64(n) * g.ots}
	}
	for level, planes := range g.planes {
		c.Flights = append(c.Flights, crossing(planes*plane(n))...)
		c.COTs.ClientSends += int64(n) * g.nodes[level]
		c.COTs.ServerSends += int64(n) * g.nodes[level]
	}
	return c.withWork(UnitAND, 0)
}

// costCarry is the carry out of two private m-bit numbers, n times.
func costCarry(n, m, leaf int, ripple bool) Cost {
	return costCarries(n, m, 0, 1, shape{leaf: leaf, ripple: ripple})
}

// costDReLU is the sign of n elements.
func costDReLU(n int, c *Compare) Cost { return costAbove(n, c, []int64{0}) }

// costAbove compares n elements with each of some public thresholds: the low
// bits in which these agree once.
func costAbove(n int, c *Compare, at []int64) Cost {
	m := c.Hi - c.Lo - 1
	if m == 0 {
		return Cost{}
	}
	t := shapeOf(c)
	return costCarries(n, m, t.split(m, agree(at)-c.Lo), len(at), t)
}

// agree is the number of low bits in which all of several thresholds are equal.
func agree(at []int64) int {
	var diff uint64
	for _, t := range at {
		diff |= uint64(t - at[0])
	}
	if diff == 0 {
		return 0
	}
	return bits.TrailingZeros64(diff)
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
		return costAbove(n, c, []int64{c.Min, c.Max}).Add(costTerms(n, []int{c.Bits}, append([]int{c.Bits}, toArith(c.Bits)...)))
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
	for _, gates := range levels {
		n := copies * gates
		cost = cost.Add(costDReLU(n, c)).Add(costTerms(n, widths, widths))
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
	for _, l := range TopK(n, c.K).Levels {
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

// mulSlab is how many products share a flight.
const mulSlab = 1 << 17

// CostMul is the elementwise product of n pairs, or a matrix product as that
// of all its pairs; the rounding is local.
func CostMul(n, bits int, m *Mul) Cost {
	if m.M > 0 {
		n = m.Batch * m.M * m.K * m.N
	}
	var c Cost
	for ; n > 0; n -= mulSlab {
		c = c.Add(costTerms(min(n, mulSlab), gilbert(bits, bits), gilbert(bits, bits)))
	}
	return c
}

// CostSquare is the product of n numbers with themselves.
func CostSquare(n, bits int) (c Cost) {
	for ; n > 0; n -= mulSlab {
		c = c.Add(costTerms(min(n, mulSlab), nil, gilbert(bits-1, bits-1)))
	}
	return c
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
	if len(s.Knots) == 0 {
		return c
	}
	c = c.Add(costAbove(n, &Compare{Bits: inBits, Hi: inBits, Leaf: leafOf(f.Leaf), ClientChooses: true}, s.Knots))
	var byServer, byClient []int
	for range s.Knots {
		if s.Flat() {
			byClient = append(byClient, toArith(outBits)...)
		} else {
			byServer, byClient = append(byServer, s.Wide(outBits)), append(byClient, s.Wide(outBits))
		}
	}
	for size := stepSlab(len(s.Knots)); n > 0; n -= size {
		c = c.Add(costTerms(min(n, size), byServer, byClient))
	}
	return c
}

// stepSlab is how many elements of a function share a flight of products.
func stepSlab(knots int) int {
	const chunk = 1 << 13
	return max(1<<21/knots/chunk, 1) * chunk
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
