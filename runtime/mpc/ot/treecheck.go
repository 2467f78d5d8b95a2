package ot

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"math/bits"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// The consistency check of Ferret's trees: a sender whose message does not belong to one tree, or
// that has another Delta in it, would learn places of the noise from whether OTs still fit.
//
// The leaves of a tree make treeGroups groups, leaves with the same highest bits of their number
// one: no node has both children in one group, so no two parts of a sum are tied to each other by
// the tree. What is hashed is each group's sum, every leaf times a factor of its own, so that what is
// wrong with one leaf is not the same as what is wrong with another. The receiver can hash all groups
// but the one with its noisy leaf, where its sum is off; the sender sends the xor of all hashes of a
// tree, from which follows the missing one, and after each iteration a digest of all hashes.

// treeGroups is how many groups a tree has, groupBits how many bits name one.
const (
	groupBits  = 4
	treeGroups = 1 << groupBits
)

// treeCheck collects the trees of a direction.
type treeCheck struct {
	hash   *prg.Hash
	trees  uint64
	all    hash.Hash
	sums   [treeGroups]prg.Block
	words  [treeGroups]uint64
	digest [wire.DigestBytes]byte
}

func newTreeCheck(key prg.Block) *treeCheck {
	return &treeCheck{hash: prg.NewHash(key), all: sha256.New()}
}

// next hashes the groups of the next tree, and returns the xor of the hashes.
func (c *treeCheck) next(leaves []prg.Block) (all uint64) {
	weigh(&c.sums, leaves)
	c.hash.Words(c.words[:], c.sums[:], prg.Block{}, c.trees*treeGroups)
	c.trees++
	for _, w := range c.words {
		all ^= w
	}
	return all
}

// note adds the hashes of the last tree to what the digest is of.
func (c *treeCheck) note() {
	var p [8 * treeGroups]byte
	for g, w := range c.words {
		binary.LittleEndian.PutUint64(p[8*g:], w)
	}
	c.all.Write(p[:])
}

// vouch writes the sender's word for a tree.
func (c *treeCheck) vouch(to []byte, leaves []prg.Block) {
	binary.LittleEndian.PutUint64(to, c.next(leaves))
	c.note()
}

// take puts the hash that the sender's word gives in the place of that of the group whose sum is
// off, the one with the leaf of this number. Neither time nor memory access depends on the number.
func (c *treeCheck) take(said []byte, leaves []prg.Block, number uint64) {
	off := c.next(leaves) ^ binary.LittleEndian.Uint64(said)
	here := int(number >> (bits.Len(uint(len(leaves)/treeGroups)) - 1))
	for g := range c.words {
		c.words[g] ^= off & sameMask(g, here)
	}
	c.note()
}

// sum is the digest of all trees so far.
func (c *treeCheck) sum() []byte { return c.all.Sum(c.digest[:0]) }

// check holds the sender's digest to the receiver's.
func (c *treeCheck) check(said []byte) error {
	if subtle.ConstantTimeCompare(c.sum(), said) != 1 {
		return transport.Violation("the correlated OTs fail their consistency check: the sender's trees are not of one Delta")
	}
	return nil
}
