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
