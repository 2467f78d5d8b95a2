package ot

import (
	"crypto/sha256"
	"crypto/subtle"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// The all-but-one seeds of SoftSpoken: a GGM tree of 2^k leaves for each group,
// the children of a node being the first two blocks of its AES-CTR stream. Of
// each level the receiver of the extension offers the xor of the left and of the right
// nodes under the two keys of a base OT; the sender opens the side it does not
// descend. Node i of a level of n has its children at i and n+i.
//
// Sums that do not belong to a tree would give the sender seeds that depend on Delta. For the
// check (Roy, Crypto 2022, section 6) every leaf has a witness, two blocks that are far out in its
// stream. The receiver sends the sum of a tree's witnesses, from which the sender has that of the
// leaf that it does not know, and a digest of them all. One flight of wire.TreesBytes.

// witnessAt is where in a leaf's stream its witness begins; OTs use blocks below 2^38.
const witnessAt = 1 << 62

// witness is a leaf's.
type witness [wire.Witness]prg.Block

func children(x prg.Block) (c [2]prg.Block) {
	prg.NewCipher(x).Fill(c[:], 0)
	return c
}

// witnesses of the leaves of a tree.
func witnesses(leaves []prg.Block) []witness {
	out := make([]witness, len(leaves))
	var c prg.Cipher
	for i, x := range leaves {
		c.Reset(x)
		c.Fill(out[i][:], witnessAt)
	}
	return out
}

// sumOf is the xor of witnesses.
func sumOf(x []witness) (sum witness) {
	for _, w := range x {
		sum = sum.add(w, ^uint64(0))
	}
	return sum
}

// add is w ^ x where the mask is all ones, w where it is zero.
func (w witness) add(x witness, mask uint64) witness {
	for i, b := range x {
		w[i] = w[i].Xor(b.And(mask))
	}
	return w
}

// put writes witnesses in wire form.
func put(to []byte, x ...witness) []byte {
	for _, w := range x {
		for _, b := range w {
			p := b.Bytes()
			to = append(to, p[:]...)
		}
	}
	return to
}

// sendSeeds sends what makes the trees of the roots and returns all seeds and the message.
func sendSeeds(conn transport.Conn, k int, roots []prg.Block, keys *[wire.BaseOTs][2]prg.Block) ([]prg.Block, []byte, error) {
	seeds := make([]prg.Block, wire.BaseOTs/k<<k)
	msg := make([]byte, wire.SumsBytes, wire.TreesBytes(k))
	var all []byte
	for g, root := range roots {
		tree := seeds[g<<k : (g+1)<<k]
		tree[0] = root
		for j := range k {
			n := 1 << j
			var sum [2]prg.Block
			for i := range n {
				c := children(tree[i])
				tree[i], tree[n+i] = c[0], c[1]
				sum[0], sum[1] = sum[0].Xor(c[0]), sum[1].Xor(c[1])
			}
			at := g*k + j
			sum[0].Xor(keys[at][0]).Put(msg[at*2*prg.BlockSize:])
			sum[1].Xor(keys[at][1]).Put(msg[(at*2+1)*prg.BlockSize:])
		}
		known := witnesses(tree)
		msg = put(msg, sumOf(known))
		all = put(all, known...)
	}
	digest := sha256.Sum256(all)
	msg = append(msg, digest[:]...)
	return seeds, msg, conn.Send(msg)
}

// receiveSeeds returns the seeds in the order of their distance from Delta:
// place y of a group holds seed y ^ Delta_g; place 0 is unknown and zero. keys are
// those chosen by ^delta. Neither time nor memory access depends on delta. The message comes back, too.
func receiveSeeds(conn transport.Conn, k int, delta prg.Block, keys *[wire.BaseOTs]prg.Block) ([]prg.Block, []byte, error) {
	msg := make([]byte, wire.TreesBytes(k))
	if err := conn.Recv(msg); err != nil {
		return nil, nil, err
	}
	var all []byte
	seeds := make([]prg.Block, wire.BaseOTs/k<<k)
	for g := range wire.BaseOTs / k {
		tree := seeds[g<<k : (g+1)<<k]
		path := 0
		for j := range k {
			at := g*k + j
			bit := int(delta[at/64] >> (at % 64) & 1)
			pair := msg[at*2*prg.BlockSize:]
			left, right := prg.Load(pair), prg.Load(pair[prg.BlockSize:])
			known := keys[at].Xor(left.And(-uint64(bit))).Xor(right.And(-uint64(1 - bit)))
			openLevel(tree, 1<<j, path, bit, known)
			path += bit << j
		}
		known := witnesses(tree)
		missing := sumOf(known)
		for i := range missing {
			missing[i] = missing[i].Xor(prg.Load(msg[wire.SumsBytes+(g*wire.Witness+i)*prg.BlockSize:]))
		}
		for i := range known { // in the path's place stands that of no seed
			known[i] = known[i].add(missing, sameMask(i, path))
		}
		all = put(all, known...)
		sortByDistance(tree, delta, g*k)
	}
	digest := sha256.Sum256(all)
	if subtle.ConstantTimeCompare(digest[:], msg[len(msg)-len(digest):]) != 1 {
		return nil, nil, transport.Violation("the seeds of correlated OTs fail their consistency check: the sums of levels do not belong to the trees")
	}
	return seeds, msg, nil
}

// openLevel expands tree[:n], of which node path is unknown, given the xor of
// the children on the side other than bit.
func openLevel(tree []prg.Block, n, path, bit int, known prg.Block) {
	for i := range n {
		c := children(tree[i])
		on := ^sameMask(i, path)
		tree[i], tree[n+i] = c[0].And(on), c[1].And(on)
		known = known.Xor(tree[i].And(-uint64(bit))).Xor(tree[n+i].And(-uint64(1 - bit)))
	}
	for i := range n {
		here := known.And(sameMask(i, path))
		tree[i] = tree[i].Xor(here.And(-uint64(bit)))
		tree[n+i] = tree[n+i].Xor(here.And(-uint64(1 - bit)))
	}
}

// sameMask is all ones if a == b, else zero; both are small.
func sameMask(a, b int) uint64 { return -((uint64(a^b) - 1) >> 63) }

// sortByDistance swaps halves so that place y holds what was at y ^ Delta_g.
func sortByDistance(tree []prg.Block, delta prg.Block, first int) {
	for j := 0; 1<<j < len(tree); j++ {
		bit := first + j
		swap := -(delta[bit/64] >> (bit % 64) & 1)
		for i := range tree {
			if i>>j&1 == 0 {
				d := tree[i].Xor(tree[i+1<<j]).And(swap)
				tree[i], tree[i+1<<j] = tree[i].Xor(d), tree[i+1<<j].Xor(d)
			}
		}
	}
}
