package ot

import (
	"bytes"
	"crypto/rand"
	"testing"

	"filippo.io/edwards25519"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/prg"
)

// orderLess is the group's order less one, little-endian.
func orderLess() []byte {
	one, err := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		panic(err)
	}
	return edwards25519.NewScalar().Negate(one).Bytes()
}

// torsion is what is left of a point once the prime order is multiplied away:
// the identity for the points of an honest party.
func torsion(p *edwards25519.Point) *edwards25519.Point {
	r := edwards25519.NewIdentityPoint()
	less := orderLess()
	for i := 255; i >= 0; i-- {
		r = new(edwards25519.Point).Add(r, r)
		if less[i/8]>>(i%8)&1 == 1 {
			r = new(edwards25519.Point).Add(r, p)
		}
	}
	return r.Add(r, p)
}

// smallOrder finds a point whose order is exactly 8.
func smallOrder(t *testing.T) *edwards25519.Point {
	for range 1000 {
		var b [32]byte
		rand.Read(b[:])
		p, err := new(edwards25519.Point).SetBytes(b[:])
		if err != nil {
			continue
		}
		q := torsion(p)
		four := new(edwards25519.Point).Add(q, q)
		four.Add(four, four)
		if four.Equal(edwards25519.NewIdentityPoint()) == 0 {
			return q
		}
	}
	t.Fatal("no point of order 8 found")
	return nil
}

// TestTorsionTellsNothing: a base OT sender that adds a point of each small
// order to A learns no choice from the points it gets, which all lie in the prime subgroup.
func TestTorsionTellsNothing(t *testing.T) {
	tag := Config{Kind: wire.SoftSpoken, K: 4}.tag(1)
	choice := prg.Block{0x123456789abcdef0, 0xfedcba9876543210}
	small := smallOrder(t)
	for order := 8; order > 1; order /= 2 {
		a, err := randomScalar(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		bigA := new(edwards25519.Point).Add(new(edwards25519.Point).ScalarBaseMult(a), small)
		hello := append(append(tag[:], make([]byte, seedSize)...), bigA.Bytes()...)
		points := answerBase(t, tag, hello, choice)
		for i := range wire.BaseOTs {
			b, err := decodePoint(points[i*pointSize:][:pointSize])
			if err != nil {
				t.Fatal(err)
			}
			if torsion(b).Equal(edwards25519.NewIdentityPoint()) == 0 {
				t.Fatalf("order %d: point %d has a component of small order", order, i)
			}
		}
		small.Add(small, small)
	}
}

// answerBase lets the receiving side answer a hello and returns its points.
func answerBase(t *testing.T, tag [32]byte, hello []byte, choice prg.Block) []byte {
	t.Helper()
	x, y := mpctest.Pipe()
	defer x.Close()
	if err := x.Send(hello); err != nil {
		t.Fatal(err)
	}
	if err := x.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := baseReceive(y, tag, choice, rand.Reader); err != nil {
		t.Fatal(err)
	}
	in := make([]byte, pointsSize)
	if err := x.Recv(in); err != nil {
		t.Fatal(err)
	}
	return in[seedSize:]
}

// TestBaseKeysHoldTheTranscript: a key changes with everything that the two
// parties sent for it, and with its number.
func TestBaseKeysHoldTheTranscript(t *testing.T) {
	tag := Config{Kind: wire.SoftSpoken, K: 4}.tag(1)
	other := Config{Kind: wire.SoftSpoken, K: 4}.tag(2)
	s := newSession(tag, []byte("receiver"), []byte("sender"))
	a, b, c := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)
	g := edwards25519.NewGeneratorPoint()
	keys := map[prg.Block]string{}
	for what, key := range map[string]prg.Block{
		"as it is":                     s.baseKey(7, a, b, g),
		"another number":               s.baseKey(8, a, b, g),
		"another point of the sender":  s.baseKey(7, c, b, g),
		"another point of the choice":  s.baseKey(7, a, c, g),
		"another Diffie-Hellman value": s.baseKey(7, a, b, new(edwards25519.Point).Add(g, g)),
		"another configuration":        newSession(other, []byte("receiver"), []byte("sender")).baseKey(7, a, b, g),
		"another receiver's seed":      newSession(tag, []byte("Receiver"), []byte("sender")).baseKey(7, a, b, g),
		"another sender's seed":        newSession(tag, []byte("receiver"), []byte("Sender")).baseKey(7, a, b, g),
	} {
		if was, ok := keys[key]; ok {
			t.Errorf("%s and %s give one key", was, what)
		}
		keys[key] = what
	}
	if s.key("hash") == s.key("ferret 0") || s.key("hash") == newSession(other, []byte("receiver"), []byte("sender")).key("hash") {
		t.Error("public keys of two purposes or of two sessions are equal")
	}
}

// TestDeltaIsDrawnAnew: every direction has a Delta of its own that follows its
// randomness in all bits but the lowest, which is 1.
func TestDeltaIsDrawnAnew(t *testing.T) {
	cfg := Config{Kind: wire.SoftSpoken, K: 4}
	var ones, zeros prg.Block
	for range 40 {
		x, y := mpctest.Pipe()
		s, err := NewSender(t.Context(), x, cfg, 1, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for w := range ones {
			ones[w] |= s.delta[w]
			zeros[w] |= ^s.delta[w]
		}
		s.Close()
		x.Close()
		y.Close()
	}
	all := ^uint64(0)
	if ones != (prg.Block{all, all}) || zeros != (prg.Block{all - 1, all}) { // wrong once in 2^32 runs
		t.Errorf("bits of 40 Deltas that were ever 1: %x, ever 0: %x", ones, zeros)
	}
}

// TestParameterSetsArePinned: the estimates and the plan's prices hold for these
// numbers; whoever changes one runs the estimates again.
func TestParameterSetsArePinned(t *testing.T) {
	want := map[int]wire.FerretSet{
		10: {K: 1 << 17, Trees: 850, Depth: 10},
		11: {K: 1 << 18, Trees: 1170, Depth: 11},
		12: {K: 1 << 19, Trees: 1520, Depth: 12},
		13: {K: 1 << 20, Trees: 1900, Depth: 13},
	}
	for depth := range 64 {
		p, ok := wire.FerretOf(depth)
		if w, there := want[depth]; ok != there || p != w {
			t.Errorf("set %d is %+v (%v), want %+v (%v)", depth, p, ok, w, there)
		}
	}
	if wire.LPNWeight != 10 || lineSize != 4 || wire.BootstrapK != 8 || wire.BaseOTs != 128 {
		t.Errorf("row weight %d, lines of %d, bootstrap group %d, base OTs %d", wire.LPNWeight, lineSize, wire.BootstrapK, wire.BaseOTs)
	}
}

// TestBasePointsAreFresh: every base OT has a scalar of its own. With one for
// all, the points would show which choices are equal.
func TestBasePointsAreFresh(t *testing.T) {
	tag := Config{Kind: wire.SoftSpoken, K: 4}.tag(1)
	hello := append(append(tag[:], make([]byte, seedSize)...), edwards25519.NewGeneratorPoint().Bytes()...)
	seen := map[string]bool{}
	for range 2 {
		points := answerBase(t, tag, hello, prg.Block{5, 6})
		for i := range wire.BaseOTs {
			seen[string(points[i*pointSize:][:pointSize])] = true
		}
	}
	if len(seen) != 2*wire.BaseOTs {
		t.Errorf("%d different points in two runs of %d", len(seen), wire.BaseOTs)
	}
}
