package ot

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	rand2 "math/rand/v2"
	"slices"
	"testing"

	"github.com/zeebo/blake3"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/internal/kernel/kerneltest"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// rewritten is a connection on which something else is sent.
type rewritten struct {
	transport.Conn
	change func(p []byte) []byte
}

func (c rewritten) Send(p []byte) error { return c.Conn.Send(c.change(p)) }

// flip turns the lowest bit but one of byte at of all that is sent.
func flip(conn transport.Conn, at int) transport.Conn {
	return rewritten{conn, func(p []byte) []byte {
		p = bytes.Clone(p)
		if at >= 0 && at < len(p) {
			p[at] ^= 2
		}
		at -= len(p)
		return p
	}}
}

// noticed says whether an error is that of a deviating peer.
func noticed(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, transport.ErrViolation) {
		t.Fatal(err)
	}
	return err != nil
}

// TestEveryFlippedBitIsNoticed: there is no byte of a direction that a party could change without
// the other's knowing, whatever the connection below makes of it.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	const total = 9000 // two messages of SoftSpoken, nine trees
	trees := helloSize + int(wire.TreesBytes(8))
	second := trees + int(wire.SoftMessageBytes(8, wire.SoftRows))
	sums := func(bit int) int { return helloSize + 2*bit*prg.BlockSize }
	soft := []int{
		40, 80, // hello
		sums(1), sums(1) + 16, sums(12) + 16, sums(50), sums(100) + 16, sums(126), // of levels, whether opened or not
		sums(128) + 20, trees - 1, trees + 77, second - 40, second - 1, second + 999,
	}
	tree := wire.FerretSet{Depth: 10}.TreeBytes()
	silent := []int{pointsSize + 3, pointsSize + tree - 9, pointsSize + tree - 1, pointsSize + 8*tree + 100, pointsSize + 9*tree - 17, pointsSize + 9*tree - 1}
	for _, c := range []struct {
		cfg        Config
		byReceiver bool
		at         []int
	}{
		{Config{Kind: wire.SoftSpoken, K: 8}, true, soft},
		{Config{Kind: wire.SoftSpoken, K: 8}, false, []int{5, 100, 4000}},
		{Config{Kind: wire.Ferret, Set: 10}, true, soft[10:]},
		{Config{Kind: wire.Ferret, Set: 10}, false, silent},
	} {
		for _, at := range c.at {
			a, b := mpctest.Pipe()
			var forSender, forReceiver transport.Conn = a, b
			if c.byReceiver {
				forReceiver = flip(b, at)
			} else {
				forSender = flip(a, at)
			}
			if !noticed(t, direction(t, c.cfg, total, forSender, forReceiver)) {
				t.Errorf("%s: byte %d (sent by the receiver: %v) can be changed", c.cfg.name(), at, c.byReceiver)
			}
			a.Close()
			b.Close()
		}
	}
}

// direction runs both parties to the end and returns the first error.
func direction(t *testing.T, cfg Config, total int, forSender, forReceiver transport.Conn) error {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 2)
	go func() {
		s, err := NewSender(ctx, forSender, cfg, int64(total), rand.Reader)
		if err == nil {
			_, err = s.Take(ctx, total)
		}
		done <- err
	}()
	go func() {
		r, err := NewReceiver(ctx, forReceiver, cfg, int64(total), rand.Reader)
		if err == nil {
			_, err = r.Take(ctx, total)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return err
	}
	return <-done
}

// TestSumsOfLevels: a receiver that offers a wrong sum for one side of a level goes unnoticed only
// if the sender does not open that side, which is to guess a bit of Delta, and then nothing is wrong.
func TestSumsOfLevels(t *testing.T) {
	for _, k := range []int{2, 4, 8} {
		delta := randomVector(k)[0]
		both, known := treeKeys(delta)
		for _, bit := range []int{1, 2, 63, 64, 100, 127} {
			for side := range 2 {
				a, b := mpctest.Pipe()
				seeds, _, err := sendSeeds(flip(a, (2*bit+side)*prg.BlockSize), k, randomVector(wire.BaseOTs/k), &both)
				if err := errors.Join(err, a.Flush()); err != nil {
					t.Fatal(err)
				}
				got, _, err := receiveSeeds(b, k, delta, &known)
				opens := 1 - int(delta[bit/64]>>(bit%64)&1)
				if noticed(t, err) != (side == opens) {
					t.Errorf("k = %d, bit %d: the wrong sum is of side %d, the sender opens side %d: %v", k, bit, side, opens, err)
				}
				if g := bit / k; err == nil && got[g<<k+1] != seeds[g<<k+int(delta[g*k/64]>>(g*k%64))&(1<<k-1)^1] {
					t.Errorf("k = %d, bit %d: a seed is wrong and nobody noticed", k, bit)
				}
			}
		}
	}
}

// deviating is a SoftSpoken receiver that uses another choice in one OT of some groups, and otherwise
// computes what it says as well as it can.
type deviating struct {
	softReceiver
	groups []int // from 1; 0 stands for the choices themselves
}

func (d *deviating) batch(rows int) error {
	conn := d.conn
	defer func() { d.conn = conn }()
	d.conn = rewritten{conn, func([]byte) []byte {
		whole, msg, said := d.message(rows)
		for _, g := range d.groups {
			if g == 0 {
				d.cols[0][0] ^= 4
			} else {
				msg[(g-1)*rows/8] ^= 4
			}
		}
		d.hash(msg, rows).respond(said, d.cols[:rows])
		return whole
	}}
	return d.softReceiver.batch(rows)
}

// TestChoicesThatDiffer: a receiver whose choices differ in some groups goes unnoticed only if
// Delta is zero in all of them, and then nothing is wrong.
func TestChoicesThatDiffer(t *testing.T) {
	all := func(k int) (groups []int) {
		for g := range wire.BaseOTs / k {
			groups = append(groups, g)
		}
		return groups
	}
	for _, k := range []int{2, 4, 8} {
		dense := prg.Block{^uint64(0), ^uint64(0)}
		without := func(g int) prg.Block { // Delta that is zero in a group
			d := dense
			d[g*k/64] &^= (1<<k - 1) << (g * k % 64)
			return d
		}
		sparse := prg.Block{1, 0}
		for i, c := range []struct {
			delta  prg.Block
			groups []int
			seen   bool
		}{
			{dense, nil, false},
			{dense, []int{1}, true},
			{without(1), []int{1}, false},
			{without(1), []int{1, 2}, true},
			{without(wire.BaseOTs/k - 1), []int{wire.BaseOTs/k - 1}, false},
			{dense, []int{0}, true}, // one choice, in what it says only
			{dense, all(k), true},   // one choice, everywhere but in the first group's own sum
			{sparse, all(k), false}, // which matters to bits 1 to k-1 of Delta only
		} {
			delta := c.delta
			both, known := treeKeys(delta)
			a, b := mpctest.Pipe()
			mine, _, err := sendSeeds(a, k, randomVector(wire.BaseOTs/k), &both)
			if err := errors.Join(err, a.Flush()); err != nil {
				t.Fatal(err)
			}
			theirs, _, err := receiveSeeds(b, k, delta, &known)
			if err != nil {
				t.Fatal(err)
			}
			const total = 700
			r := &deviating{softReceiver{newSoft(a, k, mine, [32]byte{9}, total)}, c.groups}
			s := &softSender{soft: newSoft(b, k, theirs, [32]byte{9}, total), delta: delta}
			q, ts := make([]prg.Block, total), make([]prg.Block, total)
			if err := errors.Join(r.soft.fill(ts, r.batch), r.flush()); err != nil {
				t.Fatal(err)
			}
			if err := s.fill(q); noticed(t, err) != c.seen {
				t.Errorf("k = %d, case %d: %v", k, i, err)
			} else if !c.seen {
				checkCorrelation(t, q, ts, delta)
			}
		}
	}
}

// TestSpentOTsAreNotHandedOut: of a message the OTs that hide the others in the check stay unused,
// whether they are handed out at once or in pieces.
func TestSpentOTsAreNotHandedOut(t *testing.T) {
	const total, each, blocks = 30_000, wire.SoftRows - wire.SoftSpent, wire.SoftRows / 128
	for _, pieces := range [][]int{{each, 1}, {wire.SoftRows}, {5, each}, {2*each + 1}} {
		s := &softReceiver{newSoft(sink{}, 8, randomVector(wire.BaseOTs/8<<8), [32]byte{}, total)}
		wanted := 0
		for _, n := range pieces {
			wanted += n
			if err := s.fill(make([]prg.Block, n)); err != nil {
				t.Fatal(err)
			}
		}
		if messages := uint64((wanted + each - 1) / each); s.next != messages*blocks {
			t.Errorf("%d OTs in pieces of %d are of %d blocks, want %d messages of %d", wanted, pieces, s.next, messages, blocks)
		}
	}
}

// TestTreesThatDeviate: of all places that the noise of a tree can have, a sender that deviates
// must name those for which it wants to pass. With another Delta, or a wrong sum, it is one at most.
func TestTreesThatDeviate(t *testing.T) {
	small := newTrees(wire.FerretSet{K: 64, Trees: 2, Depth: 6})
	last := 1<<small.set.Depth - 1
	all := make([]int, last+1)
	for i := range all {
		all[i] = i
	}
	small.expect(t, "an honest sender", small.honest(t, small.delta), all, all)
	// On the last path no OT opens Delta.
	small.expect(t, "another Delta in a tree", small.honest(t, small.delta.Xor(prg.Block{0, 1 << 40})), all, []int{last})
	for at := range small.set.TreeBytes() {
		if at%5 == 0 || at >= small.set.TreeBytes()-wire.TreeCheckBytes {
			said := small.honest(t, small.delta)
			said[1][at] ^= 2
			small.expect(t, fmt.Sprintf("byte %d of its message changed", at), said, all, nil)
		}
	}
	// Each of two places whose siblings lie in the other's group is blind to what is wrong for the other.
	small.expect(t, "a wrong last sum, vouched for at two places", small.paired(t, 13, 13^32^1), all, []int{13, 13 ^ 32 ^ 1})
	for _, guess := range []int{0, 13, 36, last} {
		small.expect(t, "a wrong last sum that only one leaf tells of", small.vouched(t, small.set.Depth-2, guess, true), all, []int{guess})
	}
}

// TestDeepTreesThatDeviate is the same for the trees that are in use. A sender that makes another
// tree below a node passes for the places that are below it, for which it is a tree like any other. If
// it changes the sum of a level only, the sums after it fit no tree but that of a place and of its
// neighbour.
func TestDeepTreesThatDeviate(t *testing.T) {
	r := rand2.New(rand2.NewPCG(7, 8))
	for depth := 10; depth <= 13; depth++ {
		p, _ := wire.FerretOf(depth)
		p.K, p.Trees = 64, 2
		f := newTrees(p)
		guess, neighbour := r.IntN(1<<depth), 1<<(depth-1)
		places := []int{guess, 0, 1<<depth - 1}
		for bit := range depth {
			places = append(places, guess^1<<bit, guess^r.IntN(1<<(depth-bit))<<bit)
		}
		slices.Sort(places)
		places = slices.Compact(places)
		those := func(mask int) []int {
			return slices.DeleteFunc(slices.Clone(places), func(at int) bool { return (at^guess)&mask != 0 })
		}
		f.expect(t, "an honest sender", f.honest(t, f.delta), places, places)
		f.expect(t, "another Delta in a tree", f.honest(t, f.delta.Xor(prg.Block{2})), places, []int{1<<depth - 1})
		for sum := range depth - 1 {
			f.expect(t, fmt.Sprintf("another tree from sum %d on", sum), f.another(t, sum, guess), places, those(1<<(sum+1)-1))
			f.expect(t, fmt.Sprintf("sum %d", sum), f.vouched(t, sum, guess, false), places, those(neighbour-1))
		}
		f.expect(t, "a wrong last sum that only one leaf tells of", f.vouched(t, depth-2, guess, true), places, []int{guess})
	}
}

// trees is two trees, in the second of which a sender deviates.
type trees struct {
	set   wire.FerretSet
	delta prg.Block
	first []prg.Block // what the sender begins with
}

func newTrees(p wire.FerretSet) trees {
	f := trees{p, prg.Block{0x77, 0x55}, randomVector(p.First(int64(p.Rows())))}
	for i := range f.first {
		f.first[i][0] &^= 1
	}
	return f
}

// ferret is a party with these OTs, new each time.
func (f trees) ferret(conn transport.Conn, ots []prg.Block) *ferret {
	return newFerret(conn, f.set, prg.Block{6}, int64(f.set.Rows()), slices.Clone(ots))
}

// theirs is what a receiver begins with whose second tree has its noise at a place.
func (f trees) theirs(place int) []prg.Block {
	out := slices.Clone(f.first)
	for i := range out {
		r := uint64(i) & 1
		if j := i - f.set.K - f.set.Depth; j >= 0 {
			r = 1 - uint64(place>>j&1)
		}
		out[i] = out[i].Xor(f.delta.And(-r))
	}
	return out
}

// honest is what a sender says that has this Delta in the second tree.
func (f trees) honest(t *testing.T, second prg.Block) (said [][]byte) {
	t.Helper()
	s := f.ferret(recorded{to: &said}, f.first)
	for tree := range f.set.Trees {
		if s.delta = f.delta; tree == 1 {
			s.delta = second
		}
		if err := s.fill(make([]prg.Block, 1<<f.set.Depth)); err != nil {
			t.Fatal(err)
		}
	}
	return said
}

// another is what a sender says whose second tree is another one below a node on the way to a place:
// something is added to both children of it.
func (f trees) another(t *testing.T, sum, place int) [][]byte {
	t.Helper()
	said := f.honest(t, f.delta)
	s := f.ferret(nil, f.first)
	s.check.trees = 1
	var key [1]prg.Block
	s.keys.Fill(key[:], 1)
	s.tree.Reset(key[0])
	ots, v, off := f.first[f.set.K+f.set.Depth:], s.leaves, prg.Block{1 << 9, 3}
	fix := func(j int) (prg.Block, uint64) { // what is added before level j is expanded
		if j != sum+2 {
			return prg.Block{}, 0
		}
		return off, uint64(place) & (1<<(sum+1) - 1)
	}
	v[0], v[1] = ots[0], ots[0].Xor(f.delta)
	for j := 1; j < f.set.Depth; j++ {
		by, at := fix(j)
		left := s.tree.Expand(v, 1<<j, by, at).Xor(ots[j])
		if j == sum+1 {
			left = left.Xor(off)
		}
		left.Put(said[1][(j-1)*prg.BlockSize:])
	}
	by, at := fix(f.set.Depth)
	s.tree.Finish(v, by, at, 0, 0)
	s.check.vouch(said[1][len(said[1])-wire.TreeCheckBytes:], v)
	return said
}

// vouched is what a sender says that adds something to a sum of the second tree, and vouches for
// the leaves that a receiver then has whose noise is at a place, the noisy one put right. Alone: for
// them with the one in the noise's place as an honest sender has it.
func (f trees) vouched(t *testing.T, sum, place int, alone bool) [][]byte {
	t.Helper()
	said := f.honest(t, f.delta)
	to := said[1][sum*prg.BlockSize:]
	off := prg.Block{1 << 9, 3}
	prg.Load(to).Xor(off).Put(to)
	r := f.ferret(&recited{said: said}, f.theirs(place))
	r.receives = true
	if err := r.fill(make([]prg.Block, 1<<f.set.Depth)); err != nil {
		t.Fatal(err)
	}
	if err := r.grow(); !errors.Is(err, transport.ErrViolation) {
		t.Fatalf("a wrong sum with an honest word: %v", err)
	}
	leaves, check := r.leaves, r.check
	leaves[place] = leaves[place].Xor(f.delta)
	if alone {
		leaves[place] = leaves[place].Xor(off)
	}
	check.trees = 1
	check.vouch(said[1][len(said[1])-wire.TreeCheckBytes:], leaves)
	return said
}

// paired is what a sender says that adds something to the last sum, and vouches for leaves that are
// off in the siblings of both places.
func (f trees) paired(t *testing.T, places ...int) [][]byte {
	t.Helper()
	said := f.honest(t, f.delta)
	to, off := said[1][(f.set.Depth-2)*prg.BlockSize:], prg.Block{1 << 9, 3}
	prg.Load(to).Xor(off).Put(to)
	s := f.ferret(recorded{to: new([][]byte)}, f.first)
	s.delta = f.delta
	if err := s.fill(make([]prg.Block, 2<<f.set.Depth)); err != nil {
		t.Fatal(err)
	}
	for _, at := range places {
		sibling := at ^ len(s.leaves)/2
		s.leaves[sibling] = s.leaves[sibling].Xor(off)
	}
	s.check.trees = 1
	s.check.vouch(to[prg.BlockSize:], s.leaves)
	return said
}

// expect holds what was said to receivers with their noise at these places, and says which of them
// should find nothing wrong.
func (f trees) expect(t *testing.T, what string, said [][]byte, places, want []int) {
	t.Helper()
	var passes []int
	for _, place := range places {
		r := f.ferret(&recited{said: said}, f.theirs(place))
		r.receives = true
		rows := make([]prg.Block, 1<<f.set.Depth)
		if err := r.fill(rows); err != nil {
			t.Fatal(err)
		}
		clear(rows)
		if !noticed(t, r.fill(rows)) {
			passes = append(passes, place)
		} else if !slices.Equal(rows, make([]prg.Block, len(rows))) {
			t.Errorf("depth %d, %s: rows of a wrong tree are handed out", f.set.Depth, what)
		}
	}
	if !slices.Equal(passes, want) {
		t.Errorf("depth %d, %s: passes for places %d, want %d", f.set.Depth, what, passes, want)
	}
}

// recorded keeps what is sent.
type recorded struct {
	transport.Conn
	to *[][]byte
}

func (c recorded) Send(p []byte) error {
	*c.to = append(*c.to, bytes.Clone(p))
	return nil
}

// recited is a peer that has said something.
type recited struct {
	transport.Conn
	said [][]byte
}

func (c *recited) Recv(p []byte) error {
	copy(p, c.said[0])
	c.said = c.said[1:]
	return nil
}

// TestInnerProducts compares with school multiplication.
func TestInnerProducts(t *testing.T) { kerneltest.Each(t, testInnerProducts, multiplying) }

func testInnerProducts(t *testing.T) {
	for _, n := range []int{4, 8, 60, 64} {
		a, b := randomVector(n), randomVector(n + 1)[:n]
		copy(a, []prg.Block{{}, {1}, {^uint64(0), ^uint64(0)}, {0, 1 << 63}})
		copy(b, []prg.Block{{5}, {0, 1}, {^uint64(0), ^uint64(0)}, {0, 1 << 63}})
		var want prg.Block
		for j, x := range a {
			for i := range 128 {
				want = want.Xor(x.And(-(b[j][i/64] >> (i % 64) & 1)))
				x = timesX(x, 1)
			}
		}
		if got := inner(a, b); got != want {
			t.Fatalf("%d products: %x, want %x", n, got, want)
		}
	}
}

// TestColumnHash: the factors are those of the message and of what came before.
func TestColumnHash(t *testing.T) {
	check := newColumnCheck(2048)
	for _, rows := range []int{2048, 512} {
		c := check.draw([32]byte{1, 2}, 77, []byte("corrections"), rows)
		if len(c) != rows/128 {
			t.Fatalf("%d factors of %d OTs", len(c), rows)
		}
		key := blake3.Sum256(append(binary.LittleEndian.AppendUint64([]byte{1, 2, 31: 0}, 77), "corrections"...))
		for i, x := range c {
			if x != counter(prg.Load(key[:]), uint64(i)) {
				t.Fatalf("factor %d is %x", i, x)
			}
		}
	}
}
