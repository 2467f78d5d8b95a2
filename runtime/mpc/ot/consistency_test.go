package ot

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

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
	silent := []int{pointsSize + 3, pointsSize + tree - 9, pointsSize + tree - 1, pointsSize + 8*tree + 100, pointsSize + 9*tree, pointsSize + 9*tree + 31}
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
	p := wire.FerretSet{K: 64, Trees: 2, Depth: 6}
	expect := func(what string, change func(*deviant), want ...int) {
		t.Helper()
		var passes []int
		for place := range 1 << p.Depth {
			if treesPass(t, p, place, change) {
				passes = append(passes, place)
			}
		}
		if !slices.Equal(passes, want) {
			t.Errorf("%s: passes for places %d, want %d", what, passes, want)
		}
	}
	all := make([]int, 1<<p.Depth)
	for i := range all {
		all[i] = i
	}
	expect("an honest sender", func(*deviant) {}, all...)
	// On the last path no OT opens Delta.
	expect("another Delta in a tree", func(d *deviant) { d.other = prg.Block{0, 1 << 40} }, 1<<p.Depth-1)
	for at := range p.TreeBytes() + wire.DigestBytes {
		if at%5 == 0 || at >= p.TreeBytes()-wire.TreeCheckBytes {
			expect(fmt.Sprintf("byte %d of its tree's message changed", at), func(d *deviant) { d.at = p.TreeBytes() + at })
		}
	}
	for _, guess := range []int{0, 13, 36, 1<<p.Depth - 1} {
		expect("a wrong sum of leaves, vouched for at a place", func(d *deviant) { d.guess = guess }, guess)
	}
}

// deviant is a sender of two trees that deviates in the second.
type deviant struct {
	*ferret
	other prg.Block // is added to Delta
	at    int       // byte that is changed, if not negative
	guess int       // place for which it computes the check of a wrong last sum, if not negative
}

// bend is what is sent instead of message p. Of the wrong last sum a receiver has its noisy leaf and
// the other child of its parent off, by as much.
func (d *deviant) bend(p []byte, check *treeCheck) []byte {
	off := prg.Block{1 << 9, 3}
	switch tree := len(p) == d.TreeBytes(); {
	case d.guess < 0:
		return p
	case !tree:
		return check.sum()
	case d.left == 1:
		check.vouch(make([]byte, wire.TreeCheckBytes), d.leaves)
		return p
	}
	p = bytes.Clone(p)
	last := p[(d.Depth-2)*prg.BlockSize:]
	prg.Load(last).Xor(off).Put(last)
	leaves, sibling := slices.Clone(d.leaves), d.guess^len(d.leaves)/2
	leaves[sibling] = leaves[sibling].Xor(off)
	check.vouch(last[prg.BlockSize:], leaves)
	return p
}

// treesPass runs two trees, the second with its noise at a place.
func treesPass(t *testing.T, p wire.FerretSet, place int, change func(*deviant)) bool {
	t.Helper()
	delta := prg.Block{0x77 | 1, 0x55}
	total := int64(p.Rows())
	first := randomVector(p.First(total))
	theirs := make([]prg.Block, len(first))
	for i := range first {
		r := uint64(i) & 1
		if j := i - p.K - p.Depth; j >= 0 {
			r = 1 - uint64(place>>j&1)
		}
		first[i][0] &^= 1
		theirs[i] = first[i].Xor(delta.And(-r))
	}
	a, b := mpctest.Pipe()
	defer a.Close()
	key := prg.Block{6}
	d := &deviant{at: -1, guess: -1}
	change(d)
	check := newTreeCheck(counter(key, 2))
	conn := rewritten{flip(a, d.at), func(p []byte) []byte { return d.bend(p, check) }}
	d.ferret = newFerret(conn, p, key, total, first)
	r := newFerret(b, p, key, total, theirs)
	r.receives = true
	for tree := range p.Trees {
		d.delta = delta
		if tree == 1 {
			d.delta = delta.Xor(d.other)
		}
		if err := d.fill(make([]prg.Block, 1<<p.Depth)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.flush(); err != nil {
		t.Fatal(err)
	}
	return !noticed(t, r.fill(make([]prg.Block, total)))
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
	room := make([]prg.Block, 8)
	c := newColumnHash(room, [32]byte{1, 2}, 77, []byte("corrections"))
	key := sha256.Sum256(append(binary.LittleEndian.AppendUint64([]byte{1, 2, 31: 0}, 77), "corrections"...))
	for i, x := range c {
		if x != counter(prg.Load(key[:]), uint64(i)) {
			t.Fatalf("factor %d is %x", i, x)
		}
	}
}
