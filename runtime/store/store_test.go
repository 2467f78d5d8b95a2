package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// each runs a test on a store in RAM and on one on the disk.
func each(t *testing.T, limit int64, f func(t *testing.T, s *Store)) {
	t.Run("ram", func(t *testing.T) { f(t, Memory(limit)) })
	t.Run("disk", func(t *testing.T) { f(t, openT(t, t.TempDir(), limit)) })
}

var testKey = Key{1, 2, 3}

func openT(t *testing.T, dir string, limit int64) *Store {
	t.Helper()
	s, err := Open(dir, testKey, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func binding(session byte, number uint64) Binding {
	return Binding{For{[32]byte{1}, [32]byte{2}, "clinic"}, Name{[32]byte{session}, number}}
}

// bytesOf are the bytes of a run, which follow from its name.
func bytesOf(n Name, size int) []byte {
	seed := sha256.Sum256(append(n.Session[:], byte(n.Number)))
	return bytes.Repeat(seed[:], size/32+1)[:size]
}

func put(t *testing.T, s *Store, b Binding, size int) {
	t.Helper()
	if err := putRun(s, b, size); err != nil {
		t.Fatal(err)
	}
}

func putRun(s *Store, b Binding, size int) error {
	d, err := s.Put(b, int64(size))
	if err != nil {
		return err
	}
	for rest := bytesOf(b.Name, size); len(rest) > 0; {
		n := min(len(rest), 50000)
		if _, err := d.Write(rest[:n]); err != nil {
			return errors.Join(err, d.Discard())
		}
		rest = rest[n:]
	}
	return d.Commit()
}

// use takes a run through both parties' stores to its end. begin is called before any of its
// bytes are looked at.
func use(a, b *Store, n Binding, begin ...func() error) error {
	x, err := a.Reserve(context.Background(), n)
	if err != nil {
		return err
	}
	y, err := b.Reserve(context.Background(), n)
	if err != nil {
		return errors.Join(err, x.Burn())
	}
	xs, ys := x.Claim(), y.Claim()
	if err := errors.Join(x.Agree(ys), y.Agree(xs)); err != nil {
		return errors.Join(err, x.Burn(), y.Burn())
	}
	for _, f := range begin {
		if err := f(); err != nil {
			return err
		}
	}
	for _, r := range []*Run{x, y} {
		got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, bytesOf(n.Name, len(got))) {
			return errors.New("the run holds other bytes")
		}
	}
	return errors.Join(x.Spend(), y.Spend())
}

// A run gives the bytes that were put, in any order, once.
func TestRun(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 17} {
		each(t, 0, func(t *testing.T, s *Store) {
			b := binding(1, 0)
			put(t, s, b, size)
			if got := s.Ready(b.For); !slices.Equal(got, []Name{b.Name}) {
				t.Fatalf("ready: %v", got)
			}
			r, err := s.Reserve(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Reserve(t.Context(), b); !errors.Is(err, ErrNone) || len(s.Ready(b.For)) != 0 {
				t.Errorf("a second time: %v", err)
			}
			if _, err := r.ReadAt(make([]byte, 1), 0); err == nil {
				t.Error("read before the parties have agreed")
			}
			if err := r.Agree(Claim{b.Name, 1}); err != nil {
				t.Fatal(err)
			}
			want := bytesOf(b.Name, size)
			for _, off := range []int{0, size / 2, size - 1, size / 3} {
				if off < 0 || off >= size {
					continue
				}
				got := make([]byte, size-off)
				if _, err := r.ReadAt(got, int64(off)); err != nil || !bytes.Equal(got, want[off:]) {
					t.Errorf("%d bytes from %d: %v", size, off, err)
				}
			}
			if n, err := r.ReadAt(make([]byte, size+1), 0); n != size || err != io.EOF {
				t.Errorf("beyond the end: %d, %v", n, err)
			}
			if err := r.Spend(); err != nil {
				t.Fatal(err)
			}
			if _, err := r.ReadAt(make([]byte, 1), 0); err == nil {
				t.Error("read after it was spent")
			}
			if st := s.Stats(); st.Bytes != 0 || st.Reserved != 0 || st.Spent != 1 || st.Burned != 0 {
				t.Errorf("%+v", st)
			}
			if s.Finish(b.Session); len(s.past) != 0 {
				t.Error("the session is not forgotten")
			}
		})
	}
}

// Runs are found by all that they are bound to, the oldest first.
func TestBinding(t *testing.T) {
	each(t, 0, func(t *testing.T, s *Store) {
		b := binding(1, 0)
		put(t, s, b, 10)
		put(t, s, binding(2, 0), 10)
		put(t, s, binding(1, 1), 10)
		if got, want := s.Ready(b.For), []Name{b.Name, binding(2, 0).Name, binding(1, 1).Name}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		for name, change := range map[string]func(*Binding){
			"plan": func(b *Binding) { b.Plan[5]++ }, "weights": func(b *Binding) { b.Weights[31]++ },
			"peer": func(b *Binding) { b.Peer = "" }, "session": func(b *Binding) { b.Session[9]++ }, "number": func(b *Binding) { b.Number = 7 },
		} {
			o := b
			change(&o)
			if _, err := s.Reserve(t.Context(), o); !errors.Is(err, ErrNone) {
				t.Errorf("another %s: %v", name, err)
			}
			if (name == "plan" || name == "weights" || name == "peer") && len(s.Ready(o.For)) != 0 {
				t.Errorf("another %s has runs", name)
			}
		}
		if _, err := s.Put(b, 10); err == nil {
			t.Error("two runs of one name")
		}
		if err := s.Drop(func(b Binding) bool { return b.Session[0] == 2 }); err != nil || len(s.Ready(b.For)) != 1 || s.Stats().Burned != 2 {
			t.Errorf("%v %+v", err, s.Stats())
		}
	})
}

// A store takes no more than it may, from when a run is begun; what is not finished leaves nothing.
func TestLimit(t *testing.T) {
	each(t, 3*(headerSize+100+tagSize), func(t *testing.T, s *Store) {
		size := int(s.stats.Limit/3 - s.medium.overhead(100)) // 100 on the disk
		put(t, s, binding(1, 0), size)
		put(t, s, binding(1, 1), size)
		d, err := s.Put(binding(1, 2), int64(size))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(binding(1, 3), 1); !errors.Is(err, ErrFull) {
			t.Errorf("a fourth: %v", err)
		}
		if _, err := d.Write(make([]byte, size+1)); err == nil {
			t.Error("more than was announced")
		}
		if err := d.Commit(); err == nil {
			t.Error("less than was announced")
		}
		if st := s.Stats(); st.Bytes != s.stats.Limit/3*2 || st.Ready != 2 {
			t.Errorf("%+v", st)
		}
		put(t, s, binding(1, 3), size)
		if m, ok := s.medium.(*disk); ok {
			var all int64
			files, _ := filepath.Glob(m.file("*" + segmentSuffix))
			for _, f := range files {
				info, err := os.Stat(f)
				if err != nil {
					t.Fatal(err)
				}
				all += info.Size()
			}
			if all != s.Stats().Bytes {
				t.Errorf("%d bytes on the disk, %d counted", all, s.Stats().Bytes)
			}
		}
	})
}

// Parties that name different runs, or one of which has gone back in time, lose the run.
func TestAgree(t *testing.T) {
	each(t, 0, func(t *testing.T, s *Store) {
		for i := range uint64(6) {
			put(t, s, binding(1, i), 10)
		}
		put(t, s, binding(2, 0), 10)
		claim := func(ours, theirs, counter uint64) error {
			r, err := s.Reserve(t.Context(), binding(1, ours))
			if err != nil {
				return err
			}
			err = r.Agree(Claim{binding(1, theirs).Name, counter})
			return errors.Join(err, r.Burn())
		}
		if err := claim(0, 1, 1); !errors.Is(err, ErrMismatch) {
			t.Errorf("another run: %v", err)
		}
		if err := claim(1, 1, 5); err != nil {
			t.Error(err)
		}
		if err := claim(2, 2, 6); err != nil {
			t.Error(err)
		}
		if err := claim(3, 3, 6); !errors.Is(err, ErrRestored) {
			t.Errorf("the same counter: %v", err)
		}
		if err := claim(4, 4, 9); !errors.Is(err, ErrNone) {
			t.Errorf("after it was seen to be restored: %v", err)
		}
		if got := s.Ready(binding(1, 0).For); !slices.Equal(got, []Name{binding(2, 0).Name}) {
			t.Errorf("left: %v", got)
		}
	})
}

// Inferences side by side may agree in another order than they reserved in, also when the store
// is opened anew in between; a counter that comes twice is refused still.
func TestAgreeCrosswise(t *testing.T) {
	each(t, 0, func(t *testing.T, s *Store) {
		const runs = 5
		order := []uint64{4, 1, 0, 3, 2}
		other := mirror(t, 1, runs)
		var ours, theirs [runs]*Run
		for i := range uint64(runs) {
			put(t, s, binding(1, i), 10)
			for side, at := range map[*Store]*[runs]*Run{s: &ours, other: &theirs} {
				r, err := side.Reserve(t.Context(), binding(1, i))
				if err != nil {
					t.Fatal(err)
				}
				at[i] = r
			}
		}
		for _, i := range order {
			if err := errors.Join(ours[i].Agree(theirs[i].Claim()), theirs[i].Agree(ours[i].Claim())); err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
			if err := errors.Join(ours[i].Spend(), theirs[i].Spend()); err != nil {
				t.Fatal(err)
			}
		}
		put(t, s, binding(1, runs), 10)
		if d, ok := s.medium.(*disk); ok {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openT(t, d.dir, 0)
		}
		r, err := s.Reserve(t.Context(), binding(1, runs))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Agree(Claim{binding(1, runs).Name, 2}); !errors.Is(err, ErrRestored) {
			t.Errorf("a counter that was seen: %v", err)
		}
	})
}

// What is remembered of counters is which came, for the last of them; older ones count as seen.
func TestSeen(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var s seen
	came, top := map[uint64]bool{0: true}, uint64(0)
	for range 20000 {
		c := top + uint64(r.IntN(8))
		if r.IntN(3) > 0 {
			c -= min(c, uint64(r.IntN(2*seenWindow)))
		}
		if r.IntN(500) == 0 {
			c += seenWindow
		}
		want := !came[c] && c+seenWindow > top
		if got := s.add(c); got != want {
			t.Fatalf("%d after %d: %v, want %v", c, top, got, want)
		}
		came[c], top = true, max(top, c)
	}
	if s.add(^uint64(0)); s.add(^uint64(0)) || s.add(1) {
		t.Error("the last counter twice, or one long past")
	}
}

// Claims have one length and one reading.
func TestClaim(t *testing.T) {
	c := Claim{Name{[32]byte{1, 2, 31: 9}, 1 << 60}, 77}
	if got, err := DecodeClaim(c.Encode()); err != nil || got != c {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := DecodeClaim(c.Encode()[1:]); err == nil {
		t.Error("a short claim")
	}
}

type witness struct {
	used map[Name]bool
	err  error
}

func (w *witness) Reserve(_ context.Context, n Name) error {
	if w.err != nil {
		return w.err
	}
	if w.used[n] {
		return ErrNone
	}
	w.used[n] = true
	return nil
}

// What the witness knows as used is burned; without the witness nothing is used and nothing lost.
func TestWitness(t *testing.T) {
	each(t, 0, func(t *testing.T, s *Store) {
		w := &witness{used: map[Name]bool{binding(1, 1).Name: true}}
		s.Watched(w)
		put(t, s, binding(1, 0), 10)
		put(t, s, binding(1, 1), 10)
		w.err = errors.New("no database")
		if _, err := s.Reserve(t.Context(), binding(1, 0)); !errors.Is(err, w.err) || len(s.Ready(binding(1, 0).For)) != 2 {
			t.Errorf("without a witness: %v", err)
		}
		w.err = nil
		if _, err := s.Reserve(t.Context(), binding(1, 1)); !errors.Is(err, ErrNone) || len(s.Ready(binding(1, 0).For)) != 1 {
			t.Errorf("used elsewhere: %v", err)
		}
		if _, err := s.Reserve(t.Context(), binding(1, 0)); err != nil {
			t.Error(err)
		}
	})
}

// Runs outlast the process; those that were reserved or half written do not.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := openT(t, dir, 0)
	for i := range uint64(4) {
		put(t, s, binding(1, i), 100000)
	}
	if _, err := Open(dir, testKey, 0); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second process: %v", err)
	}
	if err := use(s, mirror(t, 1, 4), binding(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reserve(t.Context(), binding(1, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(binding(1, 9), 10); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(binding(1, 8), 10); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := Open(dir, Key{4}, 0); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("another key: %v", err)
	}
	s = openT(t, dir, 0)
	if got, want := s.Ready(binding(1, 0).For), []Name{binding(1, 2).Name, binding(1, 3).Name}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if st := s.Stats(); st.Burned != 2 || st.Bytes != 2*(100000+headerSize+2*tagSize) {
		t.Errorf("%+v", st)
	}
	r, err := s.Reserve(t.Context(), binding(1, 2))
	if err != nil || r.Claim().Counter != 3 {
		t.Fatalf("the counter went back: %v, %v", r.Claim(), err)
	}
	if err := r.Agree(Claim{binding(1, 2).Name, 1}); !errors.Is(err, ErrRestored) {
		t.Errorf("what was seen of the peer was forgotten: %v", err)
	}
}

// mirror is a peer's store with runs of a session.
func mirror(t *testing.T, session byte, n uint64) *Store {
	m := Memory(0)
	for i := range n {
		put(t, m, binding(session, i), 100000)
	}
	return m
}

// A folder holds nothing in the clear; a run that was erased cannot be read from what the disk
// kept of its file; one that is put back is none.
func TestErased(t *testing.T) {
	dir := t.TempDir()
	s := openT(t, dir, 0)
	put(t, s, binding(1, 0), 100000)
	put(t, s, binding(1, 1), 100000)
	kept := map[string][]byte{}
	files, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b := read(t, f)
		kept[f] = b
		for _, marker := range [][]byte{bytesOf(binding(1, 0).Name, 32), bytesOf(binding(1, 1).Name, 32), []byte("clinic"), {1, 31: 0}} {
			if bytes.Contains(b, marker) {
				t.Errorf("%s: %x lies there in the clear", f, marker)
			}
		}
		if err := os.Link(f, f+".linked"); err != nil {
			t.Skip(err)
		}
	}
	if err := use(s, mirror(t, 1, 2), binding(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(func(Binding) bool { return false }); err != nil {
		t.Fatal(err)
	}
	for f, b := range kept {
		left := read(t, f+".linked")
		if !bytes.Equal(left[:headerSize], make([]byte, headerSize)) || !bytes.Equal(left[headerSize:], b[headerSize:]) {
			t.Errorf("%s: the key is still there", f)
		}
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := openT(t, dir, 0).Ready(binding(1, 0).For); len(got) != 0 {
		t.Errorf("runs that were put back: %v", got)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Damage is found: a damaged journal opens no store, a damaged run is not used.
func TestDamage(t *testing.T) {
	for name, c := range map[string]struct {
		file   string
		at     int
		opens  bool
		ready  int
		whence error
	}{
		"journal's head":   {journalName, 3, false, 0, ErrDamaged},
		"journal's salt":   {journalName, 20, false, 0, ErrDamaged},
		"a record":         {journalName, headSize + sha256.Size + 9, false, 0, ErrDamaged},
		"the last record":  {journalName, -1, true, 1, nil}, // as if it was being written
		"a run's key":      {"*" + segmentSuffix, 100, true, 0, nil},
		"a run's contents": {"*" + segmentSuffix, headerSize + chunkSize + 100, true, 1, ErrDamaged},
	} {
		dir := t.TempDir()
		s := openT(t, dir, 0)
		put(t, s, binding(1, 0), 100000)
		if err := s.medium.log(record{kind: recordSeen, name: binding(3, 0).Name}); err != nil {
			t.Fatal(err)
		}
		s.Close()
		files, err := filepath.Glob(filepath.Join(dir, c.file))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		b := read(t, files[0])
		b[(c.at+len(b))%len(b)] ^= 4
		if err := os.WriteFile(files[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err = Open(dir, testKey, 0)
		if !c.opens {
			if !errors.Is(err, c.whence) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || len(s.Ready(binding(1, 0).For)) != c.ready {
			t.Fatalf("%s: %v", name, err)
		}
		if c.ready > 0 {
			if err := use(s, mirror(t, 1, 1), binding(1, 0)); !errors.Is(err, c.whence) {
				t.Errorf("%s: %v", name, err)
			}
		}
		s.Close()
	}
	dir := t.TempDir()
	s := openT(t, dir, 0)
	put(t, s, binding(1, 0), 10)
	s.Close()
	if err := os.Remove(filepath.Join(dir, journalName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, testKey, 0); !errors.Is(err, ErrDamaged) {
		t.Errorf("without a journal: %v", err)
	}
}

// The journal does not grow without end, and says the same after it was written anew.
func TestJournalIsRenewed(t *testing.T) {
	dir := t.TempDir()
	s, peer := openT(t, dir, 0), Memory(0)
	s.medium.(*disk).long = 2000
	put(t, s, binding(1, 99), 10)
	for i := range uint64(40) {
		put(t, s, binding(1, i), 10)
		put(t, peer, binding(1, i), 10)
		if err := use(s, peer, binding(1, i)); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, journalName)); err != nil || info.Size() > 2000+lineSize {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openT(t, dir, 0)
	if got := s.Ready(binding(1, 0).For); !slices.Equal(got, []Name{binding(1, 99).Name}) {
		t.Errorf("ready: %v", got)
	}
	r, err := s.Reserve(t.Context(), binding(1, 99))
	if err != nil || r.Claim().Counter != 41 {
		t.Fatalf("%v, %v", r.Claim(), err)
	}
	if err := r.Agree(Claim{r.e.Name, 40}); !errors.Is(err, ErrRestored) {
		t.Errorf("what was seen of the peer was forgotten: %v", err)
	}
}

// A key that others may read is refused; one that is not there is made.
func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	k, err := KeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := KeyFile(path); err != nil || again != k {
		t.Errorf("%v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := KeyFile(path); err == nil || !strings.Contains(err.Error(), "others may read") {
		t.Errorf("mode 0640: %v", err)
	}
	for _, text := range []string{"", "12", strings.Repeat("x", 64)} {
		if _, err := ParseKey([]byte(text)); err == nil {
			t.Errorf("%q is a key", text)
		}
	}
}

// When Reserve returns, that the run is used stands on the disk, before its key was touched.
func TestReserveIsDurable(t *testing.T) {
	var ops []string
	s, err := openWith(t.TempDir(), testKey, 0, func(op string) { ops = append(ops, op) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, binding(1, 0), 10)
	ops = nil
	r, err := s.Reserve(t.Context(), binding(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"journal written", "journal synchronised", "key taken"}; !slices.Equal(ops, want) {
		t.Errorf("%q", ops)
	}
	if h := read(t, r.e.content.(*segment).path)[:headerSize]; !bytes.Equal(h, make([]byte, headerSize)) {
		t.Error("the key still lies in the file")
	}
	ops = nil
	if err := r.Agree(Claim{r.e.Name, 1}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"journal written", "journal synchronised"}; !slices.Equal(ops, want) {
		t.Errorf("%q", ops)
	}
	ops = nil
	if err := r.Spend(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"key overwritten", "key forgotten", "segment removed"}; !slices.Equal(ops, want) {
		t.Errorf("%q", ops)
	}
}

// A peer that says that this store is a restored copy has what there is of the session burned, once
// and for all, and being told again, or too late, does no harm.
func TestRefuse(t *testing.T) {
	s := Memory(0)
	var runs []*Run
	for n := range uint64(3) {
		b := binding(1, n)
		if err := putRun(s, b, 10); err != nil {
			t.Fatal(err)
		}
		if n < 2 {
			r, err := s.Reserve(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, r)
		}
	}
	if err := runs[0].Refuse(); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Ready != 0 {
		t.Errorf("%+v", st)
	}
	if err := runs[1].Agree(runs[1].Claim()); !errors.Is(err, ErrRestored) {
		t.Errorf("a run of a session that was refused: %v", err)
	}
	s.Finish(binding(1, 0).Session)
	for _, r := range runs {
		if err := r.Refuse(); err != nil {
			t.Error(err)
		}
	}
	if st := s.Stats(); st.Reserved != 0 || st.Bytes != 0 {
		t.Errorf("%+v", st)
	}
}

// A store on a disk has a name, which a copy shares and another store does not.
func TestID(t *testing.T) {
	dir, key := t.TempDir(), NewKey()
	open := func(dir string) string {
		t.Helper()
		s, err := Open(dir, key, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return s.ID()
	}
	name := open(dir)
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if name == "" || open(dir) != name || open(copied) != name || open(t.TempDir()) == name || Memory(0).ID() != "" {
		t.Errorf("%q", name)
	}
}

// Room is held until it is used or given back, and runs in it are never refused for want of space.
func TestRoom(t *testing.T) {
	s := Memory(100)
	r := s.Room(30, 5)
	if r.Runs() != 3 || s.Stats().Bytes != 90 {
		t.Fatalf("room for %d runs, %+v", r.Runs(), s.Stats())
	}
	if _, err := s.Put(binding(1, 0), 20); !errors.Is(err, ErrFull) {
		t.Errorf("space that is held was given: %v", err)
	}
	r.Shrink(2)
	if s.Room(30, 1).Runs() != 1 {
		t.Error("space that was given back is held")
	}
	for n := range uint64(2) {
		d, err := r.Put(binding(1, n))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Discard(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Put(binding(1, 9)); !errors.Is(err, ErrFull) || s.Stats().Bytes != 30 {
		t.Errorf("more runs than there is room for: %v, %+v", err, s.Stats())
	}
	a := s.Room(30, 1)
	if d, err := s.Put(binding(1, 7), 10); err != nil || d.Discard() != nil {
		t.Fatal(err)
	}
	if err := putRun(s, binding(1, 5), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Put(binding(1, 5)); err == nil || s.Stats().Bytes != 40 {
		t.Errorf("a run that is there already: %v, %+v", err, s.Stats())
	}
}
