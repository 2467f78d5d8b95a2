package ot

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
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
// but the one with its noisy leaf, where its sum is off; the sender sends the xor of all hashes,
// from which follows the missing one, and a digest of them. No row of a tree is used before its
// digest has been found right: what is done with wrong ones, an answer that comes out
// wrong say, would tell the sender where they are.

// treeGroups is how many groups a tree has, groupBits how many bits name one.
const (
	groupBits  = 4
	treeGroups = 1 << groupBits
)

// treeCheck is what the trees of a direction are checked with, one after the other.
type treeCheck struct {
	hash  *prg.Hash
	trees uint64
	sums  [treeGroups]prg.Block
	words [treeGroups]uint64
}

func newTreeCheck(key prg.Block) *treeCheck { return &treeCheck{hash: prg.NewHash(key)} }

// next hashes the groups of the next tree, and returns the xor of the hashes.
func (c *treeCheck) next(leaves []prg.Block) (all uint64) {
	weigh(&c.sums, leaves)
	c.hash.Words(64, c.words[:], c.sums[:], prg.Block{}, c.trees*treeGroups)
	c.trees++
	for _, w := range c.words {
		all ^= w
	}
	return all
}

// digest is what ends the sender's word: of all hashes of the tree.
func (c *treeCheck) digest() []byte {
	var p [8 * treeGroups]byte
	for g, w := range c.words {
		binary.LittleEndian.PutUint64(p[8*g:], w)
	}
	sum := sha256.Sum256(p[:])
	return sum[:wire.TreeCheckBytes-8]
}

// vouch writes the sender's word for a tree.
func (c *treeCheck) vouch(to []byte, leaves []prg.Block) {
	binary.LittleEndian.PutUint64(to, c.next(leaves))
	copy(to[8:], c.digest())
}

// check holds the receiver's leaves to the sender's word. In the place of the hash of the group whose
// sum is off, the one with the leaf of this number, stands what the word gives for it. Neither time
// nor memory access depends on the number.
func (c *treeCheck) check(said []byte, leaves []prg.Block, number uint64) error {
	off := c.next(leaves) ^ binary.LittleEndian.Uint64(said)
	here := int(number >> (bits.Len(uint(len(leaves)/treeGroups)) - 1))
	for g := range c.words {
		c.words[g] ^= off & sameMask(g, here)
	}
	if subtle.ConstantTimeCompare(c.digest(), said[8:]) != 1 {
		return transport.Violation("the correlated OTs fail their consistency check: the sender's trees are not of one Delta")
	}
	return nil
}
