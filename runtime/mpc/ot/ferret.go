package ot

import (
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// Silent OT: Ferret (Yang et al., CCS 2020) with regular noise, the correlated
// GGM tree of Half-Tree (Guo et al., Eurocrypt 2023, section 5) for the noise, and a local
// linear code of weight 10, quasi-cyclic of index four. Functionality: rows q (sender), t = q ^ r*Delta (receiver),
// r pseudorandom and known to the receiver only.
//
// An iteration uses up k OTs (x) as the code's secret and depth OTs for each
// tree. A tree makes 2^depth leaves v; the receiver gets w = v but for w = v ^ Delta
// at one place that only it knows. Row i is leaf i plus the sum of ten x chosen by a public seed: ten lines of four
// x for four rows together, each line turned by a number of its own (gather.go).
//
// The choice bits of the OTs are random, and so may the noisy places be: bit j of
// the place is the complement of the choice of the tree's OT j. Hence the receiver
// sends nothing. The sender sends depth-1 blocks a tree (the first level is the OT
// itself) and its word for the check (treecheck.go), all in one flight: an iteration needs
// nothing but OTs of the one before.
type ferret struct {
	wire.FerretSet
	conn     transport.Conn
	receives bool      // this party is the OT receiver
	delta    prg.Block // the sender's

	want int64 // rows still to be handed out
	left int   // trees of this iteration still to be grown
	tree prg.Tree
	keys *prg.Cipher // key of tree number i is block i of its stream
	code *prg.Public // stream of the code's indices

	x, base, next []prg.Block // secret; OTs of the trees; kept for the next iteration
	leaves        []prg.Block
	used          int // leaves used
	grown         uint64
	row           uint64
	index         []prg.Block // scratch: indices of rowsAtOnce rows
	msg           []byte
	check         *treeCheck
}

// rowsAtOnce rows share one call of the index generator, and of gather.
const rowsAtOnce = 1024

// newFerret starts with the OTs that FerretSet.First asks for.
func newFerret(conn transport.Conn, p wire.FerretSet, key prg.Block, total int64, first []prg.Block) *ferret {
	var k [3]prg.Block
	prg.NewCipher(key).Fill(k[:], 0)
	f := &ferret{
		FerretSet: p, conn: conn, want: total,
		keys: prg.NewCipher(k[0]), code: prg.NewPublic(k[1]),
		leaves: make([]prg.Block, 1<<p.Depth), used: 1 << p.Depth,
		index: make([]prg.Block, indexBlocks(rowsAtOnce)),
		msg:   make([]byte, p.TreeBytes()),
		check: newTreeCheck(k[2]),
	}
	f.next = first
	return f
}

func (f *ferret) flush() error { return f.conn.Flush() }

func (f *ferret) fill(dst []prg.Block) error {
	for len(dst) > 0 {
		if f.left == 0 && f.used == len(f.leaves) {
			if err := f.begin(); err != nil {
				return err
			}
		}
		n, err := f.some(dst)
		if err != nil {
			return err
		}
		dst = dst[n:]
		f.want -= int64(n)
	}
	return nil
}

// begin starts an iteration: the OTs that were kept become its input, and
// unless it is the last its first rows are kept for the next.
func (f *ferret) begin() error {
	trees, last := f.Grown(f.want)
	f.left = trees
	spent := f.x[:cap(f.x)]
	f.x, f.base = f.next[:f.K], f.next[f.K:f.K+trees*f.Depth]
	if last {
		return nil
	}
	if cap(spent) < f.Reserve() {
		spent = table(f.Reserve())
	}
	f.next = spent[:f.Reserve()]
	for dst := f.next; len(dst) > 0; {
		n, err := f.some(dst)
		if err != nil {
			return err
		}
		dst = dst[n:]
	}
	return nil
}

// some makes as many rows as one tree still gives.
func (f *ferret) some(dst []prg.Block) (int, error) {
	if f.used == len(f.leaves) {
		if err := f.grow(); err != nil {
			return 0, err
		}
	}
	n := min(len(dst), len(f.leaves)-f.used)
	f.encode(dst[:n], f.leaves[f.used:f.used+n])
	f.used += n
	return n, nil
}

// encode adds the code's part to the leaves. Rows start at a multiple of
// rowAlign; only the very last call may stop elsewhere.
func (f *ferret) encode(dst, leaves []prg.Block) {
	for len(dst) > 0 {
		n := min(len(dst), rowsAtOnce)
		index := f.index[:indexBlocks(n)]
		f.code.Fill(index, f.row/lineSize*wire.LPNWeight/4)
		gather(dst[:n], leaves[:n], f.x, index)
		dst, leaves = dst[n:], leaves[n:]
		f.row += uint64(n)
	}
}

// grow makes the next tree.
func (f *ferret) grow() error {
	var key [1]prg.Block
	f.keys.Fill(key[:], f.grown)
	f.tree.Reset(key[0])
	f.grown++
	f.left--
	ots := f.base[:f.Depth]
	f.base = f.base[f.Depth:]
	f.used = 0
	grow := f.growSender
	if f.receives {
		grow = f.growReceiver
	}
	return grow(ots)
}

// word is the end of a tree's message.
func (f *ferret) word() []byte { return f.msg[len(f.msg)-wire.TreeCheckBytes:] }

// growSender: level 1 is (q, q ^ Delta), so every level sums to Delta; of the
// deeper levels the left sum goes out under the OT of that level.
func (f *ferret) growSender(ots []prg.Block) error {
	v := f.leaves
	v[0], v[1] = ots[0], ots[0].Xor(f.delta)
	for j := 1; j < f.Depth; j++ {
		sum := f.tree.Expand(v, 1<<j, prg.Block{}, 0)
		sum.Xor(ots[j]).Put(f.msg[(j-1)*prg.BlockSize:])
	}
	f.tree.Finish(v, prg.Block{}, 0, 0, 0)
	f.check.vouch(f.word(), v)
	return f.conn.Send(f.msg)
}

// growReceiver keeps, on every level, w = v but for v ^ Delta on the path, so
// that a level sums to zero. Expanding the path's node gives garbage on both
// sides, off by the same value: the difference of the left sum from what the OT opens
// (the left and the right sum are equal, since w sums to zero). That value is
// added to both children before the next level, wherever they are.
func (f *ferret) growReceiver(ots []prg.Block) error {
	if err := f.conn.Recv(f.msg); err != nil {
		return err
	}
	w := f.leaves
	w[0], w[1] = ots[0], ots[0]
	path := 1 - ots[0][0]&1
	var fix prg.Block
	at := uint64(0) // path on the level before
	for j := 1; j < f.Depth; j++ {
		sum := f.tree.Expand(w, 1<<j, fix, at)
		fix = sum.Xor(ots[j]).Xor(prg.Load(f.msg[(j-1)*prg.BlockSize:]))
		at = path
		path += (1 - ots[j][0]&1) << j
	}
	f.tree.Finish(w, fix, at, path, 1)
	return f.check.check(f.word(), w, path)
}
