package wire

import "fmt"

// How correlated OTs are made: parameters, and the sizes that follow from them.

// The extensions.
const (
	SoftSpoken = "softspoken" // K/128 of a block a COT, little work
	Ferret     = "ferret"     // silent: less than a bit a COT, a set-up of some 0.3 MB
)

// MaxOTs bounds the OTs of one direction: nonces are 64-bit and the security
// estimates assume no more.
const MaxOTs = 1 << 44

// CheckOTs says whether n OTs may be made by the extension that a kind, a group
// size and a set name.
func CheckOTs(kind string, k, set int, n int64) error {
	if n < 1 || n > MaxOTs {
		return fmt.Errorf("%d correlated OTs, limits 1 and %d", n, int64(MaxOTs))
	}
	switch {
	case kind == SoftSpoken && set == 0 && (k == 2 || k == 4 || k == 8):
		return nil
	case kind == Ferret && k == 0:
		if _, ok := FerretOf(set); ok {
			return nil
		}
	}
	return fmt.Errorf("no OT extension %.40q with k = %d, set %d", kind, k, set)
}

// Sizes of the set-up of a direction, in bytes.
const (
	BlockBytes = 16  // an OT's correlation
	BaseOTs    = 128 // one for each bit of Delta
	TagBytes   = 32
	PointBytes = 32

	HelloBytes  = TagBytes + SeedBytes + PointBytes // receiver to sender
	PointsBytes = SeedBytes + BaseOTs*PointBytes    // sender to receiver
	SumsBytes   = BaseOTs * 2 * BlockBytes          // receiver to sender: sums of the levels of SoftSpoken's trees
	DigestBytes = 32                                // ends the checks of SoftSpoken
	Witness     = 2                                 // blocks of a leaf's witness: two of 128 bits collide after 2^64 tries
)

// TreesBytes is what SoftSpoken's trees take for groups of k bits, receiver to sender: the sums
// of their levels and, for the check, a sum of the leaves of each tree and a digest of all leaves.
func TreesBytes(k int) int64 { return SumsBytes + BaseOTs/int64(k)*Witness*BlockBytes + DigestBytes }

// A message of SoftSpoken makes a multiple of SoftRowsUnit OTs, SoftRows at most. SoftSpent of
// them hide the others in the check, which takes SoftCheckBytes, and are thrown away.
const (
	SoftRowsUnit   = 512
	SoftRows       = 8192
	SoftSpent      = 128
	SoftCheckBytes = BlockBytes + DigestBytes
)

// SoftMessage is how many OTs the next message of SoftSpoken makes when so many are still wanted.
func SoftMessage(left int64) int64 {
	return min(SoftRows, (left+SoftSpent+SoftRowsUnit-1)/SoftRowsUnit*SoftRowsUnit)
}

// SoftMessageBytes is the size of a message that makes so many OTs in groups of k bits.
func SoftMessageBytes(k int, rows int64) int64 {
	return (BaseOTs/int64(k)-1)*rows/8 + SoftCheckBytes
}

// SoftBytes is what n OTs of SoftSpoken with groups of k bits take, receiver to sender.
func SoftBytes(k int, n int64) int64 {
	const each = SoftRows - SoftSpent
	full := (n - 1) / each // all messages but the last
	return full*SoftMessageBytes(k, SoftRows) + SoftMessageBytes(k, SoftMessage(n-full*each))
}

// BootstrapK is SoftSpoken's group size for the OTs that Ferret begins with.
const BootstrapK = 8

// FerretSet is a parameter set of silent OT: a secret of K = 2^(Depth+7) blocks, Trees trees
// of 2^Depth leaves, one noisy leaf each, and a local linear code of weight LPNWeight
// whose rows share lines of the secret (package ot).
//
// What governs security is K/2^Depth: some 1.44 bits for each unit, less what an
// attacker gains by folding the lines and by working in a subset of the columns that holds
// more rows than columns, which a code of weight 10 has (estimate in package ot's tests,
// docs on the security of OT). The sets that others publish have half this K and do not
// count the latter; they are not offered.
type FerretSet struct{ K, Trees, Depth int }

// LPNWeight is the number of blocks of the secret in a row of Ferret's code.
const LPNWeight = 10

// FerretOf returns the set that a depth names.
func FerretOf(depth int) (FerretSet, bool) {
	switch depth {
	case 13:
		return FerretSet{1 << 20, 1900, 13}, true
	case 12:
		return FerretSet{1 << 19, 1520, 12}, true
	case 11:
		return FerretSet{1 << 18, 1170, 11}, true
	case smallest:
		return FerretSet{1 << 17, 850, smallest}, true
	}
	return FerretSet{}, false
}

// smallest is the depth of the set that makes the first OTs of the others.
const smallest = 10

// FerretChain lists the sets that run one after the other for the set of a depth:
// the smallest makes what the others begin with, at less than SoftSpoken's price.
func FerretChain(depth int) []FerretSet {
	p, _ := FerretOf(depth)
	if depth == smallest {
		return []FerretSet{p}
	}
	small, _ := FerretOf(smallest)
	return []FerretSet{small, p}
}

// Rows is what a whole iteration makes.
func (p FerretSet) Rows() int { return p.Trees << p.Depth }

// rowAlign keeps the rows that are handed out aligned to the kernels.
const rowAlign = 64

// Reserve is what an iteration keeps of its rows for the next one.
func (p FerretSet) Reserve() int {
	return (p.K + p.Trees*p.Depth + rowAlign - 1) / rowAlign * rowAlign
}

// Grown is the number of trees of an iteration that is to hand out want rows,
// and whether it is the last. The last one keeps nothing back and makes no tree
// in vain: a prefix of a regular LPN instance is no easier than all of it.
func (p FerretSet) Grown(want int64) (trees int, last bool) {
	if want > int64(p.Rows()) {
		return p.Trees, false
	}
	return int((want + 1<<p.Depth - 1) >> p.Depth), true
}

// First is how many OTs must be there before the first iteration for total.
func (p FerretSet) First(total int64) int {
	t, _ := p.Grown(total)
	return p.K + t*p.Depth
}

// TreeCheckBytes is what a tree's check takes: the sum of its hashes, and a digest of them.
const TreeCheckBytes = 16

// TreeBytes is the size of a tree's message: a block a level but the first, and its check.
func (p FerretSet) TreeBytes() int { return (p.Depth-1)*BlockBytes + TreeCheckBytes }

// Bytes is what total OTs take, sender to receiver.
func (p FerretSet) Bytes(total int64) int64 {
	full, each := int64(0), int64(p.Rows()-p.Reserve())
	if rows := int64(p.Rows()); total > rows { // all iterations but the last
		full = (total - rows + each - 1) / each
		total -= full * each
	}
	last, _ := p.Grown(total)
	return (full*int64(p.Trees) + int64(last)) * int64(p.TreeBytes())
}
