package wire

import (
	"fmt"
	"math/bits"
	"slices"
)

// Tree says how a carry is computed: leaves of at most Leaf bits (1 to MaxLeaf) and
// then a tree of log depth, whose nodes join Arity neighbours in a flight (2, or 3 for
// fewer flights and more bits), or one bit after the other (fewest bits, most rounds).
//
// In leaves of 2 bits and more one party chooses and the other answers: the
// server, whose choices can leave together with a linear operator's response,
// or the client, whose bits are the same for all thresholds of a batch, so that its
// choices and their OTs serve all of them.
type Tree struct {
	Leaf          int
	Ripple        bool `cbor:",omitempty"`
	Arity         int  `cbor:",omitempty"` // 2 or 3; 0 means 2
	ClientChooses bool `cbor:",omitempty"`
	Cross         bool `cbor:",omitempty"` // leaves are products of either party's bits, in one flight: see Cross

	// Prepared: the OTs are made before the operands exist, and corrections of their pads are
	// sent then. Known: the client's operand is known then as well, and the leaves are tables
	// that are made of it. Both follow from how a plan is run and are in no file.
	Prepared, Known bool `cbor:"-"`

	// Labelled: besides, the client's share of what the bit selects is drawn in the preparation, and the server gets
	// the other share with the client's answer (nonlinear.labelled).
	Labelled bool `cbor:"-"`
}

// Tabled reports whether leaves are tables that are made in the preparation: then they are one
// flight, in which the server says which entry it means, and multiplexers are masked.
func (t Tree) Tabled() bool { return t.Prepared && t.Known }

// Limits of a Tree.
const (
	MaxLeaf  = 5
	MaxArity = 3
)

// arity is the number of neighbours that a node joins.
func (t Tree) arity() int {
	if t.Ripple {
		return 2
	}
	return max(t.Arity, 2)
}

// Check holds a tree to what the parties rely on.
func (t Tree) Check() error {
	switch {
	case t.Leaf < 1 || t.Leaf > MaxLeaf:
		return fmt.Errorf("leaves of %d bits", t.Leaf)
	case t.Arity < 0 || t.Arity == 1 || t.Arity > MaxArity || t.Arity > 2 && t.Ripple:
		return fmt.Errorf("joins of %d (ripple %v)", t.Arity, t.Ripple)
	case t.Cross && (t.Ripple || t.Leaf == 1):
		return fmt.Errorf("leaves of %d bits that cross (ripple %v)", t.Leaf, t.Ripple)
	}
	return nil
}

// Crossing reports whether leaves are products of either party's bits, in one flight
// that crosses; else one party chooses and the other answers, in two.
func (t Tree) Crossing() bool { return t.Leaf == 1 || t.Cross }

// ChoosesAtClient reports whether the client is the one that chooses in leaves.
func (t Tree) ChoosesAtClient() bool { return t.ClientChooses && !t.Crossing() && !t.Tabled() }

// lowGroups splits m bits, lowest first, that no carry enters: the lowest group is
// the largest, since nobody asks whether it propagates.
func (t Tree) lowGroups(m int) []int {
	g := []int{min(t.Leaf, m)}
	return append(g, t.topGroups(m-g[0])...)
}

// topGroups splits m bits that a carry enters later, as evenly as can be: a bit
// more doubles what a leaf sends.
func (t Tree) topGroups(m int) []int {
	if t.Ripple {
		return slices.Repeat([]int{1}, m)
	}
	g := make([]int, (m+t.Leaf-1)/t.Leaf)
	for i := range g {
		g[i] = (m + i) / len(g)
	}
	return g
}

// Split says how many of the low bits that several m-bit sums share are worth a
// tree of their own: as many as leave the number of rounds what it is.
func (t Tree) Split(m, shared int) int {
	shared = min(shared, m-1)
	if t.Ripple {
		if shared < t.Leaf {
			return 0
		}
		return shared
	}
	full := t.levels(len(t.lowGroups(m)))
	for j := shared; j > 0; j-- {
		if max(t.levels(len(t.lowGroups(j))), t.levels(len(t.topGroups(m-j))))+1 <= full {
			return j
		}
	}
	return 0
}

// levels is the depth of a tree over some groups.
func (t Tree) levels(groups int) (n int) {
	for ; groups > 1; n++ {
		groups = (groups + t.arity() - 1) / t.arity()
	}
	return n
}

// Next is the tree of the comparisons that follow those of m bits by t and a
// multiplexer. With an odd number of levels the party that chose ends last, and
// the other, which can begin at once, chooses next: a flight less.
func (t Tree) Next(m int) Tree {
	if !t.Ripple && m > 0 && t.levels(len(t.lowGroups(m)))%2 == 1 {
		t.ClientChooses = !t.ClientChooses
	}
	return t
}

// lone reports whether group i is a single bit that waits for the carry below
// it and so has no leaf. A single bit at position 1 is added to the carry of
// group 0 by one AND (majority).
func (t Tree) lone(i int, groups []int, lowest bool) bool {
	switch {
	case groups[i] != 1:
		return false
	case lowest:
		return i == 1 && (t.arity() == 2 || len(groups) == 2) || i > 1 && t.Ripple
	}
	return t.Ripple || len(groups) == 1
}

// MaxPad is the most pad bits that one OT gives.
const MaxPad = 64

// Leaf is a group of adjacent bits of the party that chooses and the sums that
// take part: of each the carry that the group generates and, where Asked, whether
// it would propagate one become XOR-shared bits.
type Leaf struct {
	First, Size int       // bits First .. First+Size-1 of the sums' numbers
	Asked       bool      // propagation is wanted, of all sums or of none
	Sums        []LeafSum // several under one choice, if the client chooses
}

// LeafSum names a sum and the node that its part of a leaf fills; where leaves cross, also the
// nodes of the lowest bits alone: of one, of two and so on.
type LeafSum struct {
	Sum, Node int
	Inner     []int
}

// Pair tells whether propagation is computed as the product of two sums, which
// takes 2 bits instead of a table's 3.
func (l *Leaf) Pair() bool { return l.Asked && l.Size == 2 }

// Functions is the number of table look-ups a sum: generate, and propagate unless
// it comes from a pair's sums or is a local sum (a single bit).
func (l *Leaf) Functions() int {
	if l.Asked && l.Size > 2 {
		return 2
	}
	return 1
}

// Width is the number of pad bits of one of the leaf's OTs that a sum uses.
func (l *Leaf) Width() int {
	w := l.Functions() << (l.Size - 1)
	if l.Pair() {
		w++
	}
	return w
}

// Selected is the number of pads of a sum that the chooser keeps of a leaf's OTs: one a
// look-up, and the sum of a pair's two.
func (l *Leaf) Selected() int {
	if l.Pair() {
		return 2
	}
	return l.Functions()
}

// Laid is the number of pads of a sum that the answerer keeps: all table entries, and a pair's
// two differences and the pad of its product.
func (l *Leaf) Laid() int {
	if l.Pair() {
		return l.Functions()<<l.Size + 3
	}
	return l.Functions() << l.Size
}

// Tables is the number of functions that have a table where those are made ahead.
func (l *Leaf) Tables() int {
	if l.Asked && l.Size > 1 {
		return 2
	}
	return 1
}

// Entries is the number of entries of the leaf's tables.
func (l *Leaf) Entries() int { return l.Tables() << l.Size }

// Exchanged is the number of bits that the client sends ahead for the tables: half the entries for
// each bit of their place.
func (l *Leaf) Exchanged() int { return l.Size * l.Entries() / 2 }

// Answers is the number of bits that answer the leaf, all sums together: all
// entries but one of each table, and a pair's two products.
func (l *Leaf) Answers() int {
	one := l.Functions() * (1<<l.Size - 1)
	if l.Pair() {
		one += 2
	}
	return one * len(l.Sums)
}

// Join makes one node of neighbours, lowest first: (g, p) o (g', p') = (g ^ p g', p p').
// The higher of two may be a lone bit, which is added to the carry of the lower.
type Join struct {
	In  []int // 2 or 3 nodes
	Out int
}

// Node is a run of bits of one sum: a pair (generate, propagate), or a single bit
// that waits for the carry below it.
type Node struct {
	Sum, Bit   int  // of a lone node: whose bit, and which
	Lone       bool // the node is that bit
	Propagates bool // the second of the pair is wanted
}

// Carries is the circuit of the carries out of several sums of two private m-bit
// numbers whose low bits are common to all: a description that the cost model
// counts and the parties walk, in this order.
type Carries struct {
	Tree   Tree
	Leaves []Leaf   // all in one exchange
	Levels [][]Join // one flight each, both ways
	Nodes  []Node
	Out    []int // the node of each sum's carry
}

// NewCarries lays out sums of m bits; common of the lowest belong to all of them
// and are taken from the first.
func NewCarries(m, common, sums int, t Tree) *Carries {
	b := carryBuilder{Carries{Tree: t}}
	low, entry := -1, 0
	if common > 0 {
		low, entry = b.tree(b.plant(0, 0, t.lowGroups(common), true), 0)
	}
	tops := t.topGroups(m - common)
	if common == 0 {
		tops = t.lowGroups(m)
	}
	if common > 0 && !t.Ripple {
		entry = max(entry, t.levels(len(tops)))
	}
	from := len(b.Leaves)
	for sum := range sums {
		nodes := b.plant(sum, common, tops, common == 0)
		b.Out = append(b.Out, b.sum(low, entry, nodes))
	}
	if t.ChoosesAtClient() {
		b.together(from, sums)
	}
	return &b.Carries
}

// carryBuilder adds to the circuit.
type carryBuilder struct{ Carries }

// plant makes the nodes of one run of bits of a sum, starting at bit first, and
// the leaves they need. lowest says that no carry enters it.
func (b *carryBuilder) plant(sum, first int, groups []int, lowest bool) (nodes []int) {
	for i, size := range groups {
		id := len(b.Nodes)
		nodes = append(nodes, id)
		if b.Tree.lone(i, groups, lowest) {
			b.Nodes = append(b.Nodes, Node{Sum: sum, Bit: first, Lone: true})
		} else {
			asked := i > 0 || !lowest
			b.Nodes = append(b.Nodes, Node{Propagates: asked})
			b.Leaves = append(b.Leaves, Leaf{First: first, Size: size, Asked: asked, Sums: []LeafSum{{Sum: sum, Node: id}}})
		}
		first += size
	}
	return nodes
}

// sum joins the nodes of one sum, and the common low bits below them if any.
func (b *carryBuilder) sum(low, entry int, nodes []int) int {
	switch {
	case low < 0:
		root, _ := b.tree(nodes, 0)
		return root
	case b.Tree.Ripple: // waits for the shared carry
		root, _ := b.tree(append([]int{low}, nodes...), entry)
		return root
	}
	root, _ := b.tree(nodes, 0)
	return b.join(entry, []int{low, root})
}

// tree joins neighbours, level by level, from a level on; an odd node at the top
// goes up as it is. It returns the last node and the level after.
func (b *carryBuilder) tree(nodes []int, level int) (root, after int) {
	for ; len(nodes) > 1; level++ {
		var up []int
		for len(nodes) > 0 {
			some := nodes[:min(b.Tree.arity(), len(nodes))]
			nodes = nodes[len(some):]
			if len(some) == 1 {
				up = append(up, some[0])
			} else {
				up = append(up, b.join(level, some))
			}
			if b.Tree.Ripple {
				break
			}
		}
		nodes = append(up, nodes...)
	}
	return nodes[0], level
}

func (b *carryBuilder) join(level int, in []int) int {
	for len(b.Levels) <= level {
		b.Levels = append(b.Levels, nil)
	}
	id := len(b.Nodes)
	b.Nodes = append(b.Nodes, Node{Propagates: b.Nodes[in[0]].Propagates})
	b.Levels[level] = append(b.Levels[level], Join{slices.Clone(in), id})
	return id
}

// together joins the leaves that hold the same bits of the chooser's: those at
// the same place of several sums, as many as the pads of one OT have bits for.
func (b *carryBuilder) together(from, sums int) {
	all := b.Leaves[from:]
	each := len(all) / sums
	joined := slices.Clone(b.Leaves[:from])
	for g := range each {
		most := MaxPad / all[g].Width()
		for lo := 0; lo < sums; lo += most {
			l := all[lo*each+g]
			for sum := lo + 1; sum < min(lo+most, sums); sum++ {
				l.Sums = append(l.Sums, all[sum*each+g].Sums...)
			}
			joined = append(joined, l)
		}
	}
	b.Leaves = joined
}

// Choices is the number of the chooser's bits in all leaves, one OT each.
func (c *Carries) Choices() (n int) {
	for i := range c.Leaves {
		if l := &c.Leaves[i]; c.Tree.Crossing() {
			n += len(l.Crosses())
		} else {
			n += l.Size
		}
	}
	return n
}

// Answers is the number of bits that answer all leaves.
func (c *Carries) Answers() (n int) {
	for i := range c.Leaves {
		if l := &c.Leaves[i]; c.Tree.Crossing() {
			for _, x := range l.Crosses() {
				n += len(x.Of)
			}
		} else {
			n += l.Answers()
		}
	}
	return n
}

// Opened is the number of bits that each party sends for the joins of a level,
// and the number of OTs each way they take.
//
// Two nodes: the masked operand that both products share, and one a product. Three: the four
// or five masked operands, and the corrections of all but one of the upper OT's
// pads (nonlinear.chain).
func (c *Carries) Opened(level int) (bits, ots int) {
	for _, j := range c.Levels[level] {
		bottom := 1 // values that are multiplied by all factors above them
		if c.Nodes[j.Out].Propagates {
			bottom++
		}
		ots += len(j.In) - 1
		bits += 1 + bottom
		if len(j.In) == 3 {
			bits += 2 + ChainPads(bottom) - 1
		}
	}
	return bits, ots
}

// Factors is the number of products of a bit of the client's and one of the server's whose sum the carry
// is, but for what either party knows alone: of one sum whose two or three nodes are joined at once,
// all of them shared. 0: the circuit is another.
func (c *Carries) Factors() int {
	if len(c.Levels) != 1 || len(c.Levels[0]) != 1 || slices.ContainsFunc(c.Nodes, func(n Node) bool { return n.Lone }) {
		return 0
	}
	if len(c.Levels[0][0].In) == 2 {
		return 2
	}
	return 6
}

// Exchanged is the number of bits that the client sends ahead for all leaves' tables.
func (c *Carries) Exchanged() (n int) {
	for i := range c.Leaves {
		n += c.Leaves[i].Exchanged()
	}
	return n
}

// Kept is the number of bits of the leaves' OTs that the chooser and the answerer keep where
// they are made before the operands exist. Where leaves cross it is a mask and a pad each; of
// tables, for which the server chooses, it is shares of all entries, and the choices.
func (c *Carries) Kept() (chooser, answerer int) {
	for i := range c.Leaves {
		l := &c.Leaves[i]
		if c.Tree.Tabled() {
			chooser, answerer = chooser+l.Size+l.Entries(), answerer+l.Entries()
			continue
		}
		if c.Tree.Crossing() {
			for _, x := range l.Crosses() {
				chooser, answerer = chooser+1+len(x.Of), answerer+2*len(x.Of)
			}
			continue
		}
		chooser += l.Size + l.Selected()*len(l.Sums)
		answerer += l.Laid() * len(l.Sums)
	}
	return chooser, answerer
}

// Corrections is the number of bits of Opened that do not depend on any operand.
func (c *Carries) Corrections(level int) (bits int) {
	for _, j := range c.Levels[level] {
		if len(j.In) == 3 {
			bottom := 1
			if c.Nodes[j.Out].Propagates {
				bottom++
			}
			bits += ChainPads(bottom) - 1
		}
	}
	return bits
}

// JoinsKept is the same of the joins of a level, at either party.
func (c *Carries) JoinsKept(level int) (bits int) {
	for _, j := range c.Levels[level] {
		bottom := 1
		if c.Nodes[j.Out].Propagates {
			bottom++
		}
		bits += JoinKept(len(j.In), bottom)
	}
	return bits
}

// JoinKept is what a party keeps for a join of two or three whose factors multiply so many
// values at the bottom: the mask of the factor, of each value, and their products; of the
// third node two masks, the products of the upper one and all corrections but one.
func JoinKept(nodes, bottom int) int {
	kept := 1 + 2*bottom
	if nodes == 3 {
		kept += 2 + 2*ChainPads(bottom) - 1
	}
	return kept
}

// ChainPads is the number of pad bits of the upper OT of a join of three: the
// operand that the upper factor alone multiplies, the lower factor, and for each value
// at the bottom itself and its product with the lower factor.
func ChainPads(bottom int) int { return 2 + 2*bottom }

// Agree is the number of low bits in which all thresholds are equal; 0 for one
// threshold, which has nobody to share with.
func Agree(at []int64) int {
	var diff uint64
	for _, t := range at[1:] {
		diff |= uint64(t - at[0])
	}
	if diff == 0 {
		return 0
	}
	return bits.TrailingZeros64(diff)
}
