package nonlinear

import "testing"

// Vectors of a memory do not overlap, are zero where that is asked for, and the next call's are the same memory.
func TestMemory(t *testing.T) {
	m := new(Memory)
	var first *uint64
	for call := range 3 {
		seen := map[*uint64]bool{}
		for _, n := range []int{1, memoryBlock / 2, memoryBlock, 7, 3 * memoryBlock, 0, 64} {
			w := m.Words(n)
			if len(w) != n || cap(w) != n {
				t.Fatalf("%d words, room for %d, where %d were asked for", len(w), cap(w), n)
			}
			for i := range w {
				if w[i] != 0 || seen[&w[i]] {
					t.Fatalf("call %d: word %d of %d is %#x, given out before: %v", call, i, n, w[i], seen[&w[i]])
				}
				w[i] = ^uint64(0)
				seen[&w[i]] = true
			}
		}
		mark := m.given()
		a := m.Dirty(5)
		m.giveBack(mark)
		if b := m.Dirty(5); &a[0] != &b[0] {
			t.Fatal("what was given back is not given out again")
		}
		if m.Reset(); first != nil && first != &m.blocks[0][0] {
			t.Fatal("a call's memory is not the one before's")
		}
		first = &m.blocks[0][0]
	}
	had := len(m.blocks)
	if m.Ints(4 * memoryBlock); len(m.blocks) != 1 || had < 2 {
		t.Errorf("blocks that are too small for all that a call has are kept: %d of %d", len(m.blocks), had)
	}
	var none *Memory
	if w := none.Words(3); len(w) != 3 {
		t.Errorf("no memory gives %d words", len(w))
	}
	none.giveBack(none.given())
	none.Reset()
}
