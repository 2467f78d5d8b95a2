package wire

import (
	"maps"
	"math/bits"
	"slices"
)

// Monomials is a circuit of products of XOR-shared bits: a description that the
// cost model counts and the parties walk, in this order. Nodes 0 .. Bits-1 are the
// bits; every product fills a node.
type Monomials struct {
	Levels [][]Product // one flight each, both ways
	Nodes  int
	Of     []int // the node of each monomial; -1 for the empty one, which is 1
}

// Product multiplies nodes Y by one node X, into nodes Z: an opened bit for X
// and one for each Y, at most MaxPad, both ways, for an OT each way. With a third factor Top, which
// is -1 for none, it is the product of three in one flight, as in a join of three.
type Product struct {
	X, Top int
	Y, Z   []int
}

// Opened is the number of bits that each party sends for a level, and of OTs
// each way.
func (m *Monomials) Opened(level int) (opened, ots int) {
	for _, g := range m.Levels[level] {
		opened, ots = opened+1+len(g.Y), ots+1
		if g.Top >= 0 {
			opened, ots = opened+2+ChainPads(1)-1, ots+1
		}
	}
	return opened, ots
}

// Corrections is the number of bits of Opened that do not depend on any operand.
func (m *Monomials) Corrections(level int) (bits int) {
	for _, g := range m.Levels[level] {
		if g.Top >= 0 {
			bits += ChainPads(1) - 1
		}
	}
	return bits
}

// NewMonomials lays out products of the bits that each mask names. A range of bits is
// cut in two, every monomial of it is the product of its parts in both, and the cut
// is where that takes the fewest opened bits without one more level. With triples, all
// monomials of three bits take one level, for more bits.
func NewMonomials(n int, masks []uint32, triples bool) *Monomials {
	b := monomialBuilder{Monomials: Monomials{Nodes: n}, start: 2}
	if triples {
		b.start = 3
	}
	wanted := map[uint32]bool{}
	for _, m := range masks {
		if m != 0 {
			wanted[m] = true
		}
	}
	made := map[uint32]int{}
	if len(wanted) > 0 {
		made, _ = b.make(0, n, slices.Sorted(maps.Keys(wanted)))
	}
	for _, m := range masks {
		if m == 0 {
			b.Of = append(b.Of, -1)
		} else {
			b.Of = append(b.Of, made[m])
		}
	}
	return &b.Monomials
}

// monomialBuilder adds to the circuit.
type monomialBuilder struct {
	Monomials
	start int      // bits whose monomials take one level
	parts []uint32 // for costOf
}

// make gives the nodes of some monomials in bits lo..hi-1 and the level after.
func (b *monomialBuilder) make(lo, hi int, masks []uint32) (map[uint32]int, int) {
	if hi-lo == 1 {
		return map[uint32]int{1 << lo: lo}, 0
	}
	if hi-lo == 3 && b.start == 3 && slices.Contains(masks, 7<<lo) {
		return b.three(lo, masks), 1
	}
	cut := b.bestCut(lo, hi, masks)
	low, high, both := halves(cut, masks)
	made, level := map[uint32]int{}, 0
	for _, part := range []struct {
		lo, hi int
		masks  []uint32
	}{{lo, cut, low}, {cut, hi, high}} {
		if len(part.masks) == 0 {
			continue
		}
		some, after := b.make(part.lo, part.hi, part.masks)
		maps.Copy(made, some)
		level = max(level, after)
	}
	if len(both) == 0 {
		return made, level
	}
	b.products(level, cut, both, made)
	return made, level + 1
}

// three is all the monomials of three bits, the whole among them, in one level.
func (b *monomialBuilder) three(lo int, masks []uint32) map[uint32]int {
	made := map[uint32]int{1 << lo: lo, 2 << lo: lo + 1, 4 << lo: lo + 2}
	all := uint32(7) << lo
	high := slices.DeleteFunc(slices.Clone(masks), func(m uint32) bool { return m&(4<<lo) == 0 || m&(m-1) == 0 || m == all })
	b.products(0, lo+2, high, made)
	if slices.Contains(masks, 3<<lo) {
		b.products(0, lo+1, []uint32{3 << lo}, made)
	}
	b.Levels[0] = append(b.Levels[0], Product{X: lo + 1, Top: lo + 2, Y: []int{lo}, Z: []int{b.Nodes}})
	made[all] = b.Nodes
	b.Nodes++
	return made
}

// products multiplies the parts of monomials below and from a bit on.
func (b *monomialBuilder) products(level, cut int, both []uint32, made map[uint32]int) {
	for len(b.Levels) <= level {
		b.Levels = append(b.Levels, nil)
	}
	side := uint32(1)<<cut - 1 // of the operand that products share
	if distinct(both, ^side) < distinct(both, side) {
		side = ^side
	}
	at := map[uint32]int{}
	for _, m := range both {
		i, ok := at[m&side]
		if !ok || len(b.Levels[level][i].Y) == MaxPad {
			i = len(b.Levels[level])
			at[m&side] = i
			b.Levels[level] = append(b.Levels[level], Product{X: made[m&side], Top: -1})
		}
		g := &b.Levels[level][i]
		g.Y, g.Z = append(g.Y, made[m&^side]), append(g.Z, b.Nodes)
		made[m] = b.Nodes
		b.Nodes++
	}
}

// bestCut is where no monomial reaches across or, among the cuts that leave both
// sides as few levels as can be, where the fewest bits are opened. masks are sorted.
func (b *monomialBuilder) bestCut(lo, hi int, masks []uint32) int {
	half := b.mostBits(hi - lo)
	best, least := 0, -1
	for cut := lo + 1; cut < hi; cut++ {
		side := uint32(1)<<cut - 1
		across := slices.ContainsFunc(masks, func(m uint32) bool { return m&side != 0 && m&^side != 0 })
		if !across {
			return cut
		}
		if cut-lo > half || hi-cut > half {
			continue
		}
		if cost := b.costOf(cut, masks); least < 0 || cost < least {
			best, least = cut, cost
		}
	}
	return best
}

// costOf is how many bits a cut opens: for the monomials across it, for the parts of them
// that products share, and one at least for every part that is a product.
func (b *monomialBuilder) costOf(cut int, masks []uint32) int {
	side := uint32(1)<<cut - 1
	low := b.parts[:0]
	both, highBoth, highSeveral := 0, 0, 0
	var last, lastBoth uint32
	for _, m := range masks {
		high := m &^ side
		if m&side != 0 {
			part := m & side << 1
			if high != 0 {
				part |= 1
				both++
				if high != lastBoth {
					highBoth++
				}
				lastBoth = high
			}
			low = append(low, part)
		}
		if high != last && high&(high-1) != 0 {
			highSeveral++
		}
		last = high
	}
	slices.Sort(low)
	b.parts = low
	lowBoth, lowSeveral := 0, 0
	for i, part := range low {
		end := i+1 == len(low) || low[i+1]>>1 != part>>1
		if !end {
			continue // one of those that reach across is the last of its like
		}
		lowBoth += int(part & 1)
		if m := part >> 1; m&(m-1) != 0 {
			lowSeveral++
		}
	}
	return both + min(lowBoth, highBoth) + lowSeveral + highSeveral
}

// mostBits is how many bits a part of n bits may have: one level makes the
// monomials of b.start bits, every further one of twice as many.
func (b *monomialBuilder) mostBits(n int) int {
	if n <= b.start {
		return n - 1
	}
	return b.start << (bits.Len(uint((n-1)/b.start)) - 1)
}

// halves gives the parts of monomials below and from a bit on, sorted, and the
// monomials that have both.
func halves(cut int, masks []uint32) (low, high, both []uint32) {
	side := uint32(1)<<cut - 1
	for _, m := range masks {
		if m&side != 0 {
			low = append(low, m&side)
		}
		if m&^side != 0 {
			high = append(high, m&^side)
		}
		if m&side != 0 && m&^side != 0 {
			both = append(both, m)
		}
	}
	return sortedSet(low), sortedSet(high), both
}

func sortedSet(x []uint32) []uint32 {
	slices.Sort(x)
	return slices.Compact(x)
}

// distinct counts the different parts of monomials on one side.
func distinct(masks []uint32, side uint32) int {
	seen := map[uint32]bool{}
	for _, m := range masks {
		seen[m&side] = true
	}
	return len(seen)
}

// JoinsKept is the number of bits that a party keeps of the OTs of a level where they are
// made before the operands exist.
func (c *Monomials) JoinsKept(level int) (bits int) {
	for _, g := range c.Levels[level] {
		nodes := 2
		if g.Top >= 0 {
			nodes = 3
		}
		bits += JoinKept(nodes, len(g.Y))
	}
	return bits
}
