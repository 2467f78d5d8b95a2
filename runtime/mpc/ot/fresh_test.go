package ot

import (
	"errors"
	"slices"
	"testing"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/prg"
)

// TestStagesHaveKeysOfTheirOwn: the sets that run one after the other in a
// direction share neither their trees' keys nor their code's stream, and none has the hash's key.
func TestStagesHaveKeysOfTheirOwn(t *testing.T) {
	sess := newSession(Config{Kind: wire.Ferret, Set: 12}.tag(1), []byte("receiver"), []byte("sender"))
	keys := []prg.Block{sess.key("hash")}
	soft := func(int, int64) (extension, error) { return filled{}, nil }
	_, err := stack(Config{Kind: wire.Ferret, Set: 12}, 1<<20, sess, soft, func(_ wire.FerretSet, key prg.Block, _ int64, _ []prg.Block) extension {
		keys = append(keys, key)
		return filled{}
	})
	if err != nil {
		t.Fatal(err)
	}
	distinct := map[prg.Block]bool{}
	for _, k := range keys {
		distinct[k] = true
	}
	if len(keys) != 3 || len(distinct) != 3 {
		t.Errorf("keys of the hash and of two stages: %x", keys)
	}
}

// filled is an extension that leaves what it is given.
type filled struct{}

func (filled) fill([]prg.Block) error { return nil }
func (filled) flush() error           { return nil }

// TestNumbersGoOn: batches, reserves and what is cut off them have the numbers
// of their OTs, from the start of the direction: no two share a tweak.
func TestNumbersGoOn(t *testing.T) {
	s, r, _, _ := pair(t, Config{Kind: wire.SoftSpoken, K: 4}, 1000)
	check := func(what string, got, want uint64) {
		t.Helper()
		if got != want {
			t.Errorf("%s begins at number %d, want %d", what, got, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for at := uint64(0); at < 300; at += 100 {
		a, err := s.Take(t.Context(), 100)
		must(err)
		b, err := r.Take(t.Context(), 100)
		must(err)
		check("a sender's batch", a.index, at)
		check("a receiver's batch", b.index, at)
	}
	sr, err := s.Reserve(t.Context(), 200)
	must(err)
	rr, err := r.Reserve(t.Context(), 200)
	must(err)
	for at := uint64(300); at < 500; at += 50 {
		a, err := sr.Take(t.Context(), 50)
		must(err)
		b, err := rr.Take(t.Context(), 50)
		must(err)
		check("a batch of a sender's reserve", a.index, at)
		check("a batch of a receiver's reserve", b.index, at)
	}
	if _, err := sr.Take(t.Context(), 1); !errors.Is(err, ErrExhausted) {
		t.Errorf("a reserve that is used up gives %v", err)
	}
	if _, err := s.Take(t.Context(), 501); !errors.Is(err, ErrExhausted) { // 500 of 1000 are left
		t.Errorf("a sender that has too few left gives %v", err)
	}
	if _, err := r.Take(t.Context(), 501); !errors.Is(err, ErrExhausted) {
		t.Errorf("a receiver that has too few left gives %v", err)
	}
}

// TestBlocksNeverRepeat: over several messages of SoftSpoken and several
// iterations of Ferret no row comes twice, and choices are balanced and do not follow the ones before.
func TestBlocksNeverRepeat(t *testing.T) {
	const total = 4 * wire.SoftRows
	for _, cfg := range []Config{{Kind: wire.SoftSpoken, K: 2}, {Kind: wire.SoftSpoken, K: 8}, {Kind: wire.Ferret, Set: 10}} {
		s, r, _, _ := pair(t, cfg, total)
		done := make(chan []prg.Block, 1)
		go func() {
			b, err := s.Take(t.Context(), total)
			if err != nil {
				t.Error(err)
				done <- nil
				return
			}
			q, _ := b.Blocks()
			done <- q
		}()
		b, err := r.Take(t.Context(), total)
		if err != nil {
			t.Fatal(err)
		}
		rows := map[string][]prg.Block{"receiver": b.Blocks(), "sender": <-done}
		for who, blocks := range rows {
			sorted := slices.SortedFunc(slices.Values(blocks), func(a, b prg.Block) int { return slices.Compare(a[:], b[:]) })
			if len(slices.Compact(sorted)) != total {
				t.Errorf("%s: the %s has a row twice", cfg.name(), who)
			}
		}
		for _, step := range []int{1, wire.SoftRowsUnit, wire.SoftRows} {
			same := 0
			for i := step; i < total; i++ {
				same += int(1 ^ (rows["receiver"][i][0]^rows["receiver"][i-step][0])&1)
			}
			if d := 2*same - (total - step); d*d > 49*total { // 7 standard deviations
				t.Errorf("%s: %d of %d choices equal the one %d before", cfg.name(), same, total-step, step)
			}
		}
	}
}
