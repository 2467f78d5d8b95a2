package ot

import (
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// The all-but-one seeds of SoftSpoken: a GGM tree of 2^k leaves for each group,
// the children of a node being the first two blocks of its AES-CTR stream. Of
// each level the receiver of the extension offers the xor of the left and of the right
// nodes under the two keys of a base OT; the sender opens the side it does not
// descend. One flight of 128*2*16 bytes. Node i of a level of n has its children at i and n+i.

const puncturedSize = wire.SumsBytes

func children(x prg.Block) (c [2]prg.Block) {
	prg.NewCipher(x).Fill(c[:], 0)
	return c
}

// sendSeeds draws roots from rand, sends the level sums and returns all seeds.
func sendSeeds(conn transport.Conn, k int, roots []prg.Block, keys *[wire.BaseOTs][2]prg.Block) ([]prg.Block, error) {
	seeds := make([]prg.Block, wire.BaseOTs/k<<k)
	msg := make([]byte, puncturedSize)
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
	}
	return seeds, conn.Send(msg)
}

// receiveSeeds returns the seeds in the order of their distance from Delta:
// place y of a group holds seed y ^ Delta_g; place 0 is unknown and zero. keys are
// those chosen by ^delta. Neither time nor memory access depends on delta.
func receiveSeeds(conn transport.Conn, k int, delta prg.Block, keys *[wire.BaseOTs]prg.Block) ([]prg.Block, error) {
	msg := make([]byte, puncturedSize)
	if err := conn.Recv(msg); err != nil {
		return nil, err
	}
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
		sortByDistance(tree, delta, g*k)
	}
	return seeds, nil
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
