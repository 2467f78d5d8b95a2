package ot

import (
	"slices"
	"testing"

	"secc.example/secc/runtime/mpc/prg"
)

// handBatch is a batch of given blocks that starts at an index.
func handBatch(x []prg.Block, at uint64) batch {
	from := new(slab)
	from.unused.Store(1 << 40)
	return batch{parts: []part{{from: from, blocks: x}}, n: len(x), index: at, hash: prg.NewHash(prg.Block{3, 4})}
}

// TestPadsFollowTheNumber: equal blocks under different numbers give unrelated
// pads in every form, and the numbers of neighbouring batches do not meet.
func TestPadsFollowTheNumber(t *testing.T) {
	const n = 512
	x := make([]prg.Block, n)
	for i := range x {
		x[i] = prg.Block{5, 6}
	}
	forms := map[string]func(at uint64) []uint64{
		"bits":   func(at uint64) []uint64 { b := RecvBatch{handBatch(x, at)}; _, p := b.Pads(1); return p },
		"words":  func(at uint64) []uint64 { b := RecvBatch{handBatch(x, at)}; _, p := b.Pads(64); return p },
		"tables": func(at uint64) []uint64 { b := RecvBatch{handBatch(x, at)}; _, p := b.TablePads(2, 64); return p },
		"seeds": func(at uint64) (w []uint64) {
			b := RecvBatch{handBatch(x, at)}
			s, choice := make([]prg.Block, n), make([]uint64, n/64)
			b.SeedsInto(choice, s)
			for _, y := range s {
				w = append(w, y[0], y[1])
			}
			return w
		},
	}
	for name, pads := range forms {
		first := pads(0)
		sorted := slices.Sorted(slices.Values(first))
		if len(slices.Compact(sorted)) != len(first) {
			t.Errorf("%s: equal blocks have equal pads", name)
		}
		for _, w := range pads(n) {
			if slices.Contains(first, w) {
				t.Errorf("%s: the pads of the next batch repeat those of the first", name)
				break
			}
		}
	}
}
