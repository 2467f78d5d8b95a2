package store

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

// reserved is a run of a party that its peer has agreed on.
func reserved(t *testing.T, s *Store, b Binding) *Run {
	t.Helper()
	r, err := s.Reserve(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Agree(Claim{b.Name, b.Number}); err != nil {
		t.Fatal(err)
	}
	return r
}

// What is built where it will lie is not copied, and reads as what was written.
func TestAvailableBuffer(t *testing.T) {
	const size = 3 << 20
	for name, s := range map[string]*Store{"RAM": Memory(0), "disk": openT(t, t.TempDir(), 0)} {
		b := binding(1, 1)
		d, err := s.Put(b, size)
		if err != nil {
			t.Fatal(err)
		}
		want := bytesOf(b.Name, size)
		for _, n := range []int{10, 0, 1000, size - 2010, 1000} {
			at := size - int(d.left)
			piece := append(d.AvailableBuffer(), want[at:at+n]...)
			if name == "RAM" && n > 0 && &piece[0] != &d.AvailableBuffer()[:1][0] {
				t.Fatalf("%s: a piece of %d bytes was moved", name, n)
			}
			if k, err := d.Write(piece); k != n || err != nil {
				t.Fatalf("%s: %d of %d bytes: %v", name, k, n, err)
			}
		}
		if err := d.Commit(); err != nil {
			t.Fatal(err)
		}
		r := reserved(t, s, b)
		for _, n := range []int64{size, 0, 1} {
			if got, err := r.Bytes(size-n, n); err != nil || !bytes.Equal(got, want[size-n:]) {
				t.Errorf("%s: the last %d bytes: other bytes (%v)", name, n, err)
			}
		}
		if _, err := r.Bytes(1, size); err == nil {
			t.Errorf("%s: bytes beyond the end", name)
		}
		if err := r.Spend(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Bytes(0, 1); err == nil {
			t.Errorf("%s: bytes of a spent run", name)
		}
	}
}

// A run in RAM is gone when it is spent. Who still has bytes of one that is burned does not read
// zeros, which would mask nothing.
func TestLentBytes(t *testing.T) {
	s := Memory(0)
	for i, spend := range []bool{true, false} {
		b := binding(1, uint64(i+1))
		put(t, s, b, 100)
		r := reserved(t, s, b)
		got, err := r.Bytes(0, 100)
		if err != nil {
			t.Fatal(err)
		}
		want := bytesOf(b.Name, 100)
		end := r.Burn
		if spend {
			end, want = r.Spend, make([]byte, 100)
		}
		if err := end(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("spent: %v: %x (%v)", spend, got, err)
		}
	}
}

// The memory of a run that was spent is the next one's.
func TestMemoryIsUsedAgain(t *testing.T) {
	s, kept := Memory(0), []byte(nil)
	for i := range 3 {
		b := binding(1, uint64(i+1))
		put(t, s, b, 100)
		r := reserved(t, s, b)
		got, err := r.Bytes(0, 100)
		if err != nil || !bytes.Equal(got, bytesOf(b.Name, 100)) {
			t.Fatalf("run %d holds other bytes (%v)", i, err)
		}
		if kept != nil && &kept[0] != &got[0] {
			t.Errorf("run %d lies elsewhere than the one before", i)
		}
		kept = got
		if err := r.Spend(); err != nil {
			t.Fatal(err)
		}
	}
}

// The collector is told what is held, whichever way it ends: erased, given up, kept for the next run
// or left when the store is closed, after which nothing is.
func TestMemoryIsCounted(t *testing.T) {
	const size = 1000
	for most, spare := range map[int64]int64{0: size, 1 << 20: 0} {
		s := Memory(most)
		m := s.medium.(*ram)
		held := func(when string, want int64) {
			t.Helper()
			if m.held != want {
				t.Errorf("at most %d, %s: %d bytes are held, want %d", most, when, m.held, want)
			}
		}
		var drafts []*Draft
		for i := range uint64(3) {
			d, err := s.Put(binding(1, i), size)
			if err != nil {
				t.Fatal(err)
			}
			drafts = append(drafts, d)
		}
		held("three are made", 3*size)
		if err := drafts[0].Discard(); err != nil {
			t.Fatal(err)
		}
		held("one is given up", 2*size+spare)
		if _, err := drafts[1].Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := drafts[1].Commit(); err != nil {
			t.Fatal(err)
		}
		if err := reserved(t, s, binding(1, 1)).Spend(); err != nil {
			t.Fatal(err)
		}
		held("one is spent", size+spare)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		held("closed", 0)
		if err := drafts[2].Discard(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.begin(binding(1, 9), size); !errors.Is(err, ErrClosed) {
			t.Errorf("a run begun in a closed store: %v", err)
		}
		held("after the end", 0)
	}
}
