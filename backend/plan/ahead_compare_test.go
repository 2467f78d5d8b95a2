package plan

import (
	"testing"

	"secc.example/secc/backend/plan/wire"
)

// What is moved waits for no second level of joins, what is shown does: trees are chosen by the messages
// that follow one upon another, as the walk of a session counts them.
func TestTreesCountWhatWaits(t *testing.T) {
	for _, c := range []struct {
		tree          wire.Tree
		bits          int
		moved, showed int
	}{
		{wire.Tree{Leaf: 4}, 4, 2, 3},            // a table
		{wire.Tree{Leaf: 4, Arity: 3}, 11, 4, 3}, // a level
		{wire.Tree{Leaf: 3, Arity: 3}, 11, 4, 5}, // two
		{wire.Tree{Leaf: 2, Arity: 2}, 11, 6, 5}, // three
	} {
		c.tree.Prepared, c.tree.Known = true, true
		flights := CostCarries(8, wire.NewCarries(c.bits, 0, 1, c.tree)).Flights
		if moved, showed := (shape{c.bits, false}).rounds(flights), (shape{c.bits, true}).rounds(flights); moved != c.moved || showed != c.showed {
			t.Errorf("%d bits, leaves of %d: %d messages until the result is moved, %d until it is shown; want %d and %d", c.bits, c.tree.Leaf, moved, showed, c.moved, c.showed)
		}
	}
	for bits := 9; bits <= 12; bits++ {
		moved, shown := aheadTree(shape{bits, false}), aheadTree(shape{bits, true})
		ahead := func(t wire.Tree) int { return wire.NewCarries(bits, 0, 1, t).Exchanged() }
		if levels := len(wire.NewCarries(bits, 0, 1, shown).Levels); levels != 1 || ahead(moved) > ahead(shown) {
			t.Errorf("%d bits: %+v where moved, %+v with %d levels where shown", bits, moved, shown, levels)
		}
	}
}

// What labels cost in prediction: against the formula of docs/protocols-nonlinear.md.
func TestCostOfLabels(t *testing.T) {
	const n = 800
	for _, c := range []struct {
		leaf, arity, m, f, tables int
	}{{4, 2, 7, 2, 32 + 2*12}, {4, 3, 11, 6, 32 + 2*12 + 2*32}} {
		for _, to := range []int{16, 28} {
			r := &Relu{Sign: Sign{Bits: 16, Lo: 0, Hi: c.m + 1, Tree: wire.Tree{Leaf: c.leaf, Arity: c.arity, Prepared: true, Known: true, Labelled: true}}}
			wide := 0
			if to > 16 {
				r.ExtendTo, wide = to, 1
			}
			got := CostRelu(n, r)
			want := []Flight{{ToClient: int64(n / 8 * (c.m + to + wide + c.f + 1))}, {ToServer: int64(n / 8 * (c.f + 1 + 2*to))}}
			if len(got.Flights) != 2 || got.Flights[0] != want[0] || got.Flights[1] != want[1] {
				t.Errorf("%d bits to %d: %+v, want %+v", c.m, to, got.Flights, want)
			}
			if ahead := int64(n / 8 * (c.tables + c.f*to + 2*(to-16))); got.Ahead != ahead {
				t.Errorf("%d bits to %d: %d bytes beforehand, want %d", c.m, to, got.Ahead, ahead)
			}
			if cots := (COTs{n, int64(n * (c.m + c.f + 1 + wide))}); got.COTs != cots {
				t.Errorf("%d bits to %d: %+v, want %+v", c.m, to, got.COTs, cots)
			}
		}
	}
}

// The longer the link, the more is sent to save messages on it.
func TestWorthOfFlight(t *testing.T) {
	before := int64(0)
	for _, profile := range []string{"loopback", "lan", "rtt=20ms,bw=400M", "wan", "rtt=300ms,bw=1G"} {
		p := &Plan{Profile: profile}
		worth := p.worthOfFlight()
		if worth < before || worth < leastWorth || worth > mostWorth {
			t.Errorf("%s: a message is worth %d bytes, on shorter links %d", profile, worth, before)
		}
		before = worth
	}
	if before != mostWorth || (&Plan{Profile: "wan"}).worthOfFlight() < 3*leastWorth {
		t.Errorf("%d bytes are the most, %d over wan", before, (&Plan{Profile: "wan"}).worthOfFlight())
	}
	if odd, lan := (&Plan{Profile: "nobody's"}).worthOfFlight(), (&Plan{Profile: "lan"}).worthOfFlight(); odd != lan {
		t.Errorf("a link that nobody knows: %d, the LAN: %d", odd, lan)
	}
}
